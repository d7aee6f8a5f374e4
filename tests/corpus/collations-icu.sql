-- Collations of ICU. A server that is built without it has none of them.
SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'de-x-icu') AS has_icu \gset
\if :has_icu
CREATE SCHEMA "Col";
CREATE COLLATION german (PROVIDER = icu, LOCALE = 'de-u-co-phonebk');
CREATE COLLATION "Col"."Natural" (PROVIDER = icu, LOCALE = 'en-u-kn-true');
CREATE COLLATION ignores_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE COLLATION copied FROM "de-x-icu";
COMMENT ON COLLATION ignores_case IS 'A = a';
CREATE TABLE sorted (a text COLLATE german, b text COLLATE ignores_case UNIQUE, c text COLLATE "de-x-icu");
INSERT INTO sorted VALUES ('Ärger', 'A', 'z'), ('Zorn', 'b', 'ä');
CREATE INDEX ON sorted (a COLLATE "Col"."Natural", c COLLATE copied);
CREATE DOMAIN natural_text AS text COLLATE "Col"."Natural";
CREATE VIEW in_order AS SELECT a FROM sorted ORDER BY a COLLATE "und-x-icu";
\endif

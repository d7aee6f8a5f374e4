-- Collations of ICU with rules of one's own. A server that is built without ICU has none of them.
SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'de-x-icu') AS has_icu \gset
\if :has_icu
CREATE COLLATION ruled (PROVIDER = icu, LOCALE = 'und', RULES = '& V << w <<< W');
CREATE COLLATION "Custom Order" (PROVIDER = icu, LOCALE = 'de', RULES = '&a < g', DETERMINISTIC = false);
CREATE TABLE sorted (a text COLLATE ruled, b text COLLATE "Custom Order");
\endif

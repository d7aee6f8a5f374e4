-- Collations of the C library, with and without one locale for both, and what uses them.
CREATE SCHEMA "Col";
CREATE COLLATION plain (LOCALE = 'C');
CREATE COLLATION "Col"."Mixed" (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
CREATE COLLATION copied FROM "C";
COMMENT ON COLLATION "Col"."Mixed" IS 'for the tests';
CREATE TABLE sorted (a text COLLATE plain, b text COLLATE "Col"."Mixed" DEFAULT 'b');
CREATE INDEX ON sorted (a COLLATE "Col"."Mixed", b COLLATE copied);
CREATE DOMAIN name_of AS text COLLATE plain;
CREATE TYPE names AS RANGE (SUBTYPE = text, COLLATION = "Col"."Mixed");
CREATE VIEW in_order AS SELECT a FROM sorted ORDER BY a COLLATE copied;

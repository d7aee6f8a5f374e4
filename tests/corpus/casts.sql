-- Casts by functions, by text, by nothing; in every context; by functions of the server.
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN small AS int;
CREATE FUNCTION number_of(colour) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE $1::text WHEN 'red' THEN 1 ELSE 2 END $$;
CREATE FUNCTION "Colour Of"(int, int, boolean) RETURNS colour LANGUAGE sql IMMUTABLE AS $$ SELECT CASE $1 WHEN 1 THEN 'red' ELSE 'green' END::colour $$;
CREATE CAST (colour AS int) WITH FUNCTION number_of(colour) AS IMPLICIT;
CREATE CAST (int AS colour) WITH FUNCTION "Colour Of"(int, int, boolean) AS ASSIGNMENT;
CREATE CAST (pair AS json) WITH INOUT;
CREATE CAST (json AS pair) WITH INOUT AS ASSIGNMENT;
CREATE FUNCTION pair_of(text) RETURNS pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1::int, 0)::pair';
CREATE CAST (text AS pair) WITH FUNCTION pair_of(text);
CREATE CAST (money AS double precision) WITHOUT FUNCTION;
COMMENT ON CAST (colour AS int) IS 'its number';
CREATE TABLE painted (n int DEFAULT 'red'::colour, c colour DEFAULT 1::colour);
INSERT INTO painted DEFAULT VALUES;
CREATE VIEW numbers AS SELECT c::int AS n FROM painted;

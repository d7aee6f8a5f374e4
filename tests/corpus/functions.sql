-- Functions and procedures: languages, every attribute, arguments of every mode, overloads, quoting, cycles with tables.
CREATE SCHEMA f;
CREATE FUNCTION f.plain() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f.overloaded(int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$SELECT $1$$;
CREATE FUNCTION f.overloaded(text, int DEFAULT 5) RETURNS text LANGUAGE sql STABLE LEAKPROOF COST 5 AS $$SELECT $1$$;
CREATE FUNCTION f.overloaded(a text, OUT b int, INOUT c int, VARIADIC d int[]) LANGUAGE plpgsql SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, "$user", "Mixed Case" SET work_mem = '4MB' AS $body$BEGIN b := 1; END$body$;
CREATE FUNCTION f.many(n int = 3) RETURNS SETOF int LANGUAGE sql ROWS 7 AS 'SELECT generate_series(1, n)';
CREATE FUNCTION f.as_table() RETURNS TABLE (x int, "Y" text) LANGUAGE sql AS $x$SELECT 1, '$_$ $$'::text$x$;
CREATE FUNCTION f."Quoted ""Name"""("Arg" int) RETURNS text LANGUAGE plpgsql AS $x$
BEGIN
  -- $$ and $_$ inside, and a backslash \
  RETURN 'it''s';
END
$x$;
CREATE PROCEDURE f.proc(a int, INOUT b text) LANGUAGE plpgsql AS 'BEGIN b := a; END';
CREATE PROCEDURE f.proc() LANGUAGE sql AS '';
CREATE FUNCTION f.native(cstring) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION f.poly(anyelement, anyarray) RETURNS anyarray LANGUAGE sql AS 'SELECT $2 || $1';
CREATE FUNCTION f.event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION f.variadic_any(VARIADIC "any") RETURNS text LANGUAGE internal STABLE AS 'text_concat';
CREATE TABLE f.t (id int, name text);
CREATE FUNCTION f.of_row(f.t) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.name';
CREATE FUNCTION f.rows() RETURNS SETOF f.t LANGUAGE sql AS 'SELECT * FROM f.t';
COMMENT ON FUNCTION f.overloaded(int) IS 'a function';
COMMENT ON PROCEDURE f.proc(int, text) IS 'a procedure';
-- A default that calls a function of the table's own rows; a check and a generated column that call functions.
CREATE TABLE f.looping (id int, n bigint);
CREATE FUNCTION f.count_looping(f.looping) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
ALTER TABLE f.looping ALTER n SET DEFAULT f.count_looping(NULL);
CREATE FUNCTION f.valid(f.looping) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
ALTER TABLE f.looping ADD CONSTRAINT valid CHECK (f.valid(looping.*));
INSERT INTO f.looping VALUES (1);
CREATE FUNCTION f.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE TABLE f.uses (a int CHECK (f.twice(a) > 0), b int GENERATED ALWAYS AS (f.twice(a)) STORED, c int DEFAULT f.twice(4));
CREATE INDEX ON f.uses (f.twice(a));
INSERT INTO f.uses VALUES (1);
CREATE FUNCTION public.window_like() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';

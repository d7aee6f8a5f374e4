-- Odd names in every place where a name can stand. Each place has a schema of its own, so that every name can stand there.
CREATE TABLE public.odd_names (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO public.odd_names VALUES
  (1, 'with "double" quotes'), (2, 'it''s single'), (3, 'dotted.name.twice'), (4, 'ünïcödé Ж 名前 🐘'), (5, E'two\nlines'),
  (6, E'tab\tand\rreturn'), (7, 'back\slash \n'), (8, 'x234567890123456789012345678901234567890123456789012345678901b'),
  (9, 'MixedCase'), (10, 'select'), (11, 'user'), (12, ' blanks around '), (13, '$dollar$'), (14, '-- no comment'),
  (15, '/* nor this'), (16, '%s %I %%'), (17, '\.'), (18, '0digit'), (19, 'semi;colon'), (20, E'\x01\x1b[31m'), (21, '\N'),
  (22, 'ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ'), (23, '"'), (24, '''');
INSERT INTO public.odd_names VALUES (25, '{curly, "list"}'), (26, 'none=X/''y'), (27, E'nb\u00a0sp'), (28, 'double  blank');
CREATE SCHEMA tables; CREATE SCHEMA columns; CREATE SCHEMA enums; CREATE SCHEMA domains; CREATE SCHEMA composites;
CREATE SCHEMA ranges; CREATE SCHEMA functions; CREATE SCHEMA sequences; CREATE SCHEMA views; CREATE SCHEMA materialized;
CREATE SCHEMA indexes; CREATE SCHEMA parts; CREATE SCHEMA identities; CREATE SCHEMA aggregates; CREATE SCHEMA on_tables;
CREATE TYPE public.odd_labels AS ENUM ();
CREATE TABLE parts.parent (name text, id int, PRIMARY KEY (name, id)) PARTITION BY LIST (name);
CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
DO $do$
DECLARE
  odd record;
  q text;
BEGIN
  FOR odd IN SELECT id, name, quote_ident(name) AS q, quote_literal(name) AS l FROM public.odd_names ORDER BY id LOOP
    q := odd.q;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = odd.name) THEN EXECUTE format('CREATE ROLE %s', q); END IF;
    EXECUTE format('CREATE SCHEMA %s', q);
    EXECUTE format('COMMENT ON SCHEMA %s IS %s', q, odd.l);
    EXECUTE format('CREATE TABLE %s.%s (%s text DEFAULT %s)', q, q, q, odd.l);
    EXECUTE format('INSERT INTO %s.%s VALUES (%s), (DEFAULT)', q, q, odd.l);
    EXECUTE format('ALTER TYPE public.odd_labels ADD VALUE %s', odd.l);
    EXECUTE format('CREATE TYPE enums.%s AS ENUM (%s, ''other'')', q, odd.l);
    EXECUTE format('CREATE DOMAIN domains.%s AS text DEFAULT %s CONSTRAINT %s CHECK (VALUE <> ''x'' || %s)', q, odd.l, q, odd.l);
    EXECUTE format('CREATE TYPE composites.%s AS (%s enums.%s, other domains.%s)', q, q, q, q);
    EXECUTE format('CREATE TYPE ranges.%s AS RANGE (SUBTYPE = int)', q) ;
    EXECUTE format('CREATE SEQUENCE sequences.%s', q);
    PERFORM setval(format('sequences.%s', q)::regclass, odd.id * 10);
    EXECUTE format('CREATE TABLE tables.%s (id int DEFAULT nextval(%L), %s composites.%s, e enums.%s DEFAULT %s, d domains.%s, r ranges.%s)',
                   q, format('sequences.%s', q), q, q, q, odd.l, q, q);
    EXECUTE format('INSERT INTO tables.%s VALUES (DEFAULT, ROW(%s, ''y''), DEFAULT, ''z'', ''[1,2)'')', q, odd.l);
    EXECUTE format('COMMENT ON TABLE tables.%s IS %s', q, odd.l);
    EXECUTE format('COMMENT ON COLUMN tables.%s.%s IS %s', q, q, odd.l);
    EXECUTE format('CREATE FUNCTION functions.%s(%s text DEFAULT %s, OUT out_%s text) LANGUAGE sql AS %L',
                   q, q, odd.l, odd.id, 'SELECT $1 || $_$ $$ $_$ || ' || odd.l);
    EXECUTE format('COMMENT ON FUNCTION functions.%s(text) IS %s', q, odd.l);
    EXECUTE format('CREATE AGGREGATE aggregates.%s(%s int) (SFUNC = int4pl, STYPE = int, INITCOND = ''0'')', q, q);
    EXECUTE format('CREATE VIEW views.%s AS SELECT id AS %s, d FROM tables.%s WHERE d::text <> %s', q, q, q, odd.l);
    EXECUTE format('CREATE MATERIALIZED VIEW materialized.%s AS SELECT %s FROM views.%s', q, q, q);
    EXECUTE format('CREATE TABLE indexes.%I (%s int, other int, text text)', 't' || odd.id, q);
    EXECUTE format('CREATE INDEX %s ON indexes.%I (%s, (text || %s)) WHERE text <> %s', q, 't' || odd.id, q, odd.l, odd.l);
    EXECUTE format('COMMENT ON INDEX indexes.%s IS %s', q, odd.l);
    EXECUTE format('CREATE TABLE on_tables.%I (%s int PRIMARY KEY, parent int, CONSTRAINT %s CHECK (%s > 0))', 't' || odd.id, q, q || '', q);
    EXECUTE format('ALTER TABLE on_tables.%I ADD CONSTRAINT %I FOREIGN KEY (parent) REFERENCES on_tables.%I (%s)', 't' || odd.id, 'f' || left(odd.name, 20), 't' || odd.id, q);
    EXECUTE format('CREATE TRIGGER %s BEFORE INSERT ON on_tables.%I FOR EACH ROW WHEN (NEW.%s > 1) EXECUTE FUNCTION public.fire(%s)', q, 't' || odd.id, q, odd.l);
    EXECUTE format('CREATE POLICY %s ON on_tables.%I TO %s USING (%s > 2)', q, 't' || odd.id, q, q);
    EXECUTE format('CREATE RULE %s AS ON DELETE TO on_tables.%I WHERE OLD.%s > 3 DO INSTEAD NOTHING', q, 't' || odd.id, q);
    EXECUTE format('COMMENT ON TRIGGER %s ON on_tables.%I IS %s', q, 't' || odd.id, odd.l);
    EXECUTE format('COMMENT ON POLICY %s ON on_tables.%I IS %s', q, 't' || odd.id, odd.l);
    EXECUTE format('COMMENT ON CONSTRAINT %s ON on_tables.%I IS %s', q, 't' || odd.id, odd.l);
    EXECUTE format('CREATE TABLE parts.%s PARTITION OF parts.parent FOR VALUES IN (%s)', q, odd.l);
    EXECUTE format('INSERT INTO parts.parent VALUES (%s, 1)', odd.l);
    EXECUTE format('CREATE TABLE identities.%s (%s int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (7) STORED)', q, q);
    EXECUTE format('INSERT INTO identities.%s DEFAULT VALUES', q);
    EXECUTE format('ALTER TABLE tables.%s OWNER TO %s', q, q);
    EXECUTE format('ALTER SCHEMA %s OWNER TO %s', q, q);
    EXECUTE format('GRANT SELECT (%s) ON tables.%s TO public', q, q);
    EXECUTE format('GRANT ALL ON views.%s TO %s WITH GRANT OPTION', q, q);
    EXECUTE format('GRANT EXECUTE ON FUNCTION functions.%s(text) TO %s', q, q);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT SELECT ON TABLES TO %s', q, q, q);
    EXECUTE format('ALTER FUNCTION functions.%s(text) SET search_path = %s, pg_catalog', q, q);
  END LOOP;
END $do$;

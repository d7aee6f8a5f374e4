-- Aggregates: plain, moving, ordered-set, hypothetical, with every option.
CREATE FUNCTION add_up(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2';
CREATE FUNCTION finish(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
CREATE AGGREGATE total(int) (SFUNC = add_up, STYPE = int, INITCOND = '0', FINALFUNC = finish, FINALFUNC_MODIFY = SHAREABLE,
  COMBINEFUNC = add_up, SSPACE = 16, PARALLEL = SAFE);
CREATE AGGREGATE moving(float8) (SFUNC = float8pl, STYPE = float8, INITCOND = '0', MSFUNC = float8pl, MINVFUNC = float8mi, MSTYPE = float8, MINITCOND = '0');
CREATE AGGREGATE rows_counted(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
CREATE AGGREGATE greatest_of(int) (SFUNC = int4larger, STYPE = int, SORTOP = >);
CREATE AGGREGATE my_percentile(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE "My Rank"(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
COMMENT ON AGGREGATE total(int) IS 'adds up';
COMMENT ON AGGREGATE rows_counted(*) IS 'counts';
CREATE VIEW totals AS SELECT total(g) AS t, rows_counted(*) AS n FROM generate_series(1, 3) g;
DO $$ BEGIN IF to_regrole('corpus_counter') IS NULL THEN CREATE ROLE corpus_counter; END IF; END $$;
REVOKE EXECUTE ON FUNCTION total(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rows_counted() TO corpus_counter;

-- Operators with every option, operator classes and families, with members of their own.
CREATE SCHEMA ops;
CREATE TYPE ops.money2 AS (amount int, currency text);
CREATE FUNCTION ops.eq(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount = $2.amount';
CREATE FUNCTION ops.ne(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount <> $2.amount';
CREATE FUNCTION ops.lt(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount < $2.amount';
CREATE FUNCTION ops.le(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount <= $2.amount';
CREATE FUNCTION ops.gt(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount > $2.amount';
CREATE FUNCTION ops.ge(ops.money2, ops.money2) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount >= $2.amount';
CREATE FUNCTION ops."Negative (of)"(ops.money2) RETURNS ops.money2 LANGUAGE sql IMMUTABLE AS 'SELECT ROW(-$1.amount, $1.currency)::ops.money2';
CREATE FUNCTION ops.compare(ops.money2, ops.money2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount - $2.amount';
CREATE FUNCTION ops.hash(ops.money2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount';
CREATE OPERATOR ops.= (FUNCTION = ops.eq, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.=), NEGATOR = OPERATOR(ops.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR ops.<> (FUNCTION = ops.ne, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.<>), NEGATOR = OPERATOR(ops.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR ops.< (FUNCTION = ops.lt, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.>), NEGATOR = OPERATOR(ops.>=));
CREATE OPERATOR ops.<= (FUNCTION = ops.le, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.>=), NEGATOR = OPERATOR(ops.>));
CREATE OPERATOR ops.> (FUNCTION = ops.gt, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.<), NEGATOR = OPERATOR(ops.<=));
CREATE OPERATOR ops.>= (FUNCTION = ops.ge, LEFTARG = ops.money2, RIGHTARG = ops.money2, COMMUTATOR = OPERATOR(ops.<=), NEGATOR = OPERATOR(ops.<));
CREATE OPERATOR ops.@- (FUNCTION = ops."Negative (of)", RIGHTARG = ops.money2);
CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR === (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);
COMMENT ON OPERATOR ops.= (ops.money2, ops.money2) IS 'the same amount';
COMMENT ON OPERATOR ops.@- (NONE, ops.money2) IS 'a debt';
CREATE OPERATOR FAMILY ops."Family" USING btree;
CREATE OPERATOR CLASS ops.by_amount DEFAULT FOR TYPE ops.money2 USING btree FAMILY ops."Family" AS
  OPERATOR 1 ops.<, OPERATOR 2 ops.<=, OPERATOR 3 ops.=, OPERATOR 4 ops.>=, OPERATOR 5 ops.>, FUNCTION 1 ops.compare(ops.money2, ops.money2);
CREATE OPERATOR CLASS ops."By Hash" FOR TYPE ops.money2 USING hash AS OPERATOR 1 ops.=, FUNCTION 1 ops.hash(ops.money2);
COMMENT ON OPERATOR CLASS ops.by_amount USING btree IS 'the smaller first';
COMMENT ON OPERATOR FAMILY ops."Family" USING btree IS 'of amounts';
CREATE OPERATOR FAMILY ops.loose USING hash;
ALTER OPERATOR FAMILY ops.loose USING hash ADD OPERATOR 1 ops.= (ops.money2, ops.money2), FUNCTION 1 (ops.money2, ops.money2) ops.hash(ops.money2);
CREATE OPERATOR FAMILY ops.empty USING gin;
CREATE OPERATOR CLASS ops.stored FOR TYPE int[] USING gin AS STORAGE int, OPERATOR 1 && (anyarray, anyarray), OPERATOR 2 @> (anyarray, anyarray),
  FUNCTION 1 btint4cmp(int, int), FUNCTION 2 ginarrayextract(anyarray, internal), FUNCTION 3 ginqueryarrayextract(anyarray, internal, int2, internal, internal, internal, internal),
  FUNCTION 4 ginarrayconsistent(internal, int2, anyarray, int4, internal, internal, internal, internal);
CREATE OPERATOR CLASS ops.near FOR TYPE point USING gist AS OPERATOR 1 << (point, point), OPERATOR 15 <-> (point, point) FOR ORDER BY float_ops,
  FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal), FUNCTION 3 gist_point_compress(internal),
  FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal), FUNCTION 8 gist_point_distance(internal, point, smallint, oid, internal), STORAGE box;
CREATE TABLE prices (p ops.money2, q int[]);
INSERT INTO prices SELECT ROW(i, 'EUR')::ops.money2, ARRAY[i, i + 1] FROM generate_series(1, 30) i;
CREATE INDEX ON prices (p);
CREATE INDEX ON prices USING hash (p ops."By Hash");
CREATE INDEX ON prices USING gin (q ops.stored);
CREATE VIEW cheap AS SELECT p FROM prices WHERE p OPERATOR(ops.<) ROW(5, 'EUR')::ops.money2;

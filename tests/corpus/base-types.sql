-- Base types with every option, and shell types.
CREATE TYPE plain;
CREATE FUNCTION plain_in(cstring) RETURNS plain LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION plain_out(plain) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE plain (INPUT = plain_in, OUTPUT = plain_out, LIKE = int4);
COMMENT ON TYPE plain IS 'an integer by another name';
CREATE SCHEMA "Base Types";
CREATE TYPE "Base Types"."Full";
CREATE FUNCTION "Base Types".full_in(cstring, oid, int) RETURNS "Base Types"."Full" LANGUAGE internal IMMUTABLE STRICT AS 'varcharin';
CREATE FUNCTION "Base Types".full_out("Base Types"."Full") RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout';
CREATE FUNCTION "Base Types".full_receive(internal, oid, int) RETURNS "Base Types"."Full" LANGUAGE internal IMMUTABLE STRICT AS 'varcharrecv';
CREATE FUNCTION "Base Types".full_send("Base Types"."Full") RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'varcharsend';
CREATE FUNCTION "Base Types".full_analyze(internal) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'range_typanalyze';
CREATE TYPE "Base Types"."Full" (
  INPUT = "Base Types".full_in, OUTPUT = "Base Types".full_out, RECEIVE = "Base Types".full_receive, SEND = "Base Types".full_send,
  TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended,
  CATEGORY = 'X', PREFERRED = true, DEFAULT = 'it''s new', DELIMITER = ';', COLLATABLE = true);
CREATE TABLE uses (p plain, f "Base Types"."Full"(12) COLLATE "C", fs "Base Types"."Full"[]);
INSERT INTO uses VALUES ('42', 'twelve', '{a;b}'), (NULL, DEFAULT, NULL);
CREATE TYPE fixed;
CREATE FUNCTION fixed_in(cstring) RETURNS fixed LANGUAGE internal IMMUTABLE STRICT AS 'point_in';
CREATE FUNCTION fixed_out(fixed) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'point_out';
CREATE TYPE fixed (INPUT = fixed_in, OUTPUT = fixed_out, INTERNALLENGTH = 16, ALIGNMENT = double, STORAGE = plain, ELEMENT = float8);
CREATE TABLE of_fixed (f fixed);
INSERT INTO of_fixed VALUES ('(1,2)');
CREATE TYPE never_made;
COMMENT ON TYPE never_made IS 'a shell';
CREATE FUNCTION takes_shell(never_made) RETURNS never_made LANGUAGE internal AS 'int4up';
REVOKE USAGE ON TYPE plain FROM PUBLIC;

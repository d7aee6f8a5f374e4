-- Access methods of tables and indexes, and what is stored by them.
CREATE ACCESS METHOD extra_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD "Extra Hash" TYPE INDEX HANDLER hashhandler;
COMMENT ON ACCESS METHOD extra_heap IS 'a heap by another name';
CREATE TABLE kept (id int PRIMARY KEY, name text) USING extra_heap;
INSERT INTO kept SELECT i, 'name ' || i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW counted USING extra_heap AS SELECT count(*) FROM kept;
CREATE OPERATOR CLASS of_integers DEFAULT FOR TYPE int USING "Extra Hash" AS OPERATOR 1 =, FUNCTION 1 hashint4(int);
CREATE INDEX by_id ON kept USING "Extra Hash" (id);

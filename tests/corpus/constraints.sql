-- Keys of every kind: deferrable, included columns, exclusion, NOT VALID, self-references and cycles; comments.
CREATE TABLE a (id int, code text, "Mixed" int, CONSTRAINT a_pk PRIMARY KEY (id) INCLUDE (code) WITH (fillfactor = 80),
  CONSTRAINT a_code UNIQUE (code), CONSTRAINT a_code_later UNIQUE (code) DEFERRABLE INITIALLY DEFERRED, UNIQUE ("Mixed", code) DEFERRABLE);
CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED,
  parent int REFERENCES b, c_id int);
CREATE TABLE c (id int PRIMARY KEY, b_id int NOT NULL REFERENCES b);
INSERT INTO a VALUES (1, 'one', 1), (2, 'two', 2);
INSERT INTO b VALUES (1, 1, NULL, NULL), (2, 2, 1, 1);
INSERT INTO c VALUES (1, 2);
ALTER TABLE b ADD CONSTRAINT b_c FOREIGN KEY (c_id) REFERENCES c (id);
ALTER TABLE b ADD CONSTRAINT not_checked FOREIGN KEY (parent) REFERENCES b NOT VALID;
CREATE TABLE booked (during tsrange, room int4range, EXCLUDE USING gist (during WITH &&, room WITH =) WHERE (NOT isempty(during)));
INSERT INTO booked VALUES ('[2026-01-01, 2026-01-02)', '[1,2)');
CREATE TABLE multi (x int, y int, z int, PRIMARY KEY (x, y), UNIQUE (y, x));
CREATE TABLE refers_multi (p int, q int, FOREIGN KEY (p, q) REFERENCES multi (x, y) MATCH FULL, FOREIGN KEY (q, p) REFERENCES multi (y, x));
ALTER TABLE a CLUSTER ON a_pk;
COMMENT ON CONSTRAINT a_pk ON a IS 'primary';
COMMENT ON CONSTRAINT b_c ON b IS 'foreign';
COMMENT ON INDEX a_pk IS 'index of the key';
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.far (a_code text REFERENCES public.a (code));

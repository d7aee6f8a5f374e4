-- Large objects with data, owners, privileges and comments; columns that refer to them.
DO $$ BEGIN IF to_regrole('corpus_keeper') IS NULL THEN CREATE ROLE corpus_keeper; END IF; END $$;
SELECT lo_from_bytea(200001, '\x00010203fffe');
SELECT lo_from_bytea(200002, decode(repeat('ab', 300000), 'hex'));
SELECT lo_create(200003);
ALTER LARGE OBJECT 200002 OWNER TO corpus_keeper;
GRANT SELECT ON LARGE OBJECT 200001 TO corpus_keeper;
GRANT UPDATE ON LARGE OBJECT 200002 TO PUBLIC;
COMMENT ON LARGE OBJECT 200003 IS 'an empty one';
CREATE TABLE refers (id int, object oid);
INSERT INTO refers VALUES (1, 200001), (2, 200002);

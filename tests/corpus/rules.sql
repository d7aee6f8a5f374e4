-- Rules on tables and views, conditional, doing nothing, disabled.
CREATE TABLE t (a int, b text);
CREATE TABLE log (a int, what text);
CREATE RULE log_insert AS ON INSERT TO t DO ALSO INSERT INTO log VALUES (NEW.a, 'in;sert');
CREATE RULE "No Delete" AS ON DELETE TO t WHERE OLD.a > 5 DO INSTEAD NOTHING;
CREATE RULE many AS ON UPDATE TO t DO ALSO (INSERT INTO log VALUES (1, 'a'); INSERT INTO log VALUES (2, 'b'));
CREATE VIEW v AS SELECT a, b FROM t;
CREATE RULE v_insert AS ON INSERT TO v DO INSTEAD INSERT INTO t VALUES (NEW.a, NEW.b);
ALTER TABLE t DISABLE RULE many;
ALTER TABLE t ENABLE ALWAYS RULE log_insert;
COMMENT ON RULE log_insert ON t IS 'a rule';
COMMENT ON RULE v_insert ON v IS 'of a view';
INSERT INTO t VALUES (1, 'x');

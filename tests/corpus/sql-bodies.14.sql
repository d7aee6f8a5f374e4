-- SQL-standard function bodies, new in 14, with the dependencies that they record.
CREATE TABLE t (id int PRIMARY KEY, name text);
CREATE FUNCTION named(i int) RETURNS text LANGUAGE sql RETURN (SELECT name FROM t WHERE id = i);
CREATE VIEW z_view AS SELECT id, named(id) AS n FROM t;
CREATE FUNCTION a_uses_z() RETURNS int BEGIN ATOMIC SELECT count(*)::int FROM z_view; END;
CREATE PROCEDURE fill(n int) BEGIN ATOMIC INSERT INTO t VALUES (n, 'x'); SELECT 1; END;
-- Depends on the key, so it has to wait until after the data.
CREATE FUNCTION by_key() RETURNS TABLE (i int, n text) BEGIN ATOMIC SELECT id, name FROM t GROUP BY id; END;
INSERT INTO t VALUES (1, 'one');

-- Views: on views, with options, check options, defaults, triggers, quoted names; a loop of a view and a function.
CREATE TABLE t (a int, "B" text, c int);
INSERT INTO t VALUES (1, 'x', 2);
CREATE VIEW v AS SELECT a, "B" AS "Mixed Name", c + 1 AS c1 FROM t WHERE a > 0;
CREATE VIEW z_first AS SELECT * FROM v;
CREATE VIEW a_last AS SELECT z.a, v."Mixed Name" FROM z_first z JOIN v USING (a);
CREATE VIEW barrier WITH (security_barrier = true) AS SELECT a FROM t;
CREATE VIEW checked AS SELECT a, c FROM t WHERE a > 5 WITH LOCAL CHECK OPTION;
CREATE VIEW cascaded WITH (security_barrier = true) AS SELECT a FROM checked WITH CASCADED CHECK OPTION;
CREATE VIEW updatable AS SELECT a, c FROM t;
ALTER VIEW updatable ALTER a SET DEFAULT 77;
CREATE FUNCTION on_view() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER instead INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION on_view();
CREATE VIEW no_columns AS SELECT;
CREATE RECURSIVE VIEW numbers (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;
COMMENT ON VIEW v IS 'a view';
COMMENT ON COLUMN v."Mixed Name" IS 'its column';
-- The view's row type is the argument of a function that the view itself calls.
CREATE VIEW looping AS SELECT 1 AS id, 'x'::text COLLATE "C" AS label;
CREATE FUNCTION about(looping) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.label';
CREATE OR REPLACE VIEW looping AS SELECT l.id, l.label COLLATE "C" AS label FROM (SELECT 1 AS id, about(NULL::looping) AS label) l;
-- A key makes a query with fewer GROUP BY columns valid: the view depends on the constraint.
CREATE TABLE grouped (id int PRIMARY KEY, name text);
CREATE VIEW by_key AS SELECT id, name, count(*) AS n FROM grouped GROUP BY id;
CREATE VIEW on_by_key AS SELECT sum(n) AS total FROM by_key;

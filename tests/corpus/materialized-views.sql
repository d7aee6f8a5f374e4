-- Materialized views: in an order that names hide, populated or not, with indexes, options and comments.
CREATE TABLE base (a int PRIMARY KEY, b text);
INSERT INTO base SELECT g, g::text FROM generate_series(1, 20) g;
CREATE MATERIALIZED VIEW z AS SELECT a, b FROM base;
CREATE VIEW between_them AS SELECT a FROM z WHERE a > 3;
CREATE MATERIALIZED VIEW a WITH (fillfactor = 60) AS SELECT count(*) AS n FROM between_them;
CREATE MATERIALIZED VIEW m AS SELECT n FROM a UNION SELECT a FROM z;
CREATE MATERIALIZED VIEW empty AS SELECT * FROM base WITH NO DATA;
CREATE MATERIALIZED VIEW "On Empty" AS SELECT 1 AS one WHERE false;
CREATE UNIQUE INDEX z_a ON z (a);
CREATE INDEX z_b ON z (lower(b));
ALTER MATERIALIZED VIEW z CLUSTER ON z_a;
ALTER MATERIALIZED VIEW z ALTER COLUMN b SET STATISTICS 50;
COMMENT ON MATERIALIZED VIEW z IS 'materialized';
COMMENT ON COLUMN z.a IS 'its column';
-- One that depends on a key has to wait until after the data.
CREATE MATERIALIZED VIEW grouped AS SELECT a, b, count(*) FROM base GROUP BY a;
CREATE VIEW on_grouped AS SELECT * FROM grouped;

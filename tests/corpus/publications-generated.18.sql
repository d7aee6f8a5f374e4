-- Publications of generated columns.
CREATE TABLE t (id int PRIMARY KEY, doubled int GENERATED ALWAYS AS (id * 2) STORED);
CREATE PUBLICATION stored FOR TABLE t WITH (publish_generated_columns = stored);

-- NULLS NOT DISTINCT, new in 15; foreign keys that set some columns only.
CREATE TABLE t (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE UNIQUE INDEX ON t (b) NULLS NOT DISTINCT;
CREATE TABLE r (x int, y int, FOREIGN KEY (x, y) REFERENCES t (a, b) ON DELETE SET NULL (y));

-- The names of multirange types, new in 14.
CREATE TYPE span AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = "Many Spans");
CREATE TYPE plain AS RANGE (SUBTYPE = int);
CREATE TABLE t (a "Many Spans", b plain_multirange);
INSERT INTO t VALUES ('{[1,2),[3,4)}', '{}');

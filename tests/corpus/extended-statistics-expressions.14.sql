-- Extended statistics of expressions.
CREATE TABLE t (a int, b timestamp);
CREATE STATISTICS of_expression ON (a % 10) FROM t;
CREATE STATISTICS of_both ON a, (date_trunc('day', b)), (a * 2) FROM t;

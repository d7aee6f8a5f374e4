-- The edges of multirange types and infinite numbers, new in 14.
CREATE TABLE infinite (id int PRIMARY KEY, n numeric, r numrange);
INSERT INTO infinite VALUES (1, 'Infinity', '[-Infinity,Infinity]'), (2, '-Infinity', '(,)');
CREATE TYPE textrange AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = "text ""ranges""");
CREATE TABLE multiranges (id int PRIMARY KEY, i int4multirange, n nummultirange, d datemultirange, t tstzmultirange, x "text ""ranges""", a int8multirange[]);
INSERT INTO multiranges VALUES (1, '{}', '{}', '{}', '{}', '{}', '{}'), (2, '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{"{}","{(,)}",NULL}'),
  (3, '{[1,3),[5,7)}', '{[-Infinity,0),(1.10,NaN]}', '{[-infinity,2000-01-01),[infinity,infinity]}', '{["0001-01-01 00:00:00+00 BC",infinity)}', '{["a,b","c\"d"),["{","}")}', '{"{[1,2),[3,4)}"}');

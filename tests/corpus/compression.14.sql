-- Column compression, new in 14.
CREATE TABLE compressed (a text COMPRESSION pglz, b text);
INSERT INTO compressed VALUES (repeat('a', 10000), 'b');

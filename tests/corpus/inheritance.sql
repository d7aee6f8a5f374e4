-- Inheritance: several parents, columns merged, defaults changed or hidden, checks and NOT NULL inherited.
CREATE TABLE parent (a int NOT NULL, b text DEFAULT 'p', c int DEFAULT 1, CONSTRAINT a_check CHECK (a > 0));
CREATE TABLE other (b text DEFAULT 'o', d int, e int NOT NULL);
CREATE TABLE child (x int) INHERITS (parent);
CREATE TABLE both_of (b text DEFAULT 'both') INHERITS (parent, other);
CREATE TABLE reversed (b text DEFAULT 'mine') INHERITS (other, parent);
CREATE TABLE local_too (a int, c int) INHERITS (parent);
CREATE TABLE no_default () INHERITS (parent);
ALTER TABLE no_default ALTER c DROP DEFAULT, ALTER b SET DEFAULT 'changed';
CREATE TABLE stricter () INHERITS (other);
ALTER TABLE stricter ALTER d SET NOT NULL, ADD CONSTRAINT own CHECK (d < 5);
CREATE TABLE grandchild () INHERITS (child);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'c', 3, 4); INSERT INTO both_of (a, e) VALUES (3, 4);
INSERT INTO grandchild VALUES (9, 'g', 8, 7);
CREATE TABLE gen_parent (a int, g int GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE gen_child () INHERITS (gen_parent);
INSERT INTO gen_child (a) VALUES (5);
ALTER TABLE parent ADD CONSTRAINT later CHECK (c < 1000) NOT VALID;
CREATE INDEX child_x ON child (x);

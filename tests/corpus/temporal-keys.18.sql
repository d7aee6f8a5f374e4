-- Temporal keys, new in 18; foreign keys that are not enforced.
CREATE EXTENSION btree_gist;
CREATE TABLE rooms (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
INSERT INTO rooms VALUES (1, '[2026-01-01,2027-01-01)');
CREATE TABLE stays (room int, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES rooms (id, PERIOD during));
CREATE TABLE target (id int PRIMARY KEY, other int CHECK (other > 0) NOT ENFORCED);
CREATE TABLE loose (id int REFERENCES target NOT ENFORCED);
INSERT INTO loose VALUES (7);

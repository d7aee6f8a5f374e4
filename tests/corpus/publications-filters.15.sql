-- Publications with conditions, lists of columns, and schemas.
CREATE SCHEMA "Published";
CREATE TABLE "Published".t (id int PRIMARY KEY, "A" int, b text);
CREATE TABLE users (id int PRIMARY KEY, name text, note text);
CREATE PUBLICATION filtered FOR TABLE users (id, name) WHERE (id > 10 AND name <> 'it''s'), "Published".t (id, "A");
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA "Published", public;

-- Schemas: names that need quotes, an owner, privileges, comments; objects of one name in several schemas.
DO $$ BEGIN
  IF to_regrole('corpus_schema_owner') IS NULL THEN CREATE ROLE corpus_schema_owner; END IF;
  IF to_regrole('"Corpus ""Reader"""') IS NULL THEN CREATE ROLE "Corpus ""Reader"""; END IF;
END $$;
CREATE SCHEMA plain;
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA "quote""d";
CREATE SCHEMA "order" AUTHORIZATION corpus_schema_owner;
CREATE SCHEMA "häuser";
GRANT USAGE ON SCHEMA plain TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA "Mixed Case" TO "Corpus ""Reader""" WITH GRANT OPTION;
REVOKE CREATE ON SCHEMA "order" FROM corpus_schema_owner;
COMMENT ON SCHEMA plain IS 'it''s plain \ simple';
COMMENT ON SCHEMA public IS 'changed';
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE plain.t (a int);
CREATE TABLE "Mixed Case".t (a int, "B c" text);
CREATE TABLE "order"."select" ("from" int, "a""b" text);
CREATE TABLE "häuser"."straße" ("größe" int);
INSERT INTO "Mixed Case".t VALUES (1, E'a\tb\\c\nd'), (2, NULL), (3, '\N');
INSERT INTO "order"."select" VALUES (1, '"');
INSERT INTO "häuser"."straße" VALUES (1);

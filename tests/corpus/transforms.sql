-- Transforms, and functions that use them.
CREATE FUNCTION from_json(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_end';
CREATE FUNCTION "To Json"(internal) RETURNS jsonb LANGUAGE internal IMMUTABLE AS 'jsonb_recv';
CREATE TRANSFORM FOR jsonb LANGUAGE plpgsql (FROM SQL WITH FUNCTION from_json(internal), TO SQL WITH FUNCTION "To Json"(internal));
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION from_json(internal));
COMMENT ON TRANSFORM FOR jsonb LANGUAGE plpgsql IS 'as it is';
CREATE FUNCTION transformed(jsonb) RETURNS jsonb TRANSFORM FOR TYPE jsonb LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';

-- Conversions between encodings.
CREATE SCHEMA conv;
CREATE CONVERSION conv."From Latin" FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION conv.to_latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
COMMENT ON CONVERSION conv.to_latin IS 'the default here';

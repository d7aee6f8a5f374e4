-- Text search: parsers, templates, dictionaries with options, configurations with mappings.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE SCHEMA ts;
CREATE TEXT SEARCH PARSER ts."Parser" (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, HEADLINE = prsd_headline, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH PARSER ts.no_headline (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE ts.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH TEMPLATE ts.no_init (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY ts."Dict" (TEMPLATE = ts.template, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION ts.config (PARSER = ts."Parser");
ALTER TEXT SEARCH CONFIGURATION ts.config ADD MAPPING FOR asciiword, word WITH ts."Dict", plain, english_stem;
ALTER TEXT SEARCH CONFIGURATION ts.config ADD MAPPING FOR int WITH simple;
CREATE TEXT SEARCH CONFIGURATION "Copied" (COPY = english);
ALTER TEXT SEARCH CONFIGURATION "Copied" DROP MAPPING FOR url, email;
CREATE TEXT SEARCH CONFIGURATION ts.no_mapping (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION ts.config OWNER TO corpus_owner;
ALTER TEXT SEARCH DICTIONARY ts."Dict" OWNER TO corpus_owner;
COMMENT ON TEXT SEARCH PARSER ts."Parser" IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE ts.template IS 'a template';
COMMENT ON TEXT SEARCH DICTIONARY ts."Dict" IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION ts.config IS 'a configuration';
CREATE TABLE searched (body text, found tsvector GENERATED ALWAYS AS (to_tsvector('ts.config', body)) STORED);
INSERT INTO searched (body) VALUES ('Hello wide world 42');
CREATE INDEX ON searched USING gin (to_tsvector('"Copied"', body));

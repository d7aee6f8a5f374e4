//! What a dump cannot represent fails it by name.

mod support;

use catalog::{Error, Options};
use support::{archiving, corpus, server::Server};

/// One object of every class that is not covered, as (class, name) in the order of the error, and how to make it.
const UNCOVERED: &[(&str, &str, &str)] = &[
    (
        "access method",
        "extra_heap",
        "CREATE ACCESS METHOD extra_heap TYPE TABLE HANDLER heap_tableam_handler",
    ),
    (
        "base type",
        "u.base",
        "CREATE TYPE u.base; CREATE FUNCTION u.base_in(cstring) RETURNS u.base LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; CREATE FUNCTION u.base_out(u.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; CREATE TYPE u.base (INPUT = u.base_in, OUTPUT = u.base_out, LIKE = int4)",
    ),
    (
        "cast",
        "u.colour as integer",
        "CREATE TYPE u.colour AS ENUM ('red'); CREATE FUNCTION u.to_int(u.colour) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (u.colour AS int) WITH FUNCTION u.to_int(u.colour)",
    ),
    (
        "collation",
        "u.other",
        "CREATE COLLATION u.other (LOCALE = 'C')",
    ),
    (
        "conversion",
        "u.conv",
        "CREATE CONVERSION u.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    ),
    (
        "event trigger",
        "on_ddl",
        "CREATE FUNCTION u.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION u.on_ddl()",
    ),
    (
        "foreign table",
        "u.remote",
        "CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER \"Far Away\" FOREIGN DATA WRAPPER wrapper; CREATE USER MAPPING FOR PUBLIC SERVER \"Far Away\"; CREATE FOREIGN TABLE u.remote (a int) SERVER \"Far Away\"",
    ),
    ("foreign-data wrapper", "wrapper", ""),
    (
        "language",
        "other_sql",
        "CREATE LANGUAGE other_sql HANDLER plpgsql_call_handler",
    ),
    (
        "operator",
        "u.===(integer,integer)",
        "CREATE OPERATOR u.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    ),
    (
        "operator class",
        "u.ops",
        "CREATE OPERATOR CLASS u.ops FOR TYPE int USING hash FAMILY u.family AS OPERATOR 1 =, FUNCTION 1 hashint4(int)",
    ),
    ("operator family", "u.family", ""),
    (
        "publication",
        "news",
        "CREATE PUBLICATION news FOR ALL TABLES",
    ),
    ("server", "\"Far Away\"", ""),
    ("shell type", "u.shell", "CREATE TYPE u.shell"),
    (
        "statistics object",
        "u.stats",
        "CREATE TABLE u.t (a int, b int); CREATE STATISTICS u.stats ON a, b FROM u.t",
    ),
    (
        "subscription",
        "reader",
        "CREATE SUBSCRIPTION reader CONNECTION 'dbname=nowhere' PUBLICATION news WITH (connect = false)",
    ),
    (
        "text search configuration",
        "u.config",
        "CREATE TEXT SEARCH CONFIGURATION u.config (PARSER = u.parser)",
    ),
    (
        "text search dictionary",
        "u.dictionary",
        "CREATE TEXT SEARCH DICTIONARY u.dictionary (TEMPLATE = u.template)",
    ),
    (
        "text search parser",
        "u.parser",
        "CREATE TEXT SEARCH PARSER u.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    ),
    (
        "text search template",
        "u.template",
        "CREATE TEXT SEARCH TEMPLATE u.template (LEXIZE = dsimple_lexize)",
    ),
    (
        "transform",
        "for jsonb",
        "CREATE FUNCTION u.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_end'; CREATE TRANSFORM FOR jsonb LANGUAGE plpgsql (FROM SQL WITH FUNCTION u.from_sql(internal))",
    ),
    ("user mapping", "for public on \"Far Away\"", ""),
];

/// An order in which the statements work, for those that need another's object.
const FIRST: &[&str] = &[
    "operator family",
    "text search parser",
    "text search template",
];

#[test]
fn every_class_that_is_not_covered_is_named_on_15() {
    every_class_is_named(15);
}

#[test]
fn every_class_that_is_not_covered_is_named_on_18() {
    every_class_is_named(18);
}

fn every_class_is_named(major: u32) {
    let server = Server::start(major);
    let mut client = server.connect("postgres");
    client
        .batch_execute("CREATE SCHEMA u; CREATE OPERATOR FAMILY u.family USING hash")
        .unwrap();
    let (first, rest): (Vec<_>, Vec<_>) = UNCOVERED
        .iter()
        .partition(|(class, ..)| FIRST.contains(class));
    for (class, _, statements) in first.into_iter().chain(rest) {
        for statement in statements.split("; ") {
            client
                .batch_execute(statement)
                .unwrap_or_else(|error| panic!("{class}: {error:?}"));
        }
    }
    let Err(Error::Uncovered { objects }) = archiving::dump(client, &Options::default()).map(drop)
    else {
        panic!("the dump is refused");
    };
    let found: Vec<(&str, &str)> = objects
        .iter()
        .map(|object| (object.class.as_str(), object.name.as_str()))
        .collect();
    let expected: Vec<(&str, &str)> = UNCOVERED
        .iter()
        .map(|&(class, name, _)| (class, name))
        .collect();
    assert_eq!(found, expected);
}

/// For each class that is covered: a database of the corpus that has one, and one that is found there.
const COVERED: &[(&str, &str, &str)] = &[
    ("aggregate", "aggregates", "public.total(integer)"),
    ("composite type", "types", "public.\"Point 3\""),
    ("default privileges", "privileges", "for corpus_owner"),
    ("domain", "types", "public.email"),
    ("enum", "qconnect", "public.\"Role\""),
    ("extension", "extensions", "hstore"),
    ("function", "functions", "f.plain()"),
    ("index", "indexes", "public.\"Unique One\""),
    ("large object", "large-objects", "200003"),
    ("materialized view", "materialized-views", "public.z"),
    ("policy", "policies", "own on public.t"),
    ("procedure", "functions", "f.proc(integer,text)"),
    ("range type", "types", "public.span"),
    ("rule", "rules", "\"No Delete\" on public.t"),
    ("schema", "schemas", "\"Mixed Case\""),
    ("sequence", "sequences", "public.\"Options\""),
    ("table", "qconnect", "public.\"User\""),
    ("trigger", "triggers", "\"Deferred One\" on public.t"),
    ("view", "views", "public.v"),
];

#[test]
fn a_class_taken_from_the_covered_ones_is_named() {
    let server = Server::start(15);
    let cases = corpus::cases(server.major);
    for (number, (class, file, name)) in COVERED.iter().enumerate() {
        let database = format!("covered_{number}");
        server.succeed("createdb", ["-Ttemplate0", &database]);
        let case = cases.iter().find(|case| case.name == *file).unwrap();
        server.load(&database, &case.path).unwrap();
        let options = Options {
            refused: vec![(*class).to_owned()],
            ..Options::default()
        };
        let Err(Error::Uncovered { objects }) =
            archiving::dump(server.connect(&database), &options).map(drop)
        else {
            panic!("a dump with a {class} is refused");
        };
        assert!(
            objects.iter().all(|object| object.class == *class),
            "{objects:?}"
        );
        assert!(
            objects.iter().any(|object| object.name == *name),
            "{name} is not in {objects:?}"
        );
    }
}

#[test]
fn an_unknown_release_is_refused() {
    let server = Server::start(15);
    let (mut session, _) = archiving::Connection::begin(server.connect("postgres"));
    for version in [120_022, 190_000] {
        assert!(matches!(
            catalog::read(&mut session, version, &Options::default()),
            Err(Error::Version(_))
        ));
    }
}

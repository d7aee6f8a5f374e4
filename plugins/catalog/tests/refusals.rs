//! What a dump cannot represent fails it by name.

mod support;

use catalog::{Error, Options};
use support::{archiving, corpus, server::Server};

/// Passwords are for superusers; without them, a restore would make something else of these.
#[test]
fn what_a_role_may_not_read_is_named() {
    for major in [15, 18] {
        let server = Server::start(major);
        server
            .connect("postgres")
            .batch_execute(
                "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader;
                 CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER \"Far Away\" FOREIGN DATA WRAPPER wrapper;
                 CREATE SERVER own FOREIGN DATA WRAPPER wrapper; ALTER SERVER own OWNER TO reader;
                 CREATE USER MAPPING FOR postgres SERVER \"Far Away\" OPTIONS (password 'secret');
                 CREATE USER MAPPING FOR PUBLIC SERVER own OPTIONS (user 'all');
                 CREATE SUBSCRIPTION news CONNECTION 'dbname=nowhere' PUBLICATION news WITH (connect = false, slot_name = NONE)",
            )
            .unwrap();
        assert_eq!(
            uncovered(server.connect_as("postgres", "reader"), &Options::default()),
            [
                ("subscription", "news"),
                ("user mapping", "for postgres on \"Far Away\""),
            ]
            .map(owned)
        );
    }
}

fn owned((class, name): (&str, &str)) -> (String, String) {
    (class.to_owned(), name.to_owned())
}

/// The objects, by class and name, that a dump is refused for.
fn uncovered(client: postgres::Client, options: &Options) -> Vec<(String, String)> {
    match archiving::dump(client, options).map(drop) {
        Err(Error::Uncovered { objects }) => objects
            .into_iter()
            .map(|object| (object.class, object.name))
            .collect(),
        Err(error) => panic!("another error: {error}"),
        Ok(()) => panic!("the dump is not refused"),
    }
}

/// For each class that is covered: a database of the corpus that has one, and one that is found there.
const COVERED: &[(&str, &str, &str)] = &[
    ("access method", "access-methods", "extra_heap"),
    ("aggregate", "aggregates", "public.total(integer)"),
    ("base type", "base-types", "public.plain"),
    ("cast", "casts", "public.colour as integer"),
    ("collation", "collations", "\"Col\".\"Mixed\""),
    ("composite type", "types", "public.\"Point 3\""),
    ("conversion", "conversions", "conv.\"From Latin\""),
    ("default privileges", "privileges", "for corpus_owner"),
    ("domain", "types", "public.email"),
    ("enum", "qconnect", "public.\"Role\""),
    ("event trigger", "event-triggers", "\"At the end\""),
    ("extension", "extensions", "hstore"),
    ("foreign table", "foreign-data", "remote.\"All of it\""),
    ("foreign-data wrapper", "foreign-data", "\"Wrapped\""),
    ("function", "functions", "f.plain()"),
    ("index", "indexes", "public.\"Unique One\""),
    ("language", "languages", "\"Other SQL\""),
    ("large object", "large-objects", "200003"),
    ("materialized view", "materialized-views", "public.z"),
    ("operator", "operators", "public.===(text,text)"),
    ("operator class", "operators", "ops.\"By Hash\""),
    ("operator family", "operators", "ops.loose"),
    ("policy", "policies", "own on public.t"),
    ("procedure", "functions", "f.proc(integer,text)"),
    ("publication", "publications", "\"Some\""),
    ("range type", "types", "public.span"),
    ("rule", "rules", "\"No Delete\" on public.t"),
    ("schema", "schemas", "\"Mixed Case\""),
    (
        "security label",
        "security-labels",
        "of tests on table public.\"Labelled\"",
    ),
    ("sequence", "sequences", "public.\"Options\""),
    ("server", "foreign-data", "\"Far Away\""),
    ("shell type", "base-types", "public.never_made"),
    (
        "statistics object",
        "extended-statistics",
        "stats.\"One Kind\"",
    ),
    ("subscription", "subscriptions", "\"Other One\""),
    ("table", "qconnect", "public.\"User\""),
    ("text search configuration", "text-search", "ts.config"),
    ("text search dictionary", "text-search", "ts.\"Dict\""),
    ("text search parser", "text-search", "ts.\"Parser\""),
    ("text search template", "text-search", "ts.template"),
    ("transform", "transforms", "for jsonb"),
    ("trigger", "triggers", "\"Deferred One\" on public.t"),
    (
        "user mapping",
        "foreign-data",
        "for corpus_reader on \"Far Away\"",
    ),
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
        let objects = uncovered(server.connect(&database), &options);
        assert!(
            objects.iter().all(|(found, _)| found == class),
            "{objects:?}"
        );
        assert!(
            objects.iter().any(|(_, found)| found == name),
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

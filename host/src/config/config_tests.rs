//! What a good configuration means: precedence, defaults, paths.

use super::*;
use crate::database::ProcessEnvironment;
use manifest::{Access, StorageRight, TableName, TableRight};
use secrecy::ExposeSecret;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn process(variables: &[(&str, &str)]) -> ProcessEnvironment {
    ProcessEnvironment {
        user: Some("ada".to_owned()),
        ..ProcessEnvironment::of(variables.iter().copied())
    }
}

fn sources<'a>(folder: &'a Path, process: &'a ProcessEnvironment) -> Sources<'a> {
    Sources {
        file: None,
        environment: None,
        working_folder: folder,
        process,
    }
}

fn parse(text: &str, variables: &[(&str, &str)]) -> Config {
    let process = process(variables);
    let sources = sources(Path::new("/srv/here"), &process);
    Config::parse(text, Some(Path::new("/srv/orchestrator.toml")), &sources).unwrap()
}

#[test]
fn the_designs_example() {
    let text = r#"
environment = "production"
[databases.app]
url = "${DATABASE_URL}"
direct_url = "${DIRECT:-postgres://ada@db-direct/app}"
[storage.main]
url = "s3://bucket/prefix/"
endpoint = "https://s3.example.org"
access_key = "id"
secret_key = "${SECRET}"
[migrations]
folder = "db/migrations"
[log]
database = "app"
[jobs.nightly]
description = "every night"
steps = [{ plugin = "backup", database = "app", storage = "main", jobs = 4, at = 2026-01-17 }, { plugin = "my-seed", tables = ["${TABLE}", "b"] }]
[plugins.my-seed]
file = "plugins/my-seed.wasm"
sha256 = "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
grants = { databases = { app = { access = "write" } }, storage = { main = { rights = ["read", "write"] } } }
limits = { memory = "32MiB" }
[plugins.backup.limits]
deadline = "48h"
[limits]
memory = 1024
connections = 4
"#;
    let config = parse(
        text,
        &[
            ("DATABASE_URL", "postgres://ada:pw@db:6432/app"),
            ("SECRET", "hunter2"),
            ("TABLE", "a"),
        ],
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.environment(), Environment::Production);
    let (name, app) = config.database(None).unwrap();
    assert_eq!(
        (
            name.as_str(),
            app.settings.places().as_str(),
            app.direct().places().as_str()
        ),
        ("app", "db:6432", "db-direct:5432")
    );
    let (_, main) = config.storage(None).unwrap();
    assert_eq!(
        main.location,
        StorageLocation::S3 {
            bucket: "bucket".to_owned(),
            prefix: "prefix".to_owned()
        }
    );
    assert!(main.path_style, "an endpoint that is not AWS's");
    assert_eq!(main.secret_key.as_ref().unwrap().expose_secret(), "hunter2");
    assert_eq!(config.migrations.folder, Path::new("/srv/db/migrations"));
    assert_eq!(config.log.database.as_ref().unwrap().as_str(), "app");
    assert_eq!(config.log.state, Path::new("/srv/.orchestrator"));
    assert_eq!(config.log.markdown, Path::new("/srv/DEPLOYMENT_LOG.md"));
    assert_eq!(config.log.reports, Path::new("/srv/reports"));
    let nightly = config.job("nightly").unwrap();
    assert_eq!(
        serde_json::to_string(&nightly.steps[0].parameters).unwrap(),
        r#"{"at":"2026-01-17","database":"app","jobs":4,"storage":"main"}"#
    );
    assert_eq!(
        serde_json::to_string(&nightly.steps[1].parameters).unwrap(),
        r#"{"tables":["a","b"]}"#
    );
    assert_eq!(config.folder, Path::new("/srv"));
    let seed = &config.plugins["my-seed"];
    assert_eq!(
        (seed.file.as_path(), seed.sha256.as_str()),
        (
            Path::new("/srv/plugins/my-seed.wasm"),
            "ab".repeat(32).as_str()
        )
    );
    assert_eq!(
        seed.grants.databases["app"],
        DatabaseGrant::Whole(Access::Write)
    );
    assert_eq!(
        seed.grants.storage["main"].rights,
        [StorageRight::Read, StorageRight::Write].into()
    );
    assert_eq!(
        (
            seed.limits.memory,
            seed.limits.connections,
            seed.limits.transfers
        ),
        (32 << 20, 4, 64)
    );
    assert_eq!(
        config.limits_of("backup").deadline,
        Duration::from_secs(48 * 3600)
    );
    assert_eq!(config.limits_of("verify").memory, 1024);
}

#[test]
fn without_a_file_a_database_url_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[
        ("DATABASE_URL", "postgres://u@localhost/d"),
        ("DIRECT_URL", "postgres://u@localhost:7/d"),
    ]);
    let config = Config::load(&sources(folder.path(), &process)).unwrap();
    let (name, app) = config.database(None).unwrap();
    assert_eq!(
        (name.as_str(), app.settings.database.as_str()),
        ("app", "d")
    );
    assert_eq!(app.direct().places(), "localhost:7");
    assert_eq!(
        config.storage(None).unwrap().1.location,
        StorageLocation::Folder(folder.path().join("backups"))
    );
    assert_eq!(config.environment(), Environment::Local);
    assert_eq!(
        config.jobs.keys().map(Name::as_str).collect::<Vec<_>>(),
        [
            "backup",
            "deploy",
            "drill",
            "migrate",
            "pre-migrate",
            "prune",
            "seed",
            "verify"
        ]
    );
    assert_eq!(config.job("backup").unwrap().steps.len(), 1);
}

#[test]
fn the_environment_that_nobody_stated_is_presumed() {
    let environment = |variables: &[(&str, &str)]| parse("", variables).environment();
    assert_eq!(
        environment(&[("DATABASE_URL", "postgres://u@db.example.org/d")]),
        Environment::Production
    );
    assert_eq!(
        environment(&[("DATABASE_URL", "postgres://u@/d?host=/run/pg")]),
        Environment::Local
    );
    assert_eq!(
        environment(&[("PGHOST", "db.example.org")]),
        Environment::Production
    );
    assert_eq!(environment(&[]), Environment::Production);
    let staged = [
        ("DATABASE_URL", "postgres://u@db.example.org/d"),
        ("ORCHESTRATOR_ENVIRONMENT", "staging"),
    ];
    assert_eq!(environment(&staged), Environment::Staging);
    assert_eq!(
        parse("environment = \"production\"", &staged).environment(),
        Environment::Staging
    );
    let process = process(&staged);
    let flag = Sources {
        environment: Some(Environment::Local),
        ..sources(Path::new("/srv"), &process)
    };
    assert_eq!(
        Config::parse("", None, &flag).unwrap().environment(),
        Environment::Local
    );
}

#[test]
fn nothing_at_all_is_a_configuration_without_databases() {
    let config = parse("", &[]);
    assert!(config.databases.is_empty() && config.log.database.is_none());
    let error = config.database(None).expect_err("no database");
    insta::assert_snapshot!(format!("{error}\n{}", error.hint), @"
    no database is configured
    set DATABASE_URL, or run `orchestrator init` to write orchestrator.toml
    ");
}

#[test]
fn a_binding_is_chosen_or_asked_for() {
    let config = parse(
        "[databases.one]\nurl = \"host=/a\"\n[databases.two]\nurl = \"host=/b\"\n[storage.b]\nurl = \"b\"\n",
        &[],
    );
    assert_eq!(config.storage(None).unwrap().0.as_str(), "b");
    assert_eq!(
        config.database(Some("two")).unwrap().1.settings.places(),
        "/b:5432"
    );
    let error = config.database(None).expect_err("two");
    insta::assert_snapshot!(format!("{error}\n{}", error.hint), @r#"
    there are several of the kind database, and none is named "app"
    choose one with --database: one, two
    "#);
    let error = config.database(Some("tow")).expect_err("unknown");
    insta::assert_snapshot!(format!("{error}\n{}", error.hint), @r#"
    unknown database "tow"
    did you mean "two"?
    "#);
    let error = config.job("bakup").expect_err("unknown");
    insta::assert_snapshot!(format!("{error}\n{}", error.hint), @r#"
    unknown job "bakup"
    did you mean "backup"?
    "#);
}

#[test]
fn the_file_is_found_upward_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::write(
        folder.path().join("orchestrator.toml"),
        "[log]\nreports = \"r\"\n",
    )
    .unwrap();
    fs::write(below.join("other.toml"), "[log]\nreports = \"other\"\n").unwrap();
    let plain = process(&[]);
    let found = Config::load(&sources(&below, &plain)).unwrap();
    assert_eq!(found.log.reports, folder.path().join("r"));
    let variable = process(&[
        ("ORCHESTRATOR_CONFIG", "other.toml"),
        ("ORCHESTRATOR_LOG_MARKDOWN", "log.md"),
    ]);
    let named = Config::load(&sources(&below, &variable)).unwrap();
    assert_eq!(
        (named.log.reports, named.log.markdown),
        (below.join("other"), below.join("log.md"))
    );
    let absent = Sources {
        file: Some(Path::new("absent.toml")),
        ..sources(&below, &plain)
    };
    let error = Config::load(&absent).expect_err("absent");
    assert_eq!(error.place, Some(Place::Flag("--config")));
}

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("url"), "postgres://u:p@h/d\n").unwrap();
    fs::write(folder.path().join("key"), "sec ret\r\n").unwrap();
    let text = "[databases.app]\nurl_file = \"url\"\n[storage.main]\nurl = \"s3://bucket\"\naccess_key = \"a\"\nsecret_key_file = \"${DIR:-.}/key\"\n";
    let process = process(&[]);
    let file = folder.path().join("orchestrator.toml");
    let config = Config::parse(text, Some(&file), &sources(Path::new("/"), &process)).unwrap();
    assert_eq!(config.databases["app"].settings.places(), "h:5432");
    assert_eq!(
        config.storage["main"]
            .secret_key
            .as_ref()
            .unwrap()
            .expose_secret(),
        "sec ret"
    );
    assert!(!config.storage["main"].path_style);
}

#[test]
fn locations_of_storages() {
    let location = |text: &str| {
        StorageLocation::parse(text, Path::new("/w"))
            .unwrap()
            .to_string()
    };
    assert_eq!(location("s3://bucket"), "s3://bucket");
    assert_eq!(location("s3://bucket/a/b/"), "s3://bucket/a/b");
    assert_eq!(location("file:backups"), "file:/w/backups");
    assert_eq!(location("file:///srv/backups"), "file:/srv/backups");
    assert_eq!(location("./backups"), "file:/w/./backups");
}

#[test]
fn a_job_of_the_file_replaces_a_built_in_one() {
    let config = parse(
        "[jobs.backup]\nsteps = [{ plugin = \"preflight\" }, { plugin = \"backup\" }]\n",
        &[],
    );
    assert_eq!(config.job("backup").unwrap().steps.len(), 2);
}

#[test]
fn tables_and_files_are_granted_by_name() {
    let digest = "ab".repeat(32);
    let text = format!(
        "[databases.app]\nurl = \"postgres://h/d\"\n[plugins.my-seed]\nfile = \"a.wasm\"\nsha256 = \"{digest}\"\n\
         grants = {{ databases = {{ app = {{ tables = {{ \"User\" = [\"select\", \"insert\"], \"audit.log\" = [\"insert\"] }} }} }}, \
         files = [\"seeds/data\", \"${{MORE}}\"] }}\n"
    );
    let config = parse(&text, &[("MORE", "/data")]);
    let grants = &config.plugins["my-seed"].grants;
    let table = |name| TableName::parse(name).unwrap();
    assert_eq!(
        grants.databases["app"],
        DatabaseGrant::Tables(
            [
                (
                    table("User"),
                    [TableRight::Select, TableRight::Insert].into()
                ),
                (table("audit.log"), [TableRight::Insert].into()),
            ]
            .into()
        )
    );
    assert_eq!(
        grants.files,
        [Path::new("/srv/seeds/data"), Path::new("/data")]
    );
}

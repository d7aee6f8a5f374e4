//! S3, by moto and by s3s-fs: everything a folder can do, and a restore with nothing left but the credentials.

use end_to_end::{Moto, PostgresServer, Project, S3sFs, Version};

/// Where the S3 API is, and who may use it.
struct Bucket {
    endpoint: String,
    access_key: &'static str,
    secret_key: &'static str,
}

fn credentials(project: &mut Project, bucket: &Bucket) {
    project.set("AWS_ACCESS_KEY_ID", bucket.access_key);
    project.set("AWS_SECRET_ACCESS_KEY", bucket.secret_key);
    project.set("AWS_REGION", "us-east-1");
    project.set("AWS_ENDPOINT_URL", &bucket.endpoint);
}

fn everything_works(bucket: &Bucket) {
    let server = PostgresServer::start(Version::V15);
    server.create_example("app");
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"{}\"\n[storage.main]\nurl = \"s3://backups/team/shop\"\nendpoint = \"{}\"\npath_style = true\n",
        server.url("app"),
        bucket.endpoint,
    );
    let mut project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    credentials(&mut project, bucket);
    let check = project.run(["check"]).expect_code(0);
    assert!(
        check
            .stdout
            .contains("ok       newest backup of app: there is none yet"),
        "{}",
        check.stdout
    );
    let created = project
        .run(["backup", "create", "--output", "json"])
        .expect_code(0)
        .json();
    project.run(["check"]).expect_code(0);
    let id = created["facts"]["backup"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let prefix = created["facts"]["backup"]["prefix"]
        .as_str()
        .expect("a prefix")
        .to_owned();

    let listed = project
        .run(["backup", "list", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listed["backups"][0]["id"], id.as_str());
    assert_eq!(
        listed["backups"][0]["rows"].as_u64().map(|rows| rows >= 20),
        Some(true)
    );
    let shown = project.run(["backup", "show", &id]).expect_code(0);
    assert!(shown.stdout.contains("public.User"), "{}", shown.stdout);
    project.run(["backup", "verify", &id]).expect_code(0);

    // The worst day: an empty folder, another server, and what was in somebody's password manager.
    let other = PostgresServer::start(Version::V15);
    let mut bare = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    credentials(&mut bare, bucket);
    let location = format!("s3://backups/team/shop/{prefix}");
    let outcome = bare
        .run(["restore", &location, "--to", &other.url("app"), "--create"])
        .expect_code(0);
    assert!(
        !outcome.stderr.contains(end_to_end::PASSWORD)
            && !outcome.stdout.contains(end_to_end::PASSWORD)
    );
    let options = ["--exclude-schema=orchestrator"];
    assert_eq!(
        server.pg_dump_with("app", &options),
        other.pg_dump_with("app", &options)
    );

    project
        .run(["backup", "delete", &id, "--yes"])
        .expect_code(0);
    let listed = project
        .run(["backup", "list", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(0));
}

#[test]
fn moto_serves_as_storage() {
    let moto = Moto::start();
    moto.create_bucket("backups");
    everything_works(&Bucket {
        endpoint: moto.endpoint(),
        access_key: "any",
        secret_key: "anything",
    });
}

#[test]
fn s3s_fs_serves_as_storage() {
    let s3 = S3sFs::start();
    s3.create_bucket("backups");
    everything_works(&Bucket {
        endpoint: s3.endpoint(),
        access_key: S3sFs::ACCESS_KEY,
        secret_key: S3sFs::SECRET_KEY,
    });
}

#[test]
fn a_missing_bucket_is_named() {
    let moto = Moto::start();
    let server = PostgresServer::start(Version::V15);
    server.create_database("app");
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"{}\"\n[storage.main]\nurl = \"s3://nowhere\"\nendpoint = \"{}\"\npath_style = true\naccess_key = \"any\"\nsecret_key = \"a-secret-of-s3\"\n",
        server.url("app"),
        moto.endpoint(),
    );
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    let outcome = project.run(["run", "backup"]).expect_code(1);
    assert!(
        outcome.stderr.contains("nowhere") && outcome.stderr.contains("hint:"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("a-secret-of-s3"));
    assert!(project.read("DEPLOYMENT_LOG.md").contains("failed"));
}

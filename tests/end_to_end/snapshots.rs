//! Snapshots by AWS RDS: instances and clusters, what goes wrong there, and migrations with a snapshot before them.

use end_to_end::{Answer, Moto, Outcome, PostgresServer, Project, RdsProxy, Version};
use serde_json::Value;

use crate::migrating::{example, migrate};
use crate::text;

mod pruning;

/// What the provider calls a server that can be used, as it says it.
const AVAILABLE_INSTANCE: &str = "<DBInstanceStatus>available</DBInstanceStatus>";
const AVAILABLE_SNAPSHOT: &str = "<Status>available</Status>";

/// An instance at the provider that stands for the server of `source`; nothing but the program knows that these are two.
pub(crate) fn instance(moto: &Moto) {
    moto.rds(
        "CreateDBInstance",
        "DBInstanceIdentifier=qconnect-prod&DBInstanceClass=db.t3.medium&Engine=postgres&EngineVersion=15.4&AllocatedStorage=20\
         &MasterUsername=root&MasterUserPassword=hunter22",
    );
}

/// The snapshots at the provider that it has not made by its own schedule.
pub(crate) fn manual(moto: &Moto) -> String {
    moto.rds("DescribeDBSnapshots", "SnapshotType=manual")
}

/// A cluster with one machine.
fn cluster(moto: &Moto) {
    moto.rds(
        "CreateDBCluster",
        "DBClusterIdentifier=shop&Engine=aurora-postgresql&EngineVersion=15.4&MasterUsername=root&MasterUserPassword=hunter22",
    );
    moto.rds(
        "CreateDBInstance",
        "DBInstanceIdentifier=shop-writer&DBClusterIdentifier=shop&DBInstanceClass=db.r6g.large&Engine=aurora-postgresql",
    );
}

/// A project in which `source` is on the server that the line names.
fn on_server(server: &PostgresServer, line: &str, endpoint: &str) -> Project {
    let mut project = example(server);
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &format!(
            "{config}[databases.source.rds]\n{line}\nregion = \"us-east-1\"\nendpoint = \"{endpoint}\"\n"
        ),
    );
    project.set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    project.set("AWS_SECRET_ACCESS_KEY", "the-secret-of-rds");
    project
}

pub(crate) fn on_instance(server: &PostgresServer, endpoint: &str) -> Project {
    on_server(server, "instance = \"qconnect-prod\"", endpoint)
}

fn snapshot<const N: usize>(project: &Project, arguments: [&str; N]) -> Outcome {
    let arguments = ["snapshot"].into_iter().chain(arguments);
    project.run(arguments.chain(["--database", "source"]))
}

fn created(project: &Project) -> Value {
    let outcome = snapshot(project, ["create", "--output", "json"]).expect_code(0);
    outcome.json()["steps"][0]["result"].clone()
}

#[test]
fn an_instance_has_snapshots_and_is_restored_beside_itself() {
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    instance(&moto);
    let project = on_instance(&server, &moto.endpoint());

    let planned = snapshot(&project, ["create", "--dry-run", "--output", "json"]).expect_code(0);
    assert_eq!(
        text(&planned.json()["steps"][0]["result"]["status"]),
        "available"
    );
    assert!(!manual(&moto).contains("<DBSnapshot>"));

    let outcome = snapshot(&project, ["create", "--output", "json"]).expect_code(0);
    let document = outcome.json();
    let id = text(&document["snapshot"]);
    assert!(id.starts_with("qconnect-prod-manual-20"), "{id}");
    let at_provider = moto.rds("DescribeDBSnapshots", &format!("DBSnapshotIdentifier={id}"));
    let run = text(&document["run_id"]);
    for expected in [
        "orchestrator:run-id",
        &run,
        "<DBInstanceIdentifier>qconnect-prod<",
    ] {
        assert!(at_provider.contains(expected), "{expected}: {at_provider}");
    }
    let log = project.read("DEPLOYMENT_LOG.md");
    let way_back =
        format!("orchestrator snapshot restore {id} --database source --to qconnect-prod-restored");
    for expected in [&format!("**Snapshot:** {id}"), &way_back] {
        assert!(log.contains(expected.as_str()), "{expected}: {log}");
    }

    let second = text(&created(&project)["id"]);
    let listed = snapshot(&project, ["list", "--output", "json"])
        .expect_code(0)
        .json();
    let ids: Vec<String> = listed["snapshots"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|found| found["automatic"] == Value::Bool(false))
        .map(|found| text(&found["id"]))
        .collect();
    // Both may be of one second.
    assert_eq!(ids.len(), 2, "{listed}");
    assert!(ids.contains(&id) && ids.contains(&second), "{listed}");
    assert!(listed.to_string().contains(&run), "{listed}");
    let shown = snapshot(&project, ["list"]).expect_code(0).stdout;
    assert!(
        shown.contains(&id) && shown.contains("20.00 GiB"),
        "{shown}"
    );

    // As the log's line says it.
    let words: Vec<&str> = way_back.split(' ').skip(1).collect();
    let restored = project
        .run(words.iter().chain(&["--output", "json"]))
        .expect_code(0)
        .json();
    let result = &restored["steps"][0]["result"];
    assert_eq!(text(&result["status"]), "available");
    assert!(
        text(&result["host"]).starts_with("qconnect-prod-restored."),
        "{result}"
    );
    let made = moto.rds(
        "DescribeDBInstances",
        "DBInstanceIdentifier=qconnect-prod-restored",
    );
    assert!(made.contains("<DBInstanceClass>db.t3.medium<"), "{made}");

    for (name, moment) in [
        ("of-now", "latest"),
        ("of-then", "2026-01-17T02:00:00+01:00"),
    ] {
        let flags = [
            "restore",
            "--to",
            name,
            "--at",
            moment,
            "--class",
            "db.t3.large",
        ];
        snapshot(&project, flags).expect_code(0);
        let made = moto.rds(
            "DescribeDBInstances",
            &format!("DBInstanceIdentifier={name}"),
        );
        assert!(made.contains("<DBInstanceStatus>available<"), "{made}");
    }

    let refused = snapshot(&project, ["delete", &id]).expect_code(4);
    assert!(
        refused.stderr.contains(&id) && refused.stderr.contains("--yes"),
        "{}",
        refused.stderr
    );
    snapshot(&project, ["delete", &id, "--yes"]).expect_code(0);
    let left = manual(&moto);
    assert!(!left.contains(&id) && left.contains(&second), "{left}");
    let gone = snapshot(&project, ["restore", &id, "--to", "again"]).expect_code(1);
    assert!(gone.stderr.contains("snapshot list"), "{}", gone.stderr);
}

#[test]
fn a_cluster_is_restored_with_a_machine_that_answers() {
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    cluster(&moto);
    let project = on_server(&server, "cluster = \"Shop\"", &moto.endpoint());
    let checked = project.run(["check"]);
    assert!(
        checked
            .stdout
            .contains("cluster shop, aurora-postgresql 15.4, available, "),
        "{}",
        checked.stdout
    );

    let id = text(&created(&project)["id"]);
    assert!(moto.rds("DescribeDBClusterSnapshots", "").contains(&id));
    let listed = snapshot(&project, ["list", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(text(&listed["snapshots"][0]["id"]), id);

    for (name, flags) in [
        ("shop-restored", vec!["restore", id.as_str()]),
        ("shop-of-now", vec!["restore", "--at", "latest"]),
    ] {
        let flags =
            flags
                .into_iter()
                .chain(["--to", name, "--database", "source", "--output", "json"]);
        let made = project
            .run(["snapshot"].into_iter().chain(flags))
            .expect_code(0)
            .json();
        assert_eq!(
            text(&made["steps"][0]["result"]["status"]),
            "available",
            "{made}"
        );
        let machine = moto.rds(
            "DescribeDBInstances",
            &format!("DBInstanceIdentifier={name}-1"),
        );
        for expected in [
            "<DBInstanceClass>db.r6g.large<",
            &format!("<DBClusterIdentifier>{name}<"),
        ] {
            assert!(machine.contains(expected), "{expected}: {machine}");
        }
    }
    snapshot(&project, ["delete", &id, "--yes"]).expect_code(0);
    assert!(!moto.rds("DescribeDBClusterSnapshots", "").contains(&id));
}

#[test]
fn a_machine_of_a_cluster_says_that_the_cluster_is_meant() {
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    cluster(&moto);
    let project = on_server(&server, "instance = \"shop-writer\"", &moto.endpoint());
    let failed = snapshot(&project, ["create"]).expect_code(1);
    assert!(
        failed.stderr.contains("cluster = \"shop\""),
        "{}",
        failed.stderr
    );
}

/// Says of the project that it is production, and that a snapshot is to come before migrations.
fn in_production(project: &Project, net: &str) {
    let config = project.read("orchestrator.toml");
    let config = config.replace("environment = \"local\"", "environment = \"production\"");
    project.write(
        "orchestrator.toml",
        &format!("{config}[migrations]\nsnapshot = \"{net}\"\n"),
    );
}

#[test]
fn production_is_migrated_after_a_snapshot() {
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    instance(&moto);
    let project = on_instance(&server, &moto.endpoint());
    in_production(&project, "both");
    let run = |job, flags: &[&str]| {
        let fixed = ["run", job, "--param", "database=source", "--output", "json"];
        project.run(fixed.iter().chain(flags))
    };
    let looked = run("pre-migrate", &[]).expect_code(0).json();
    let (backup, taken) = (text(&looked["backup"]), text(&looked["snapshot"]));
    assert!(
        backup.contains("pre-migrate") && taken.contains("pre-migrate"),
        "{looked}"
    );
    let plan = text(&looked["rollback_plan"]);
    for expected in [
        format!("orchestrator restore source/{backup} "),
        format!("orchestrator snapshot restore {taken} "),
    ] {
        assert!(plan.contains(&expected), "{plan}");
    }

    let config = project
        .read("orchestrator.toml")
        .replace("\"both\"", "\"rds\"");
    project.write("orchestrator.toml", &config);
    let deployed = run("deploy", &[]).expect_code(0).json();
    assert!(deployed["backup"].is_null(), "{deployed}");
    assert!(
        text(&deployed["snapshot"]).contains("pre-migrate"),
        "{deployed}"
    );

    // What fails after a change says how to go back to it.
    project.write(
        "migrations/20260101000000_good/migration.sql",
        "CREATE TABLE good (a int);\n",
    );
    project.write(
        "migrations/20260102000000_bad/migration.sql",
        "SELECT 1 / 0;\n",
    );
    let failed = run("deploy", &[]).expect_code(1);
    assert!(
        failed
            .stderr
            .contains("go back: orchestrator snapshot restore qconnect-prod-pre-migrate-"),
        "{}",
        failed.stderr
    );
    project
        .run(migrate(["resolve", "--rolled-back", "20260102000000_bad"]))
        .expect_code(0);
    project.write(
        "migrations/20260102000000_bad/migration.sql",
        "CREATE TABLE bad (a int);\n",
    );
    project.run(migrate(["deploy"])).expect_code(4);
    project
        .run(migrate(["deploy", "--after-snapshot", "no-such-one"]))
        .expect_code(1);
    project
        .run(migrate(["deploy", "--after-snapshot", &taken]))
        .expect_code(0);
}

/// A project behind a proxy.
fn behind_proxy(server: &PostgresServer) -> (Moto, RdsProxy, Project) {
    let moto = Moto::start();
    instance(&moto);
    let proxy = RdsProxy::before(moto.address());
    let project = on_instance(server, &proxy.endpoint());
    (moto, proxy, project)
}

#[test]
fn throttling_is_waited_out() {
    let server = PostgresServer::start(Version::V15);
    let (_moto, proxy, project) = behind_proxy(&server);
    let throttled = Answer::Error(400, "Throttling", "Rate exceeded");
    for action in [
        "DescribeDBInstances",
        "CreateDBSnapshot",
        "DescribeDBSnapshots",
    ] {
        proxy.answer(action, 2, throttled.clone());
    }
    created(&project);
    assert_eq!(proxy.asked("CreateDBSnapshot"), 3);

    proxy.answer("DescribeDBSnapshots", usize::MAX, throttled);
    let failed = snapshot(&project, ["list"]).expect_code(1);
    assert!(failed.stderr.contains("Rate exceeded"), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("fewer requests"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_busy_server_is_waited_for_and_a_stopped_one_is_not() {
    let server = PostgresServer::start(Version::V15);
    let (moto, proxy, project) = behind_proxy(&server);
    let status = |status: &'static str| Answer::Rewritten(AVAILABLE_INSTANCE, status);
    proxy.answer(
        "DescribeDBInstances",
        2,
        status("<DBInstanceStatus>backing-up</DBInstanceStatus>"),
    );
    let state = "Instance qconnect-prod is not in available state.";
    proxy.answer(
        "CreateDBSnapshot",
        1,
        Answer::Error(400, "InvalidDBInstanceState", state),
    );
    proxy.answer(
        "DescribeDBSnapshots",
        1,
        Answer::Error(404, "DBSnapshotNotFound", "none"),
    );
    proxy.answer(
        "DescribeDBSnapshots",
        2,
        Answer::Rewritten(AVAILABLE_SNAPSHOT, "<Status>creating</Status>"),
    );
    assert_eq!(text(&created(&project)["status"]), "available");
    assert_eq!(proxy.asked("CreateDBSnapshot"), 2);
    assert_eq!(proxy.asked("DescribeDBSnapshots"), 4);

    proxy.answer(
        "DescribeDBInstances",
        2,
        status("<DBInstanceStatus>stopped</DBInstanceStatus>"),
    );
    let failed = snapshot(&project, ["create"]).expect_code(1);
    assert!(failed.stderr.contains("is stopped"), "{}", failed.stderr);

    proxy.answer(
        "DescribeDBSnapshots",
        1,
        Answer::Error(404, "DBSnapshotNotFound", "none"),
    );
    proxy.answer(
        "DescribeDBSnapshots",
        1,
        Answer::Rewritten(AVAILABLE_SNAPSHOT, "<Status>failed</Status>"),
    );
    let failed = snapshot(&project, ["create"]).expect_code(1);
    assert!(failed.stderr.contains("is failed"), "{}", failed.stderr);

    proxy.answer(
        "DescribeDBSnapshots",
        1,
        Answer::Error(404, "DBSnapshotNotFound", "none"),
    );
    proxy.answer(
        "DescribeDBSnapshots",
        9,
        Answer::Rewritten(AVAILABLE_SNAPSHOT, "<Status>creating</Status>"),
    );
    let failed = snapshot(&project, ["create", "--timeout", "2", "--name", "slow"]).expect_code(1);
    assert!(
        failed.stderr.contains("is not there after 2 s"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("snapshot list"), "{}", failed.stderr);
    // It is there all the same, and the log knows it.
    assert!(
        moto.rds("DescribeDBSnapshots", "DBSnapshotIdentifier=slow")
            .contains("slow")
    );
    assert!(
        project
            .read("DEPLOYMENT_LOG.md")
            .contains("**Snapshot:** slow")
    );
}

#[test]
fn a_lost_answer_begins_no_second_snapshot() {
    let server = PostgresServer::start(Version::V15);
    let (moto, proxy, project) = behind_proxy(&server);
    proxy.answer("CreateDBSnapshot", 1, Answer::Lost);
    created(&project);
    assert_eq!(proxy.asked("CreateDBSnapshot"), 2);
    let there = manual(&moto);
    assert_eq!(
        there.matches("<DBSnapshotIdentifier>").count(),
        1,
        "{there}"
    );

    // One of that name which another run has begun is another thing.
    snapshot(&project, ["create", "--name", "mine"]).expect_code(0);
    let failed = snapshot(&project, ["create", "--name", "mine"]).expect_code(1);
    assert!(failed.stderr.contains("already"), "{}", failed.stderr);
}

#[test]
fn what_the_account_may_not_do_is_named() {
    let server = PostgresServer::start(Version::V15);
    let (_moto, proxy, project) = behind_proxy(&server);
    let denied = "User: arn:aws:iam::123456789012:user/deploy is not authorized to perform: rds:AddTagsToResource on resource: \
                  arn:aws:rds:us-east-1:123456789012:snapshot:x";
    for (code, message, expected) in [
        ("AccessDenied", denied, "allow rds:AddTagsToResource"),
        ("AccessDenied", "no", "allow rds:CreateDBSnapshot"),
        (
            "SnapshotQuotaExceeded",
            "The request cannot be processed because it would exceed the maximum number of snapshots.",
            "quota",
        ),
        ("KMSKeyNotAccessibleFault", "no", "kms:CreateGrant"),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "AWS_ACCESS_KEY_ID",
        ),
    ] {
        proxy.answer("CreateDBSnapshot", 1, Answer::Error(403, code, message));
        let failed = snapshot(&project, ["create"]).expect_code(1);
        assert!(
            failed.stderr.contains(expected),
            "{expected}: {}",
            failed.stderr
        );
        assert!(
            !failed.stderr.contains("the-secret-of-rds"),
            "{}",
            failed.stderr
        );
    }
    proxy.answer(
        "RestoreDBInstanceFromDBSnapshot",
        1,
        Answer::Error(400, "InstanceQuotaExceeded", "too many"),
    );
    created(&project);
    let failed = snapshot(&project, ["restore", "--to", "another"]).expect_code(1);
    assert!(failed.stderr.contains("quota"), "{}", failed.stderr);
    let statuses = project
        .run(["log", "list", "--output", "json"])
        .expect_code(0)
        .json();
    assert!(!statuses.to_string().contains("running"), "{statuses}");
}

#[test]
fn only_what_belongs_to_the_server_is_touched() {
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    instance(&moto);
    moto.rds(
        "CreateDBInstance",
        "DBInstanceIdentifier=payroll&DBInstanceClass=db.t3.medium&Engine=postgres&AllocatedStorage=20&MasterUsername=root\
         &MasterUserPassword=hunter22",
    );
    moto.rds(
        "CreateDBSnapshot",
        "DBInstanceIdentifier=payroll&DBSnapshotIdentifier=salaries",
    );
    let project = on_instance(&server, &moto.endpoint());
    let listed = snapshot(&project, ["list", "--output", "json"])
        .expect_code(0)
        .json();
    // The provider has made one by itself.
    assert_eq!(listed["snapshots"].as_array().map(Vec::len), Some(1));
    let automatic = text(&listed["snapshots"][0]["id"]);
    let refused = snapshot(&project, ["delete", &automatic, "--yes"]).expect_code(1);
    assert!(
        refused.stderr.contains("own schedule"),
        "{}",
        refused.stderr
    );
    for arguments in [
        vec!["delete", "salaries", "--yes"],
        vec!["restore", "salaries", "--to", "mine"],
        vec!["pin", "salaries", "--reason", "mine"],
        vec!["unpin", "salaries"],
    ] {
        let arguments = ["snapshot"].into_iter().chain(arguments);
        let refused = project
            .run(arguments.chain(["--database", "source"]))
            .expect_code(1);
        assert!(
            refused.stderr.contains("of the instance payroll"),
            "{}",
            refused.stderr
        );
    }
    let theirs = manual(&moto);
    assert!(theirs.contains("salaries"), "{theirs}");
    assert!(!theirs.contains("orchestrator:pin"), "{theirs}");
    let refused = snapshot(&project, ["pin", &automatic, "--reason", "mine"]).expect_code(1);
    assert!(
        refused.stderr.contains("goes by no pin"),
        "{}",
        refused.stderr
    );
    let gone = on_server(
        server_of_another(&server),
        "instance = \"nowhere\"",
        &moto.endpoint(),
    );
    let failed = snapshot(&gone, ["create"]).expect_code(1);
    assert!(
        failed.stderr.contains("check `instance`"),
        "{}",
        failed.stderr
    );
}

/// The same server, without what the first project made there.
fn server_of_another(server: &PostgresServer) -> &PostgresServer {
    for database in ["records", "source"] {
        server.drop_database(database);
    }
    server
}

#[test]
fn a_database_on_no_such_server_says_what_to_write() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    for arguments in [["create", "--dry-run"], ["list", "--quiet"]] {
        let failed = snapshot(&project, arguments).expect_code(2);
        assert!(
            failed.stderr.contains("[databases.source.rds]"),
            "{}",
            failed.stderr
        );
    }
    let config = project.read("orchestrator.toml");
    for (section, expected) in [
        (
            "instance = \"a\"\ncluster = \"b\"",
            "both an instance and a cluster",
        ),
        (
            "region = \"eu-west-1\"",
            "neither an instance nor a cluster",
        ),
        ("instanze = \"a\"", "instance"),
    ] {
        project.write(
            "orchestrator.toml",
            &format!("{config}[databases.source.rds]\n{section}\n"),
        );
        let failed = snapshot(&project, ["list", "--quiet"]).expect_code(2);
        assert!(
            failed.stderr.contains(expected),
            "{expected}: {}",
            failed.stderr
        );
    }
    project.write("orchestrator.toml", &config);
    in_production(&project, "rds");
    let failed = project
        .run(["run", "pre-migrate", "--param", "database=source"])
        .expect_code(2);
    assert!(
        failed.stderr.contains("[databases.source.rds]"),
        "{}",
        failed.stderr
    );
}

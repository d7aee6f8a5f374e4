//! `orchestrator notify` against a mail server that others wrote, and runs by hand of which others are told.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use end_to_end::{MAIL_LOGIN, MailServer, PostgresServer, Project, Receiver, Version};
use serde_json::{Value, json};

use crate::interruptions::signal;
use crate::start;

fn config(server: &MailServer, password: &str) -> String {
    format!(
        "environment = \"staging\"\n[notify.mail]\nkind = \"email\"\nserver = \"{}\"\nuser = \"{}\"\npassword = \"{password}\"\n\
         from = \"Datenbänke <db@example.org>\"\nto = [\"ops@example.org\", \"Ada <ada@example.org>\"]\ntimeout = \"20s\"\n",
        server.url(),
        MAIL_LOGIN.0,
    )
}

#[test]
fn a_test_by_mail_arrives_encrypted_and_is_recorded() {
    let mail = MailServer::start();
    let server = PostgresServer::start(Version::V15);
    server.create_database("records");
    let text = config(&mail, MAIL_LOGIN.1);
    let text = format!(
        "{text}[databases.app]\nurl = \"{}\"\n",
        server.url("records")
    );
    let mut project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &text);
    project.set("SSL_CERT_FILE", mail.certificate().to_str().unwrap());
    let outcome = project
        .run(["-vv", "notify", "test", "mail"])
        .expect_code(0);
    assert_eq!(outcome.stdout.trim(), "mail: sent");
    assert!(!outcome.stderr.contains(MAIL_LOGIN.1), "{}", outcome.stderr);
    let messages = mail.messages();
    assert_eq!(messages.len(), 1);
    for part in [
        "ops@example.org\nada@example.org\n",
        "Subject: [staging] test",
        "From: =?utf-8?",
        "Message-ID: <",
        "environment  staging",
    ] {
        assert!(messages[0].contains(part), "{part}: {}", messages[0]);
    }
    let rows =
        "SELECT target, kind, attempts, outcome, error IS NULL FROM orchestrator.notifications";
    assert_eq!(server.psql("records", rows).trim(), "mail|test|1|sent|t");
    let listed = project.run(["notify", "list"]).expect_code(0);
    assert!(
        listed
            .stdout
            .contains("ops@example.org, ada@example.org by localhost"),
        "{}",
        listed.stdout
    );
    assert!(!listed.stdout.contains(MAIL_LOGIN.1));
}

#[test]
fn a_mail_server_that_refuses() {
    let mail = MailServer::start();
    let mut project = Project::new(
        env!("CARGO_BIN_EXE_orchestrator"),
        &config(&mail, "hunter2hunter2"),
    );
    project.set("SSL_CERT_FILE", mail.certificate().to_str().unwrap());
    let outcome = project.run(["-vv", "notify", "test"]).expect_code(1);
    assert!(
        outcome
            .stdout
            .starts_with("mail: failed after 1 attempts: "),
        "{}",
        outcome.stdout
    );
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("hunter2"));
    let outcome = project.run(["notify", "test", "mial"]).expect_code(2);
    assert!(
        outcome.stderr.contains("there are: mail"),
        "{}",
        outcome.stderr
    );
    // Without that certificate nothing is sent, not even the login.
    let strict = Project::new(
        env!("CARGO_BIN_EXE_orchestrator"),
        &config(&mail, MAIL_LOGIN.1),
    );
    let outcome = strict.run(["notify", "test"]).expect_code(1);
    assert!(outcome.stdout.contains("certificate"), "{}", outcome.stdout);
    assert!(mail.messages().is_empty());
}

#[test]
fn one_bad_recipient_silences_the_mail_for_nobody() {
    let mail = MailServer::start();
    let text = config(&mail, MAIL_LOGIN.1).replace(
        "\"ops@example.org\"",
        "\"later@example.org\", \"nobody@example.org\", \"ops@example.org\"",
    );
    let mut project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &text);
    project.set("SSL_CERT_FILE", mail.certificate().to_str().unwrap());
    let outcome = project.run(["notify", "test"]).expect_code(1);
    let said = outcome.stdout.trim();
    // The server has put one off, who gets it with the second attempt; the others have it by then, and get it once.
    assert!(
        said.starts_with("mail: failed after 2 attempts: nobody@example.org: "),
        "{said}"
    );
    assert!(said.contains("550"), "{said}");
    assert!(
        said.ends_with("(sent to ops@example.org, ada@example.org, later@example.org)"),
        "{said}"
    );
    let messages = mail.messages();
    let recipients: Vec<&str> = messages
        .iter()
        .filter_map(|message| Some(message.split_once("\n\n")?.0))
        .collect();
    assert_eq!(
        recipients,
        ["ops@example.org\nada@example.org", "later@example.org"]
    );
}

#[test]
fn a_test_hears_of_all_though_the_log_is_silent() {
    let receiver = Receiver::start();
    // Both take connections and never answer.
    let silent = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (database, hangs) = (silent(), silent());
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let text = format!(
        "environment = \"staging\"\n[databases.app]\nurl = \"postgresql://nobody@127.0.0.1:{}/app\"\n\
         [notify.hangs]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\ntimeout = \"2s\"\n\
         [notify.quick]\nkind = \"webhook\"\nurl = \"{}/\"\n",
        port(&database),
        port(&hangs),
        receiver.url(),
    );
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &text);
    let outcome = project.run(["notify", "test"]).expect_code(1);
    for line in ["hangs: failed after 1 attempts: ", "quick: sent"] {
        assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    }
    assert!(
        outcome.stderr.contains("could not be recorded in time"),
        "{}",
        outcome.stderr
    );
}

/// A job that writes a row, targets at these addresses, a switch in the file `ping`, and another one of the schedule `nightly`.
fn job_project(server: &PostgresServer, ops: &str, switch: &str) -> Project {
    server.create_database("app");
    server.psql("app", "CREATE TABLE ticks (id serial PRIMARY KEY)");
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"{}\"\n[jobs.tick]\nsteps = [{{ plugin = \"seed\", sets = [\"tick\"] }}]\n\
         [notify.ops]\nkind = \"webhook\"\nurl = \"{ops}/the-key-of-the-hook\"\ntimeout = \"2s\"\non = [\"started\", \"succeeded\", \"failed\", \"recovered\"]\n\
         [notify.chat]\nkind = \"slack\"\nurl = \"{ops}/the-key-of-the-chat\"\ntimeout = \"2s\"\n",
        server.url("app"),
    );
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    project.write("ping", &format!("{switch}/the-key-of-a-file\n"));
    let nightly = format!(
        "cron = \"0 2 * * *\"\njob = \"tick\"\nnotify = [\"chat\", \"ops\"]\nping = \"{switch}/the-key-of-a-schedule\"\n"
    );
    project.write("schedules/nightly.toml", &nightly);
    project
}

/// The first words of all requests, in their order: a lane for each target, so that only those of one target have an order.
fn lines(receiver: &Receiver, key: &str) -> Vec<String> {
    let seen = receiver.seen();
    let of_key = seen.iter().filter(|request| request.line.contains(key));
    of_key
        .map(|request| request.line.replace(" HTTP/1.1", ""))
        .collect()
}

fn kinds(receiver: &Receiver) -> Vec<Value> {
    let notices = receiver.notices();
    let of_hook = notices.iter().filter(|notice| !notice["kind"].is_null());
    of_hook.map(|notice| notice["kind"].clone()).collect()
}

#[test]
fn a_run_by_hand_is_told_and_pinged() {
    let server = PostgresServer::start(Version::V15);
    let receiver = Receiver::start();
    let mut project = job_project(&server, receiver.url(), receiver.url());
    let run = ["run", "tick", "--notify", "ops,chat", "--notify", "ops"];
    let run = [&run[..], &["--ping-file", "ping", "--output", "json"]].concat();
    project.run(run.iter().chain(&["--dry-run"])).expect_code(0);
    assert!(receiver.seen().is_empty(), "{:?}", receiver.seen());
    let outcome = project.run(&run).expect_code(0);
    let id = crate::text(&outcome.json()["run_id"]);
    assert_eq!(kinds(&receiver), ["started", "succeeded"]);
    let notice = receiver.notices().pop().expect("a notice");
    assert_eq!(
        [
            &notice["run"],
            &notice["job"],
            &notice["schedule"],
            &notice["fire"]
        ],
        [&json!(id), &json!("tick"), &Value::Null, &Value::Null]
    );
    let switch = "POST /the-key-of-a-file";
    assert_eq!(
        lines(&receiver, "the-key-of-a-file"),
        [
            format!("{switch}/start?rid={id}"),
            format!("{switch}?rid={id}")
        ]
    );
    // A failure: the chat hears of it, too.
    project.write("seeds/tick.sql", "INSERT INTO nowhere DEFAULT VALUES;\n");
    let failed = project.run(&run).expect_code(1);
    let id = crate::text(&failed.json()["run_id"]);
    assert_eq!(kinds(&receiver)[2..], ["started", "failed"]);
    assert_eq!(lines(&receiver, "the-key-of-the-chat").len(), 1);
    assert_eq!(
        lines(&receiver, "the-key-of-a-file")[3],
        format!("{switch}/fail?rid={id}")
    );
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    project.run(&run).expect_code(0);
    assert_eq!(kinds(&receiver)[4..], ["started", "recovered"]);
    project.run(&run).expect_code(0);
    assert_eq!(kinds(&receiver)[6..], ["started", "succeeded"]);
    // As Kubernetes would run it.
    let export = [
        "schedule",
        "export",
        "kubernetes",
        "--image",
        "backups:1",
        "--output",
        "json",
    ];
    let exported = project.run(export).expect_code(0).json();
    let container =
        &exported["items"][0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<String> =
        serde_json::from_value(container["args"].clone()).expect("arguments");
    assert_eq!(
        arguments,
        [
            "run",
            "tick",
            "--allow-warnings",
            "--notify",
            "chat,ops",
            "--ping",
            "nightly"
        ]
    );
    let outcome = project.run(&arguments).expect_code(0);
    assert_eq!(kinds(&receiver).len(), 10);
    assert_eq!(lines(&receiver, "the-key-of-a-schedule").len(), 2);
    // By the variable alone.
    let switch = format!("{}/the-key-of-a-variable", receiver.url());
    project.set("ORCHESTRATOR_PING", &switch);
    let silent = project.run(["run", "tick", "-v"]).expect_code(0);
    assert_eq!(lines(&receiver, "the-key-of-a-variable").len(), 2);
    assert_eq!(kinds(&receiver).len(), 10);
    let said = format!(
        "{}{}{}{}",
        outcome.stdout, outcome.stderr, silent.stdout, silent.stderr
    );
    assert!(!said.contains("the-key-of"), "{said}");
    let rows =
        "SELECT count(*), count(*) FILTER (WHERE outcome = 'sent') FROM orchestrator.notifications";
    // Ten of the hook, two of the chat, and two for each of six runs of a switch.
    assert_eq!(server.psql("app", rows).trim(), "24|24");
}

#[test]
fn the_exit_code_is_the_runs_whatever_becomes_of_the_notices() {
    let server = PostgresServer::start(Version::V15);
    // One takes connections and never answers, the other refuses.
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hangs = format!("http://{}", hangs.local_addr().expect("an address"));
    let refuses = Receiver::answering("400 Bad Request");
    let project = job_project(&server, &hangs, refuses.url());
    let run = ["run", "tick", "--notify", "ops", "--ping-file", "ping"];
    let run = [&run[..], &["--output", "json"]].concat();
    let begun = Instant::now();
    let outcome = project.run(&run).expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(outcome.json()["status"], "succeeded");
    for part in [
        "ops was not told of succeeded",
        "was not told of ping success",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("the-key-of"), "{}", outcome.stderr);
    project.write("seeds/tick.sql", "INSERT INTO nowhere DEFAULT VALUES;\n");
    let failed = project.run(&run).expect_code(1);
    assert!(
        failed.stderr.contains("ops was not told of failed"),
        "{}",
        failed.stderr
    );
    let rows = "SELECT count(*) FROM orchestrator.notifications WHERE outcome <> 'sent' AND error IS NOT NULL";
    assert_eq!(server.psql("app", rows).trim(), "8");
}

#[test]
fn whoever_is_in_a_hurry_does_not_wait_for_notices() {
    let server = PostgresServer::start(Version::V15);
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", hangs.local_addr().expect("an address"));
    let project = job_project(&server, &url, &url);
    let mut child = start(&project, &["run", "tick", "--ping-file", "ping"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut said = String::new();
    // The result is printed before anybody waits.
    while !said.contains("report: ") {
        let count = stdout.read_line(&mut said).expect("text");
        assert_ne!(count, 0, "{said}");
    }
    let begun = Instant::now();
    signal(&child, "INT");
    let outcome = child.wait_with_output().expect("it ends");
    // A switch alone is waited for for two minutes.
    assert!(begun.elapsed() < Duration::from_secs(30));
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("it is not known whether"), "{stderr}");
}

#[test]
fn names_of_nobody_are_told_before_anything_is_run() {
    let server = PostgresServer::start(Version::V15);
    let receiver = Receiver::start();
    let mut project = job_project(&server, receiver.url(), receiver.url());
    project.write("bad", "ftp://hunter2hunter2hunter2\n");
    for (flags, said) in [
        (&["--notify", "ops,opps"][..], "there are: chat, ops"),
        (&["--ping", "weekly"], "there are: nightly"),
        (&["--ping-file", "nowhere"], "--ping-file nowhere: "),
        (&["--ping-file", "bad"], "neither an http nor an https URL"),
        (
            &["--ping", "nightly", "--ping-file", "ping"],
            "cannot be used with",
        ),
    ] {
        let outcome = project
            .run(["run", "tick"].iter().chain(flags))
            .expect_code(2);
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
    project.set("ORCHESTRATOR_PING", "hunter2hunter2hunter2");
    let outcome = project.run(["run", "tick"]).expect_code(2);
    assert!(
        outcome.stderr.contains("ORCHESTRATOR_PING: it is no URL"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    assert!(receiver.seen().is_empty());
    assert_eq!(server.psql("app", "SELECT count(*) FROM ticks").trim(), "0");
}

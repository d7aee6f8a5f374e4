//! `orchestrator notify` against a mail server that others wrote.

use end_to_end::{MAIL_LOGIN, MailServer, PostgresServer, Project, Version};

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

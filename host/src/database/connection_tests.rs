//! Connections to a real server: every sslmode, the wrong host, authority, password, database.

use super::test_server::TestServer;
use super::*;
use insta::assert_snapshot;
use std::time::{Duration, Instant};

const OPEN: &str = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";
const TLS_ON: &str =
    "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.crt'";

/// `TLSv1.3` or `plain`; else kind, message and hint, with the port and the paths of this test masked.
async fn outcome(server: &TestServer, settings: &ConnectionSettings) -> String {
    match connect(settings, "test").await {
        Ok(connection) => match inspect(&connection.client).await.unwrap().tls {
            Some(tls) => tls.version,
            None => "plain".to_owned(),
        },
        Err(error) => described(server, &error),
    }
}

fn described(server: &TestServer, error: &DatabaseError) -> String {
    let hint = error.hint.as_deref().unwrap_or("-");
    format!("{:?}: {error}\n{hint}", error.kind)
        .replace(server.path("data").to_str().unwrap(), "DATA")
        .replace(
            server.path("").to_str().unwrap().trim_end_matches('/'),
            "FOLDER",
        )
        .replace(&server.port.to_string(), "PORT")
}

#[tokio::test]
async fn every_sslmode_against_a_server_with_tls() {
    let server = TestServer::start(TLS_ON, OPEN);
    let (ca, other) = (server.root("ca.crt"), server.root("other.crt"));
    let try_with =
        async |host: &str, query: String| outcome(&server, &server.settings(host, &query)).await;
    for (mode, expected) in [
        ("disable", "plain"),
        ("allow", "plain"),
        ("prefer", "TLSv1.3"),
        ("require", "TLSv1.3"),
    ] {
        assert_eq!(
            try_with("localhost", format!("sslmode={mode}")).await,
            expected,
            "{mode}"
        );
        assert_eq!(
            try_with("127.0.0.1", format!("sslmode={mode}&{ca}")).await,
            expected,
            "{mode} with roots"
        );
    }
    for (host, mode) in [
        ("localhost", "verify-ca"),
        ("127.0.0.1", "verify-ca"),
        ("localhost", "verify-full"),
    ] {
        assert_eq!(
            try_with(host, format!("sslmode={mode}&{ca}")).await,
            "TLSv1.3",
            "{mode}"
        );
    }
    // The name counts also where hostaddr leads.
    assert_eq!(
        try_with(
            "localhost",
            format!("hostaddr=127.0.0.1&sslmode=verify-full&{ca}")
        )
        .await,
        "TLSv1.3"
    );
    assert_snapshot!(try_with("127.0.0.1", format!("sslmode=verify-full&{ca}")).await, @r#"
    TlsFailed: connecting to database "postgres" on 127.0.0.1:PORT as "postgres": invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")
    connect by a name that is in the certificate (hostaddr may give the address), or use sslmode=verify-ca
    "#);
    assert_snapshot!(try_with("db.example.org", format!("hostaddr=127.0.0.1&sslmode=verify-full&{ca}")).await, @r#"
    TlsFailed: connecting to database "postgres" on db.example.org:PORT as "postgres": invalid peer certificate: certificate not valid for name "db.example.org"; certificate is only valid for DnsName("localhost")
    connect by a name that is in the certificate (hostaddr may give the address), or use sslmode=verify-ca
    "#);
    assert_snapshot!(try_with("localhost", format!("sslmode=verify-full&{other}")).await, @r#"
    TlsFailed: connecting to database "postgres" on localhost:PORT as "postgres": no trusted authority signed the server's certificate
    give the authority that signed the server's certificate as sslrootcert
    "#);
    assert_snapshot!(try_with("localhost", format!("sslmode=verify-ca&{other}")).await, @r#"
    TlsFailed: connecting to database "postgres" on localhost:PORT as "postgres": no trusted authority signed the server's certificate
    give the authority that signed the server's certificate as sslrootcert
    "#);
    // As libpq: roots that are there count under `require` too, and `prefer` falls back to plain.
    assert_snapshot!(try_with("localhost", format!("sslmode=require&{other}")).await, @r#"
    TlsFailed: connecting to database "postgres" on localhost:PORT as "postgres": no trusted authority signed the server's certificate
    give the authority that signed the server's certificate as sslrootcert
    "#);
    assert_eq!(
        try_with("localhost", format!("sslmode=prefer&{other}")).await,
        "plain"
    );
    assert_snapshot!(try_with("localhost", "sslmode=verify-full&sslrootcert=system".to_owned()).await, @r#"
    TlsFailed: connecting to database "postgres" on localhost:PORT as "postgres": no trusted authority signed the server's certificate
    give the authority that signed the server's certificate as sslrootcert
    "#);
    assert_snapshot!(try_with("localhost", format!("sslmode=verify-ca&{}", server.root("absent.crt"))).await, @"
    TlsFailed: reading DATA/absent.crt for TLS: I/O error: No such file or directory (os error 2)
    check the file that sslrootcert names: it must be PEM, and readable for this user
    ");
    assert_eq!(
        try_with(
            "localhost",
            "sslmode=require&channel_binding=require".to_owned()
        )
        .await,
        "TLSv1.3"
    );
    assert_snapshot!(try_with("localhost", "sslmode=disable&channel_binding=require".to_owned()).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": authentication: server did not use channel binding
    use scram-sha-256, md5, password, cert or trust in the server's pg_hba.conf; with channel_binding=require, scram-sha-256 over TLS
    "#);
}

#[tokio::test]
async fn certificates_that_postgresqls_users_have() {
    let server = TestServer::start(TLS_ON, OPEN);
    for (name, root, mode, host, expected) in [
        ("plain", "ca", "verify-full", "localhost", "TLSv1.3"),
        ("plain", "ca", "verify-full", "127.0.0.1", "TlsFailed"),
        ("self", "self", "verify-full", "localhost", "TLSv1.3"),
        ("self", "self", "verify-full", "127.0.0.1", "TlsFailed"),
        ("self", "self", "verify-ca", "127.0.0.1", "TLSv1.3"),
        ("self", "ca", "verify-ca", "localhost", "TlsFailed"),
        ("old", "", "require", "localhost", "TLSv1.3"),
        ("old", "ca", "verify-full", "localhost", "TlsFailed"),
    ] {
        server.restart_with(&format!(
            "ssl_cert_file = '{name}.crt'\nssl_key_file = '{name}.key'"
        ));
        let root = if root.is_empty() {
            String::new()
        } else {
            server.root(&format!("{root}.crt"))
        };
        let found = outcome(
            &server,
            &server.settings(host, &format!("sslmode={mode}&{root}")),
        )
        .await;
        assert!(
            found.starts_with(expected),
            "{name} {root} {mode} {host}: {found}"
        );
    }
}

#[tokio::test]
async fn rules_that_want_or_refuse_tls() {
    let only_tls = TestServer::start(TLS_ON, "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    for mode in ["allow", "prefer", "require"] {
        assert_eq!(
            outcome(
                &only_tls,
                &only_tls.settings("localhost", &format!("sslmode={mode}"))
            )
            .await,
            "TLSv1.3",
            "{mode}"
        );
    }
    assert_snapshot!(outcome(&only_tls, &only_tls.settings("localhost", "sslmode=disable")).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "postgres", no encryption (SQLSTATE 28000)
    check that the role exists and may log in, and that the server's pg_hba.conf lets it in from here
    "#);
    let never_tls = TestServer::start(TLS_ON, "hostnossl all all 127.0.0.1/32 scram-sha-256\n");
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(
            outcome(
                &never_tls,
                &never_tls.settings("localhost", &format!("sslmode={mode}"))
            )
            .await,
            "plain",
            "{mode}"
        );
    }
    assert_snapshot!(outcome(&never_tls, &never_tls.settings("localhost", "sslmode=require")).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "postgres", SSL encryption (SQLSTATE 28000)
    check that the role exists and may log in, and that the server's pg_hba.conf lets it in from here
    "#);
    let nobody = TestServer::start(TLS_ON, "local all all scram-sha-256\n");
    assert_snapshot!(outcome(&nobody, &nobody.settings("localhost", "sslmode=prefer")).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": with TLS: no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "postgres", SSL encryption (SQLSTATE 28000); without: no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "postgres", no encryption (SQLSTATE 28000)
    check that the role exists and may log in, and that the server's pg_hba.conf lets it in from here
    "#);
}

#[tokio::test]
async fn a_client_certificate_is_the_password() {
    let server = TestServer::start(TLS_ON, "hostssl all all 127.0.0.1/32 cert\n");
    let data = server.path("data");
    let with = |key: &str| {
        let file = |name: &str| data.join(name).display().to_string();
        let url = format!(
            "postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            server.port,
            file("ca.crt"),
            file("client.crt"),
            file(key)
        );
        server.settings_of(&url)
    };
    assert_eq!(outcome(&server, &with("client.key")).await, "TLSv1.3");
    assert_snapshot!(outcome(&server, &with("locked.key")).await, @"
    TlsFailed: reading the private key DATA/locked.key: it is encrypted
    decrypt it: openssl pkey -in KEY -out PLAIN-KEY
    ");
    std::fs::copy(data.join("client.key"), data.join("open.key")).unwrap();
    std::fs::set_permissions(
        data.join("open.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    assert_snapshot!(outcome(&server, &with("open.key")).await, @"
    TlsFailed: reading the private key DATA/open.key: others may read it
    chmod 0600 DATA/open.key
    ");
    assert_snapshot!(outcome(&server, &with("server.key")).await, @"
    TlsFailed: using the client certificate DATA/client.crt with the key DATA/server.key: keys may not be consistent: KeyMismatch
    check that the key belongs to the certificate
    ");
    assert_snapshot!(outcome(&server, &server.settings("localhost", "sslmode=require")).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": connection requires a valid client certificate (SQLSTATE 28000)
    check that the role exists and may log in, and that the server's pg_hba.conf lets it in from here
    "#);
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = TestServer::start("", OPEN);
    let try_with =
        async |host: &str, query: &str| outcome(&server, &server.settings(host, query)).await;
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(
            try_with("localhost", &format!("sslmode={mode}")).await,
            "plain",
            "{mode}"
        );
    }
    assert_snapshot!(try_with("localhost", "sslmode=require").await, @r#"
    TlsFailed: connecting to database "postgres" on localhost:PORT as "postgres": server does not support TLS
    turn TLS on in the server (ssl = on), or use sslmode=disable where the network is trusted
    "#);
    // A socket is never encrypted, whatever the mode says.
    let socket = server.path("").display().to_string();
    let url = format!(
        "postgres://postgres:right@/postgres?host={socket}&port={}&sslmode=require",
        server.port
    );
    assert_eq!(outcome(&server, &server.settings_of(&url)).await, "plain");

    let url = |user: &str, database: &str| {
        format!("postgres://{user}@localhost:{}/{database}", server.port)
    };
    assert_snapshot!(outcome(&server, &server.settings_of(&url("postgres:wrong", "postgres"))).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": password authentication failed for user "postgres" (SQLSTATE 28P01)
    check the password: the URL's comes first, then PGPASSWORD, then ~/.pgpass
    "#);
    assert_snapshot!(outcome(&server, &server.settings_of(&url("postgres", "postgres"))).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "postgres": the server asks for a password, and none is given
    give one in the URL, in PGPASSWORD, or in ~/.pgpass (chmod 0600)
    "#);
    assert_snapshot!(outcome(&server, &server.settings_of(&url("nobody:x", "postgres"))).await, @r#"
    AuthenticationFailed: connecting to database "postgres" on localhost:PORT as "nobody": password authentication failed for user "nobody" (SQLSTATE 28P01)
    check the password: the URL's comes first, then PGPASSWORD, then ~/.pgpass
    "#);
    assert_snapshot!(outcome(&server, &server.settings_of(&url("postgres:right", "absent"))).await, @r#"
    NoSuchDatabase: connecting to database "absent" on localhost:PORT as "postgres": database "absent" does not exist (SQLSTATE 3D000)
    check the name, or create the database
    "#);
    let refused = server.settings_of("postgres://u:hunter2@127.0.0.1:1/d");
    assert_snapshot!(outcome(&server, &refused).await, @r#"
    Unreachable: connecting to database "d" on 127.0.0.1:1 as "u": connection refused
    check that the server runs, and listens on this address (listen_addresses, port, firewall)
    "#);
    let no_socket = server.settings_of("postgres://u@/d?host=/nowhere,/elsewhere");
    assert_snapshot!(outcome(&server, &no_socket).await, @r#"
    Unreachable: connecting to database "d" on /nowhere:5432,/elsewhere:5432 as "u": /nowhere:5432: there is no such socket; /elsewhere:5432: there is no such socket
    check that the server runs on this machine with this socket folder and port, or name a host
    "#);
    let no_name = server.settings_of("postgres://u@no-such-host.invalid/d");
    let error = connect(&no_name, "test").await.expect_err("no such host");
    assert_eq!(error.kind, DatabaseErrorKind::Unreachable);
    assert!(
        error.message.contains("looking up no-such-host.invalid: "),
        "{error}"
    );
    // The second of several hosts answers; a wrong password ends the search at the first that answers.
    let several = server.settings_of(&format!(
        "postgres://postgres:right@127.0.0.1:1,127.0.0.1:{}/postgres",
        server.port
    ));
    assert_eq!(outcome(&server, &several).await, "plain");
    let standby = format!(
        "postgres://postgres:right@127.0.0.1:{}/postgres?target_session_attrs=",
        server.port
    );
    assert_eq!(
        outcome(&server, &server.settings_of(&format!("{standby}primary"))).await,
        "plain"
    );
    assert_eq!(
        outcome(
            &server,
            &server.settings_of(&format!("{standby}prefer-standby"))
        )
        .await,
        "plain"
    );
    assert_snapshot!(outcome(&server, &server.settings_of(&format!("{standby}standby"))).await, @r#"
    Unreachable: connecting to database "postgres" on 127.0.0.1:PORT as "postgres": the server is not of the wanted kind: it is not in recovery
    change target_session_attrs, or name another host
    "#);
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://u@127.0.0.1:{port}/d?connect_timeout=2&sslmode=disable");
    let settings = ConnectionSettings::parse(&url, &ProcessEnvironment::default()).unwrap();
    let begin = Instant::now();
    let error = connect(&settings, "test").await.expect_err("silence");
    assert_eq!(error.kind, DatabaseErrorKind::Timeout);
    assert!(error.message.ends_with("no answer within 2 s"), "{error}");
    assert!((2..4).contains(&begin.elapsed().as_secs()));
}

#[tokio::test]
async fn facts_cancellation_and_the_end_of_a_session() {
    let server = TestServer::start(TLS_ON, OPEN);
    let settings = server.settings(
        "localhost",
        &format!("sslmode=verify-full&{}", server.root("ca.crt")),
    );
    let watcher = connect(&settings, "watch").await.unwrap();
    let facts = inspect(&watcher.client).await.unwrap();
    assert_eq!(facts.version_num / 10_000, 15);
    assert!(facts.superuser && facts.bypasses_row_security && !facts.in_recovery && !facts.pooled);
    assert_eq!(
        (
            facts.database.as_str(),
            facts.user.as_str(),
            facts.encoding.as_str()
        ),
        ("postgres", "postgres", "UTF8")
    );
    assert!(
        facts.clock_difference.abs() < jiff::SignedDuration::from_secs(1),
        "{:?}",
        facts.clock_difference
    );

    let connection = connect(&settings, "work").await.unwrap();
    let cancel = connection.cancel.clone();
    let sleep = connection.client.batch_execute("SELECT pg_sleep(60)");
    let (slept, cancelled) = tokio::join!(sleep, async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel().await
    });
    cancelled.unwrap();
    let error = DatabaseError::from(slept.expect_err("cancelled"));
    assert_snapshot!(described(&server, &error), @"
    Cancelled: canceling statement due to user request (SQLSTATE 57014)
    -
    ");

    let error = connection
        .client
        .batch_execute("SET statement_timeout = '10ms'; SELECT pg_sleep(60)")
        .await;
    assert_eq!(
        DatabaseError::from(error.expect_err("timeout")).kind,
        DatabaseErrorKind::Timeout
    );
    let error = connection
        .client
        .batch_execute("SELECT no_such_column FROM pg_class")
        .await;
    let error = DatabaseError::from(error.expect_err("no such column"));
    assert_eq!(
        (error.kind, error.sqlstate()),
        (DatabaseErrorKind::Query, Some("42703"))
    );
    assert_eq!(error.report.unwrap().position, Some(8));

    // A session that is dropped in the middle of a statement leaves none running.
    let sessions = async || {
        let query =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orchestrator work'";
        watcher
            .client
            .query_one(query, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    connection
        .client
        .batch_execute("SET statement_timeout = 0")
        .await
        .unwrap();
    let _ = tokio::time::timeout(
        Duration::from_millis(300),
        connection.client.batch_execute("SELECT pg_sleep(60)"),
    )
    .await;
    assert_eq!(sessions().await, 1);
    drop(connection);
    let begin = Instant::now();
    while sessions().await > 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(8),
            "the statement is still running"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = watcher
        .client
        .batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        .await;
    assert_eq!(
        DatabaseError::from(error.expect_err("terminated")).kind,
        DatabaseErrorKind::Unreachable
    );
    assert!(
        !server.log().contains("right"),
        "the log holds the password"
    );
}

//! Precedence, defaults and bad values of connection settings.

use super::*;
use insta::assert_snapshot;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn environment(variables: &[(&str, &str)]) -> ProcessEnvironment {
    ProcessEnvironment {
        user: Some("ada".to_owned()),
        ..ProcessEnvironment::of(variables.iter().copied())
    }
}

fn parse(url: &str) -> ConnectionSettings {
    ConnectionSettings::parse(url, &environment(&[])).unwrap()
}

/// Message and hint of the error.
fn refused(url: &str, variables: &[(&str, &str)]) -> String {
    let error = ConnectionSettings::parse(url, &environment(variables)).expect_err(url);
    format!("{error}\n{}", error.hint)
}

fn passwords(settings: &ConnectionSettings) -> Vec<Option<&str>> {
    settings
        .endpoints
        .iter()
        .map(|endpoint| {
            endpoint
                .password
                .as_ref()
                .map(|password| password.expose_secret())
        })
        .collect()
}

#[test]
fn defaults_are_libpqs() {
    let settings = ConnectionSettings::from_environment(&environment(&[])).unwrap();
    assert_eq!(
        settings.redacted(),
        "postgresql://ada@/ada?host=/var/run/postgresql,/tmp&port=5432,5432"
    );
    assert_eq!(settings.tls.mode, SslMode::Disable, "on sockets");
    assert_eq!(parse("postgres://h").tls.mode, SslMode::Prefer);
    assert_eq!(
        settings.connect_timeout,
        Some(std::time::Duration::from_secs(10))
    );
    assert!(settings.is_local());
}

#[test]
fn the_url_comes_before_the_variables() {
    let variables = environment(&[
        ("PGHOST", "elsewhere"),
        ("PGHOSTADDR", "192.0.2.9"),
        ("PGPORT", "6000"),
        ("PGUSER", "bob"),
        ("PGPASSWORD", "from-variable"),
        ("PGDATABASE", "other"),
        ("PGSSLMODE", "disable"),
        ("PGAPPNAME", "app"),
        ("PGOPTIONS", "-c work_mem=8MB"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGTARGETSESSIONATTRS", "primary"),
    ]);
    let settings = ConnectionSettings::parse(
        "postgres://eve:from-url@db:5433/app?sslmode=require",
        &variables,
    )
    .unwrap();
    assert_eq!(
        settings.redacted(),
        "postgresql://eve@db:5433/app?sslmode=require"
    );
    assert_eq!(passwords(&settings), [Some("from-url")]);
    assert_eq!(
        settings.endpoints[0].address, None,
        "PGHOSTADDR must not lead away from the URL's host"
    );
    let settings = ConnectionSettings::from_environment(&variables).unwrap();
    assert_eq!(
        settings.redacted(),
        "postgresql://bob@elsewhere:6000/other?sslmode=disable"
    );
    assert_eq!(passwords(&settings), [Some("from-variable")]);
    assert_eq!(
        settings.endpoints[0].address,
        Some("192.0.2.9".parse().unwrap())
    );
    assert_eq!(settings.application_name.as_deref(), Some("app"));
    assert_eq!(settings.options.as_deref(), Some("-c work_mem=8MB"));
    assert_eq!(
        settings.connect_timeout,
        Some(std::time::Duration::from_secs(3))
    );
    assert_eq!(settings.target, TargetSessionAttributes::Primary);
}

#[test]
fn several_hosts_share_or_have_ports() {
    assert_eq!(
        parse("postgres://u@a,b:1,[::1]/d").places(),
        "a:5432,b:1,[::1]:5432"
    );
    assert_eq!(parse("host=a,b port=7 dbname=d").places(), "a:7,b:7");
    assert_eq!(
        parse("postgres://u@/d?host=/run/pg&port=7").places(),
        "/run/pg:7"
    );
    assert_eq!(
        parse("hostaddr=127.0.0.1 dbname=d").places(),
        "127.0.0.1:5432"
    );
    assert_eq!(
        parse("postgres://u@localhost/d?host=/run/pg").places(),
        "/run/pg:5432",
        "as Prisma writes sockets"
    );
}

#[test]
fn what_is_local() {
    for local in [
        "postgres://u@localhost/d",
        "postgres://u@127.0.0.2/d",
        "postgres://u@[::1]/d",
        "host=/tmp",
        "host=x hostaddr=127.0.0.1",
    ] {
        assert!(parse(local).is_local(), "{local}");
    }
    for remote in [
        "postgres://u@db/d",
        "postgres://u@localhost,db/d",
        "host=localhost hostaddr=192.0.2.1",
        "postgres://u@localhost.example.org/d",
    ] {
        assert!(!parse(remote).is_local(), "{remote}");
    }
}

#[test]
fn nothing_prints_the_password() {
    let settings =
        ConnectionSettings::parse("postgres://u:hunter2@db/d", &environment(&[])).unwrap();
    for printed in [
        format!("{settings:?}"),
        settings.to_string(),
        settings.redacted(),
        settings.places(),
    ] {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn another_database_of_the_same_server() {
    let settings = parse("postgres://u:p@db:7/d?sslmode=disable").with_database("post gres");
    assert_eq!(
        settings.redacted(),
        "postgresql://u@db:7/post%20gres?sslmode=disable"
    );
    assert_eq!(passwords(&settings), [Some("p")]);
}

#[test]
fn passwords_of_each_host_from_the_password_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    std::fs::write(
        &file,
        "a:5432:d:u:for-a\nlocalhost:5432:*:u:for-socket\n*:6000:*:*:for-port\n",
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut with_home = environment(&[]);
    with_home.home = Some(home.path().to_path_buf());
    let found = |url: &str| {
        let settings = ConnectionSettings::parse(url, &with_home).unwrap();
        passwords(&settings)
            .iter()
            .map(|password| password.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("postgres://u@a,b,c:6000/d"),
        [Some("for-a".to_owned()), None, Some("for-port".to_owned())]
    );
    assert_eq!(
        found("postgres://u@/d"),
        [Some("for-socket".to_owned()), Some("for-socket".to_owned())]
    );
    assert_eq!(found("postgres://u:given@a/d"), [Some("given".to_owned())]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(found("postgres://u@a/d"), [None]);
}

#[test]
fn services_come_after_the_url_and_before_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services.conf");
    std::fs::write(
        &file,
        "[prod]\nhost=service-host\nport=7\ndbname=service-db\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let variables = [
        ("PGSERVICEFILE", path),
        ("PGSERVICE", "prod"),
        ("PGPORT", "8"),
        ("PGUSER", "eve"),
    ];
    let settings = ConnectionSettings::from_environment(&environment(&variables)).unwrap();
    assert_eq!(
        settings.redacted(),
        "postgresql://eve@service-host:7/service-db"
    );
    let settings =
        ConnectionSettings::parse("postgres:///mine?service=prod", &environment(&variables))
            .unwrap();
    assert_eq!(settings.redacted(), "postgresql://eve@service-host:7/mine");
    let missing =
        ConnectionSettings::parse("service=absent", &environment(&variables)).expect_err("absent");
    assert!(
        missing.message.starts_with("no service \"absent\" in "),
        "{missing}"
    );
}

#[test]
fn tls_settings_as_libpq_combines_them() {
    assert_eq!(
        parse("postgres://u@h/d?sslrootcert=system").tls.mode,
        SslMode::VerifyFull
    );
    let file = parse("postgres://u@h/d?sslmode=verify-ca&sslrootcert=/ca.pem");
    assert_eq!(
        file.tls.roots,
        RootCertificates::File(PathBuf::from("/ca.pem"))
    );
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".postgresql")).unwrap();
    std::fs::write(home.path().join(".postgresql/root.crt"), "").unwrap();
    let mut with_home = environment(&[("PGSSLMODE", "verify-full")]);
    with_home.home = Some(home.path().to_path_buf());
    let settings = ConnectionSettings::parse("postgres://u@h/d", &with_home).unwrap();
    assert_eq!(
        settings.tls.roots,
        RootCertificates::File(home.path().join(".postgresql/root.crt"))
    );
}

#[test]
fn prismas_parameters() {
    let settings = parse(
        "postgresql://u:p@h/d?schema=public&connection_limit=5&pgbouncer=true&pool_timeout=0&sslmode=require&sslaccept=strict",
    );
    assert_eq!(
        (settings.schema.as_deref(), settings.pooled),
        (Some("public"), true)
    );
    assert_eq!(
        (settings.tls.mode, settings.tls.roots),
        (SslMode::VerifyFull, RootCertificates::System)
    );
}

#[test]
fn bad_values_are_named() {
    assert_snapshot!(refused("postgres://u@h/d?sslmod=require", &[]), @r#"
    unknown connection parameter "sslmod"
    did you mean "sslmode"?
    "#);
    assert_snapshot!(refused("postgres://u@h/d?sslmode=verify_full", &[]), @"
    the parameter sslmode in the connection string has a value that cannot be used
    use one of disable, allow, prefer, require, verify-ca, verify-full
    ");
    assert_snapshot!(refused("postgres://u@h/d", &[("PGSSLMODE", "on")]), @"
    the parameter sslmode from the variable PGSSLMODE has a value that cannot be used
    use one of disable, allow, prefer, require, verify-ca, verify-full
    ");
    assert_snapshot!(refused("postgres://u@h/d?sslmode=verify-full", &[]), @"
    sslmode=verify-full needs root certificates, and there are none
    name a file with sslrootcert, use sslrootcert=system, or put root.crt into ~/.postgresql
    ");
    assert_snapshot!(refused("postgres://u@h/d?sslmode=require&sslrootcert=system", &[]), @"
    the parameter sslmode in the connection string has a value that cannot be used
    with sslrootcert=system use sslmode=verify-full
    ");
    assert_snapshot!(refused("postgres://u:p@ss@h/d", &[]), @"
    the connection URL holds an @ where none can be, as when a password is not percent-encoded
    in the user name and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25
    ");
    assert_snapshot!(refused("postgres://u@h:port/d", &[]), @"
    the port in the connection URL is not a number between 1 and 65535
    in the user name and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25
    ");
    assert_snapshot!(refused("postgres://u@h/d?connect_timeout=soon", &[]), @"
    the parameter connect_timeout in the connection string has a value that cannot be used
    use a whole number
    ");
    assert_snapshot!(refused("postgres://u@h/d?requirepeer=postgres", &[]), @"
    the connection parameter requirepeer is not supported
    connect over TCP with sslmode=verify-full to be sure of the server
    ");
    assert_snapshot!(refused("host=a,b,c port=1,2", &[]), @"
    the parameter port in the connection string has a value that cannot be used
    name one port, or as many as hosts
    ");
    assert_snapshot!(refused("host=a hostaddr=b", &[]), @"
    the parameter hostaddr in the connection string has a value that cannot be used
    use an IP address; host takes a name
    ");
    assert_snapshot!(refused("mysql://u@h/d", &[]), @"
    the connection URL begins with another scheme than postgresql://
    write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE
    ");
    assert_snapshot!(refused(" ", &[]), @"
    the connection URL is empty
    write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE
    ");
}

//! Parameters -> `ConnectionSettings`: libpq's defaults, lists of hosts, passwords, files below `~/.postgresql`.

use super::ProcessEnvironment;
use super::parameters::Values;
use super::password_file::{self, Wanted};
use super::settings::{
    ConnectionSettings, Endpoint, Host, Keepalives, RootCertificates, SettingsError, SslMode,
    TargetSessionAttributes, TlsSettings,
};
use secrecy::SecretString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::ChannelBinding;

/// Where servers put their socket: Debian's and Red Hat's packages, then a server built from source.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const DEFAULT_PORT: u16 = 5432;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ON_OFF: [(&str, bool); 2] = [("0", false), ("1", true)];

/// Settings from a connection string (or none), the variables and libpq's defaults.
pub(super) fn build(
    text: Option<&str>,
    environment: &ProcessEnvironment,
) -> Result<ConnectionSettings, SettingsError> {
    let values = Values::gather(text, environment)?;
    let user = values
        .text("user")
        .or(environment.user.as_deref())
        .map(str::to_owned)
        .ok_or_else(|| {
            SettingsError::new(
                "no user is given to connect as",
                "name one in the connection URL, or set PGUSER",
            )
        })?;
    let database = values.text("dbname").unwrap_or(&user).to_owned();
    if values.text("gssencmode") == Some("require") {
        return Err(values.invalid(
            "gssencmode",
            "Kerberos is not spoken; use sslmode for encryption",
        ));
    }
    let connect_timeout = match values.number("connect_timeout")? {
        None => Some(DEFAULT_CONNECT_TIMEOUT),
        Some(0) => None,
        // As libpq had it until version 16: one second is less than a slow handshake takes.
        Some(seconds) => Some(Duration::from_secs(seconds.max(2))),
    };
    let channel_bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    let endpoints = endpoints(&values, environment, &database, &user)?;
    Ok(ConnectionSettings {
        application_name: values
            .text("application_name")
            .or(values.text("fallback_application_name"))
            .map(str::to_owned),
        options: values.text("options").map(str::to_owned),
        connect_timeout,
        tls: tls(&values, environment, &endpoints)?,
        channel_binding: values
            .one_of("channel_binding", &channel_bindings)?
            .unwrap_or(ChannelBinding::Prefer),
        target: target(&values)?,
        shuffle: values
            .one_of(
                "load_balance_hosts",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or(false),
        keepalives: keepalives(&values)?,
        schema: values.text("schema").map(str::to_owned),
        pooled: values
            .one_of("pgbouncer", &[("false", false), ("true", true)])?
            .unwrap_or(false),
        endpoints,
        database,
        user,
    })
}

/// Pairs the lists of hosts, addresses and ports. A single port serves all hosts.
fn endpoints(
    values: &Values,
    environment: &ProcessEnvironment,
    database: &str,
    user: &str,
) -> Result<Vec<Endpoint>, SettingsError> {
    let list = |name: &str| {
        values
            .text(name)
            .map(|text| text.split(',').map(str::trim).collect::<Vec<_>>())
    };
    let (hosts, addresses, ports) = (
        list("host"),
        list("hostaddr"),
        list("port").unwrap_or_default(),
    );
    if let (Some(hosts), Some(addresses)) = (&hosts, &addresses)
        && hosts.len() != addresses.len()
    {
        return Err(values.invalid("hostaddr", "name as many addresses as hosts"));
    }
    let count = hosts.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    if ports.len() > 1 && ports.len() != count {
        return Err(values.invalid("port", "name one port, or as many as hosts"));
    }
    let passfile = values
        .text("passfile")
        .map(|path| environment.expand_home(path))
        .or_else(|| environment.home.as_ref().map(|home| home.join(".pgpass")));
    let mut endpoints = Vec::new();
    for index in 0..count {
        let port = match ports.get(index).or(ports.first()) {
            None | Some(&"") => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| values.invalid("port", "use a number between 1 and 65535"))?,
        };
        let address =
            match addresses.as_ref().map(|addresses| addresses[index]) {
                None | Some("") => None,
                Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
                    values.invalid("hostaddr", "use an IP address; host takes a name")
                })?),
            };
        let name = hosts.as_ref().map_or("", |hosts| hosts[index]);
        let hosts = match (name, address) {
            ("", Some(address)) => vec![Host::Tcp(address.to_string())],
            ("", None) => SOCKET_FOLDERS
                .map(|folder| Host::Unix(PathBuf::from(folder)))
                .to_vec(),
            // An abstract socket begins with '@' in libpq; tokio-postgres knows none.
            (name, _) if name.starts_with('@') => {
                return Err(values.invalid(
                    "host",
                    "abstract sockets are not supported; name the socket's folder",
                ));
            }
            (name, None) if name.starts_with('/') => vec![Host::Unix(PathBuf::from(name))],
            (name, _) => vec![Host::Tcp(name.to_owned())],
        };
        for host in hosts {
            let password = values.text("password").map(SecretString::from).or_else(|| {
                let named = host.to_string();
                let is_default = SOCKET_FOLDERS.contains(&named.as_str());
                let wanted = Wanted {
                    host: if is_default { "localhost" } else { &named },
                    port,
                    database,
                    user,
                };
                password_file::look_up(passfile.as_ref()?, &wanted)
            });
            endpoints.push(Endpoint {
                host,
                address,
                port,
                password,
            });
        }
    }
    Ok(endpoints)
}

fn tls(
    values: &Values,
    environment: &ProcessEnvironment,
    endpoints: &[Endpoint],
) -> Result<TlsSettings, SettingsError> {
    // libpq's default files count only when they are there; files that are named must be.
    let default_file = |name: &str| {
        let path = environment.home.as_ref()?.join(".postgresql").join(name);
        path.exists().then_some(path)
    };
    let file = |name: &str| values.text(name).map(|path| environment.expand_home(path));
    let roots = match values.text("sslrootcert") {
        Some("system") => RootCertificates::System,
        Some(path) => RootCertificates::File(environment.expand_home(path)),
        None => default_file("root.crt").map_or(RootCertificates::Absent, RootCertificates::File),
    };
    let given = values.one_of("sslmode", &SslMode::NAMED)?;
    // Prisma: strict also checks the certificate once TLS is required, against the system's roots when none is named.
    let strict = values.one_of(
        "sslaccept",
        &[("strict", true), ("accept_invalid_certs", false)],
    )? == Some(true)
        && given.is_some_and(|mode| mode >= SslMode::Require);
    let roots = if strict && roots == RootCertificates::Absent {
        RootCertificates::System
    } else {
        roots
    };
    let system = roots == RootCertificates::System;
    // PostgreSQL has no TLS on Unix-domain sockets; libpq ignores sslmode there.
    let sockets_alone = endpoints
        .iter()
        .all(|endpoint| matches!(endpoint.host, Host::Unix(_)));
    let mode = match given {
        _ if sockets_alone => SslMode::Disable,
        _ if strict => SslMode::VerifyFull,
        None if system => SslMode::VerifyFull,
        None => SslMode::Prefer,
        Some(mode) if system && !matches!(mode, SslMode::VerifyFull | SslMode::Disable) => {
            return Err(
                values.invalid("sslmode", "with sslrootcert=system use sslmode=verify-full")
            );
        }
        Some(mode) => mode,
    };
    if roots == RootCertificates::Absent && matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull)
    {
        return Err(SettingsError::new(
            format!("sslmode={mode} needs root certificates, and there are none"),
            "name a file with sslrootcert, use sslrootcert=system, or put root.crt into ~/.postgresql",
        ));
    }
    let certificate = file("sslcert").or_else(|| default_file("postgresql.crt"));
    let key = file("sslkey").or_else(|| default_file("postgresql.key"));
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (Some(_), None) => {
            return Err(SettingsError::new(
                "sslcert is given without sslkey",
                "name the key's file with sslkey",
            ));
        }
        (None, _) => None,
    };
    let direct = values
        .one_of("sslnegotiation", &[("postgres", false), ("direct", true)])?
        .unwrap_or(false);
    if direct && mode < SslMode::Require && !sockets_alone {
        return Err(values.invalid(
            "sslnegotiation",
            "with sslnegotiation=direct use sslmode=require or a stricter one",
        ));
    }
    let versions = [
        ("TLSv1", false),
        ("TLSv1.1", false),
        ("TLSv1.2", false),
        ("TLSv1.3", true),
    ];
    Ok(TlsSettings {
        mode,
        roots,
        revocations: file("sslcrl").or_else(|| default_file("root.crl")),
        identity,
        server_name_indication: values.one_of("sslsni", &ON_OFF)?.unwrap_or(true),
        direct,
        minimum_1_3: values
            .one_of("ssl_min_protocol_version", &versions)?
            .unwrap_or(false),
    })
}

fn target(values: &Values) -> Result<TargetSessionAttributes, SettingsError> {
    use TargetSessionAttributes::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    let names = [
        ("any", Any),
        ("read-write", ReadWrite),
        ("read-only", ReadOnly),
        ("primary", Primary),
        ("standby", Standby),
        ("prefer-standby", PreferStandby),
    ];
    Ok(values
        .one_of("target_session_attrs", &names)?
        .unwrap_or(Any))
}

fn keepalives(values: &Values) -> Result<Keepalives, SettingsError> {
    let default = Keepalives::default();
    let seconds = |name: &str, default: Duration| -> Result<Duration, SettingsError> {
        Ok(values
            .number(name)?
            .filter(|seconds| *seconds > 0)
            .map_or(default, Duration::from_secs))
    };
    let count = values
        .number("keepalives_count")?
        .filter(|count| *count > 0);
    Ok(Keepalives {
        enabled: values.one_of("keepalives", &ON_OFF)?.unwrap_or(true),
        idle: seconds("keepalives_idle", default.idle)?,
        interval: seconds("keepalives_interval", default.interval)?,
        count: count.map_or(default.count, |count| {
            u32::try_from(count).unwrap_or(u32::MAX)
        }),
        user_timeout: values
            .number("tcp_user_timeout")?
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis),
    })
}

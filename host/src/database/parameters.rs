//! The parameters that a connection string may hold, and their `PG*` variables.
//!
//! Source: PostgreSQL's `src/interfaces/libpq/fe-connect.c`, `PQconninfoOptions`, and Prisma's reference of its URLs.

use super::settings::SettingsError;
use super::{ProcessEnvironment, connection_string, nearest, service_file};
use std::collections::BTreeMap;

/// What to do with a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handling {
    /// `settings_builder` reads it.
    Used,
    /// It changes nothing here, and nothing is lost: pools, Kerberos names.
    Ignored,
    /// Ignoring it would do something else than the user asked for.
    Unsupported(&'static str),
}
use Handling::{Ignored, Unsupported, Used};

const PARAMETERS: &[(&str, Option<&str>, Handling)] = &[
    ("host", Some("PGHOST"), Used),
    ("hostaddr", Some("PGHOSTADDR"), Used),
    ("port", Some("PGPORT"), Used),
    ("dbname", Some("PGDATABASE"), Used),
    ("user", Some("PGUSER"), Used),
    ("password", Some("PGPASSWORD"), Used),
    ("passfile", Some("PGPASSFILE"), Used),
    ("service", Some("PGSERVICE"), Used),
    ("servicefile", Some("PGSERVICEFILE"), Used),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Used),
    ("application_name", Some("PGAPPNAME"), Used),
    ("fallback_application_name", None, Used),
    ("options", Some("PGOPTIONS"), Used),
    ("client_encoding", Some("PGCLIENTENCODING"), Ignored),
    ("sslmode", Some("PGSSLMODE"), Used),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Used),
    ("sslrootcert", Some("PGSSLROOTCERT"), Used),
    ("sslcert", Some("PGSSLCERT"), Used),
    ("sslkey", Some("PGSSLKEY"), Used),
    ("sslcrl", Some("PGSSLCRL"), Used),
    ("sslsni", Some("PGSSLSNI"), Used),
    (
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        Used,
    ),
    (
        "ssl_max_protocol_version",
        Some("PGSSLMAXPROTOCOLVERSION"),
        Unsupported("leave it out: TLS 1.2 and 1.3 are spoken"),
    ),
    ("channel_binding", Some("PGCHANNELBINDING"), Used),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Used),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Used),
    ("keepalives", None, Used),
    ("keepalives_idle", None, Used),
    ("keepalives_interval", None, Used),
    ("keepalives_count", None, Used),
    ("tcp_user_timeout", None, Used),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Ignored),
    ("gssencmode", Some("PGGSSENCMODE"), Used),
    ("krbsrvname", Some("PGKRBSRVNAME"), Ignored),
    ("gsslib", Some("PGGSSLIB"), Ignored),
    ("gssdelegation", Some("PGGSSDELEGATION"), Ignored),
    (
        "sslcertmode",
        Some("PGSSLCERTMODE"),
        Unsupported("give or leave out sslcert instead"),
    ),
    (
        "sslpassword",
        None,
        Unsupported("decrypt the key: openssl pkey -in KEY -out PLAIN-KEY"),
    ),
    (
        "sslcrldir",
        Some("PGSSLCRLDIR"),
        Unsupported("name one file with sslcrl instead"),
    ),
    ("sslkeylogfile", None, Unsupported("leave it out")),
    (
        "requirepeer",
        Some("PGREQUIREPEER"),
        Unsupported("connect over TCP with sslmode=verify-full to be sure of the server"),
    ),
    (
        "require_auth",
        Some("PGREQUIREAUTH"),
        Unsupported("channel_binding=require insists on SCRAM over TLS"),
    ),
    (
        "replication",
        None,
        Unsupported("leave it out: backups here are logical"),
    ),
    (
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        Unsupported("leave it out: protocol 3.0 is spoken"),
    ),
    (
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        Ignored,
    ),
    // Prisma's.
    ("schema", None, Used),
    ("pgbouncer", None, Used),
    ("sslaccept", None, Used),
    ("connection_limit", None, Ignored),
    ("pool_timeout", None, Ignored),
    ("socket_timeout", None, Ignored),
    ("statement_cache_size", None, Ignored),
    ("max_idle_connection_lifetime", None, Ignored),
    ("max_connection_lifetime", None, Ignored),
    ("single_use_connections", None, Ignored),
    (
        "sslidentity",
        None,
        Unsupported("PKCS#12 is not read; give sslcert and sslkey as PEM"),
    ),
];

/// The values of the parameters in use, after precedence: connection string, service, environment.
pub(super) struct Values {
    values: BTreeMap<String, (String, Origin)>,
}

/// Where a value is from; messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    ConnectionString,
    Service(String),
    Variable(&'static str),
}

impl Values {
    /// Gathers what the connection string, the service and the variables say.
    pub(super) fn gather(
        text: Option<&str>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, SettingsError> {
        let mut gathered = Self {
            values: BTreeMap::new(),
        };
        for (name, value) in text
            .map(connection_string::parse)
            .transpose()?
            .unwrap_or_default()
        {
            // The last one wins, as in libpq.
            gathered.values.remove(&name);
            gathered.add(&name, value, Origin::ConnectionString)?;
        }
        let variable = |name: &str| {
            let (_, variable, _) = PARAMETERS
                .iter()
                .find(|(parameter, ..)| *parameter == name)?;
            environment.variable((*variable)?)
        };
        if let Some(service) = gathered
            .text("service")
            .or(variable("service"))
            .map(str::to_owned)
        {
            let file = gathered
                .text("servicefile")
                .or(variable("servicefile"))
                .map(|path| environment.expand_home(path));
            for (name, value) in service_file::read(&service, file.as_deref(), environment)? {
                gathered.add(&name, value, Origin::Service(service.clone()))?;
            }
        }
        // A variable with an address must not lead elsewhere than to the host that the URL names.
        let host_is_given = gathered.text("host").is_some();
        for (name, variable, _) in PARAMETERS {
            let Some(variable) = variable else { continue };
            if let Some(value) = environment.variable(variable)
                && !(host_is_given && *name == "hostaddr")
            {
                gathered.add(name, value.to_owned(), Origin::Variable(variable))?;
            }
        }
        Ok(gathered)
    }

    /// The value, when there is one that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(|(value, _)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value as one of several words; the error lists them.
    pub(super) fn one_of<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, SettingsError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        let found = words
            .iter()
            .find(|(word, _)| *word == value)
            .map(|(_, meaning)| *meaning);
        let all = words
            .iter()
            .map(|(word, _)| *word)
            .collect::<Vec<_>>()
            .join(", ");
        found
            .map(Some)
            .ok_or_else(|| self.invalid(name, &format!("use one of {all}")))
    }

    /// The value as a number of seconds or probes; negative ones are zero, as in libpq.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, SettingsError> {
        let parse = |value: &str| {
            value
                .trim()
                .parse::<i64>()
                .map(|number| u64::try_from(number).unwrap_or(0))
        };
        self.text(name)
            .map(parse)
            .transpose()
            .map_err(|_| self.invalid(name, "use a whole number"))
    }

    /// An error about the value of a parameter, which is not quoted.
    pub(super) fn invalid(&self, name: &str, hint: &str) -> SettingsError {
        let origin = self
            .values
            .get(name)
            .map_or(String::new(), |(_, origin)| match origin {
                Origin::ConnectionString => " in the connection string".to_owned(),
                Origin::Service(service) => format!(" of the service {service:?}"),
                Origin::Variable(variable) => format!(" from the variable {variable}"),
            });
        SettingsError::new(
            format!("the parameter {name}{origin} has a value that cannot be used"),
            hint,
        )
    }

    /// Keeps the first value of a parameter, after checking its name.
    fn add(&mut self, name: &str, value: String, origin: Origin) -> Result<(), SettingsError> {
        let handling = PARAMETERS
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(.., handling)| *handling);
        match handling {
            None => Err(unknown(name)),
            Some(Ignored) => Ok(()),
            Some(Used) => {
                self.values
                    .entry(name.to_owned())
                    .or_insert((value, origin));
                Ok(())
            }
            Some(Unsupported(_)) if value.is_empty() => Ok(()),
            Some(Unsupported(hint)) => {
                let variable = match origin {
                    Origin::Variable(variable) => format!(" (from {variable})"),
                    _ => String::new(),
                };
                Err(SettingsError::new(
                    format!("the connection parameter {name}{variable} is not supported"),
                    hint,
                ))
            }
        }
    }
}

fn unknown(name: &str) -> SettingsError {
    let names: Vec<&str> = PARAMETERS.iter().map(|(known, ..)| *known).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("there are: {}", names.join(", ")),
    };
    SettingsError::new(format!("unknown connection parameter {name:?}"), hint)
}

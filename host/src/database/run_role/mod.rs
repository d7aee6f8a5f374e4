//! Login roles for one step each: a plugin that asks for tables connects as a role that has the rights on them, and no others.
//!
//! ```text
//! RunRoleMaker::connect ── find the tables
//!                  make ── CREATE ROLE, GRANT, compare ── log in as it
//!                             (one transaction)
//! drop_run_role ── NOLOGIN ── end its sessions ── DROP OWNED, in each database ── DROP ROLE
//! ```
//!
//! The password is made here, and the server is told its SCRAM verifier alone: whatever it logs, nobody can log in with it.

mod dropping;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use manifest::{TableName, TableRight};
use postgres_protocol::password::scram_sha_256;
use rustls::crypto::aws_lc_rs;
use secrecy::SecretString;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

pub use dropping::drop_run_role;

use super::settings::{ConnectionSettings, Endpoint};
use super::{Connection, DatabaseError, DatabaseErrorKind, connect};
use tables::{Found, Need};

/// What all roles of this kind are called.
const PREFIX: &str = "orchestrator_run_";

/// The name of a role: of which run, and which of its roles.
pub fn run_role_name(run: Uuid, number: usize) -> String {
    format!("{PREFIX}{}_{number}", hex::encode(&run.as_bytes()[8..14]))
}

/// A role that is to be made.
#[derive(Clone, Debug)]
pub struct RunRoleOrder<'a> {
    /// By [`run_role_name`].
    pub name: &'a str,
    /// Sessions that its step may have at a time.
    pub connections: usize,
    /// After this it can log in no more.
    pub lifetime: Duration,
}

/// A role that was made, and has logged in once.
#[derive(Clone, Debug)]
pub struct RunRole {
    /// The same database by way of the role.
    pub settings: ConnectionSettings,
    /// What it may do besides, because everybody may: `TEMPORARY on the database`.
    pub beyond: Vec<String>,
    /// Those of its tables whose rows are hidden from it but where a policy shows them.
    pub row_security: Vec<TableName>,
}

/// Why there is no role.
#[derive(Debug, thiserror::Error)]
pub enum RunRoleError {
    /// The database does not have the table.
    #[error("there is no table {table}")]
    NoSuchTable {
        /// As it was looked for.
        table: TableName,
        /// One that is there, and has much the same name.
        nearest: Option<String>,
    },
    /// The operator's role may not make it, or the server does not let it in.
    #[error("{0}")]
    NotAllowed(String),
    /// Anything else.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<tokio_postgres::Error> for RunRoleError {
    fn from(error: tokio_postgres::Error) -> Self {
        let error = DatabaseError::from(error);
        match error.sqlstate() {
            // insufficient_privilege; read_only_sql_transaction; feature_not_supported; invalid_grantor, invalid_grant_operation
            Some("42501" | "25006" | "0A000" | "0L000" | "0LP01") => {
                Self::NotAllowed(error.message)
            }
            _ => Self::Database(error),
        }
    }
}

/// What sorts and hashes of one session may put on the server's disk, where the operator may say so. It does not count temporary tables.
const TEMP_FILE_LIMIT_KB: i64 = 4 << 20;

/// How long others who change the rights on the same tables are made way for, and how often it is tried. No advisory lock serves: any
/// plugin could take it.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A migration that has changed one of the tables, and has not ended, is waited for.
const WAIT_FOR_LOCKS: &str = "lock_timeout = '60s'";

/// What it takes to make a role: a session of the operator's, who may make one, and tables that are there. Nothing of the role exists yet.
pub struct RunRoleMaker<'a> {
    operator: &'a ConnectionSettings,
    connection: Connection,
    maker: Maker,
    found: Found,
}

impl<'a> RunRoleMaker<'a> {
    /// Looks for the tables, each with its schema and what may be done with it.
    pub async fn connect(
        operator: &'a ConnectionSettings,
        tables: &BTreeMap<TableName, BTreeSet<TableRight>>,
    ) -> Result<Self, RunRoleError> {
        let connection = connect(operator, "orchestrator").await?;
        let found = tables::find(&connection.client, tables).await?;
        let maker = Maker::ask(&connection.client).await?;
        maker.check()?;
        Ok(Self {
            operator,
            connection,
            maker,
            found,
        })
    }

    /// Makes the role, and sweeps out those before it whose time is over. Whoever calls this drops the role again whatever comes of it, by
    /// [`drop_run_role`].
    pub async fn make(mut self, order: &RunRoleOrder<'_>) -> Result<RunRole, RunRoleError> {
        dropping::sweep(self.operator, &self.connection.client).await;
        let password = password()?;
        let verifier = scram_sha_256(password.as_bytes());
        let give_up = Instant::now() + PATIENCE;
        let beyond = loop {
            match self.create(order, &verifier).await {
                Err(RunRoleError::Database(error))
                    if is_overtaken(&error) && Instant::now() < give_up =>
                {
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                made => break made?,
            }
        };
        let settings = as_role(self.operator, order.name, password);
        match connect(&settings, "orchestrator").await {
            Ok(_) => Ok(RunRole {
                settings,
                beyond,
                row_security: self.found.row_security(),
            }),
            Err(error) if is_transient(&error) => Err(error.into()),
            Err(error) => Err(RunRoleError::NotAllowed(format!(
                "the server does not let it in: {}",
                error.message
            ))),
        }
    }

    /// One transaction: a role that lacks any right is none. What it may do besides.
    async fn create(
        &mut self,
        order: &RunRoleOrder<'_>,
        verifier: &str,
    ) -> Result<Vec<String>, RunRoleError> {
        let maker = &self.maker;
        let transaction = self.connection.client.transaction().await?;
        transaction
            .batch_execute(&format!("SET LOCAL {WAIT_FOR_LOCKS}"))
            .await?;
        let expiry = transaction
        .query_one(
            "SELECT pg_catalog.to_char((pg_catalog.now() + pg_catalog.make_interval(secs => $1)) AT TIME ZONE 'UTC', \
             'YYYY-MM-DD HH24:MI:SS') || '+00'",
            &[&order.lifetime.as_secs_f64().min(LONGEST_LIFETIME_SECONDS)],
        )
        .await?
        .try_get::<_, String>(0)?;
        let role = quoted(order.name);
        // The server counts sessions that are just ending, and this program counts for itself.
        let sessions = order.connections.saturating_mul(2).min(10_000);
        transaction
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT \
             CONNECTION LIMIT {sessions} PASSWORD '{verifier}' VALID UNTIL '{expiry}'"
        ))
        .await?;
        if let Some(membership) = maker.membership(&role) {
            transaction.batch_execute(&membership).await?;
        }
        let needs = self.found.needs(&transaction).await?;
        for grant in tables::grants(&lacking(&transaction, order.name, &needs).await?, &role) {
            transaction.batch_execute(&grant).await?;
        }
        // Who may grant some rights on a table and not others gets a warning alone.
        if let Some(need) = lacking(&transaction, order.name, &needs).await?.first() {
            return not_allowed(format!("the role {} may not grant {need}", maker.name));
        }
        if maker.is_superuser {
            limit_temporary_files(&transaction, &role).await?;
        }
        let beyond = tables::beyond(&transaction, order.name, &needs).await?;
        transaction.commit().await?;
        Ok(beyond)
    }
}

/// Whether the session's role may make such roles, as far as that can be told without making one: the tables have owners, too.
pub async fn may_make_run_roles(client: &Client) -> Result<(), RunRoleError> {
    Maker::ask(client).await?.check()
}

/// Two who grant on one table at the same time: the second one fails (tuple concurrently updated, which is an internal_error to PostgreSQL),
/// or both wait for each other (deadlock_detected).
fn is_overtaken(error: &DatabaseError) -> bool {
    matches!(error.sqlstate(), Some("XX000" | "40P01"))
}

fn is_transient(error: &DatabaseError) -> bool {
    matches!(
        error.kind,
        DatabaseErrorKind::Unreachable
            | DatabaseErrorKind::Timeout
            | DatabaseErrorKind::TooManyConnections
    )
}

/// The role that the binding's URL names, which makes the other one.
struct Maker {
    name: String,
    version: u32,
    is_superuser: bool,
    may_create: bool,
    inherits: bool,
    in_recovery: bool,
}

impl Maker {
    async fn ask(client: &Client) -> Result<Self, RunRoleError> {
        const QUESTION: &str = "SELECT rolname::text, rolsuper, rolcreaterole, rolinherit, pg_catalog.pg_is_in_recovery(), \
             pg_catalog.current_setting('server_version_num')::int4 FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let row = client.query_one(QUESTION, &[]).await?;
        Ok(Self {
            name: row.try_get(0)?,
            is_superuser: row.try_get(1)?,
            may_create: row.try_get(2)?,
            inherits: row.try_get(3)?,
            in_recovery: row.try_get(4)?,
            version: row.try_get::<_, i32>(5)?.unsigned_abs(),
        })
    }

    fn check(&self) -> Result<(), RunRoleError> {
        let name = &self.name;
        if self.in_recovery {
            return not_allowed("the server is a standby".to_owned());
        }
        if !self.is_superuser && !self.may_create {
            return not_allowed(format!("the role {name} may not create roles (CREATEROLE)"));
        }
        // Before 16 nobody else could drop what the new role may leave behind.
        if !self.is_superuser && !self.inherits && self.version < 160_000 {
            return not_allowed(format!(
                "the role {name} has no use of roles that it is a member of (NOINHERIT)"
            ));
        }
        Ok(())
    }

    /// Makes the operator's role a member of the new one, so that it may end its sessions and drop what it owns.
    fn membership(&self, role: &str) -> Option<String> {
        let with = if self.version >= 160_000 {
            " WITH INHERIT TRUE"
        } else {
            ""
        };
        (!self.is_superuser).then(|| format!("GRANT {role} TO CURRENT_USER{with}"))
    }
}

fn not_allowed<T>(reason: String) -> Result<T, RunRoleError> {
    Err(RunRoleError::NotAllowed(reason))
}

/// Ten years: beyond it are times that PostgreSQL does not know.
const LONGEST_LIFETIME_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;

/// The rights among them that the role does not have.
async fn lacking<'a>(
    transaction: &Transaction<'_>,
    role: &str,
    needs: &'a [Need],
) -> Result<Vec<&'a Need>, RunRoleError> {
    let has = tables::has(transaction, role, needs).await?;
    let pairs = needs.iter().zip(has);
    Ok(pairs
        .filter_map(|(need, has)| (!has).then_some(need))
        .collect())
}

/// A server that allows less keeps its own limit.
async fn limit_temporary_files(
    transaction: &Transaction<'_>,
    role: &str,
) -> Result<(), RunRoleError> {
    let row = transaction
        .query_one(
            "SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'temp_file_limit'",
            &[],
        )
        .await?;
    let now: i64 = row.try_get(0)?;
    if !(0..=TEMP_FILE_LIMIT_KB).contains(&now) {
        transaction
            .batch_execute(&format!(
                "ALTER ROLE {role} SET temp_file_limit = {TEMP_FILE_LIMIT_KB}"
            ))
            .await?;
    }
    Ok(())
}

/// 24 bytes that nobody guesses, as hexadecimal digits: no character of theirs means anything to anybody.
fn password() -> Result<String, RunRoleError> {
    let mut random = [0; 24];
    let filled = aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random);
    match filled {
        Ok(()) => Ok(hex::encode(random)),
        Err(_) => not_allowed("this machine gives no random numbers".to_owned()),
    }
}

/// The same way to the same database, as another role.
fn as_role(operator: &ConnectionSettings, role: &str, password: String) -> ConnectionSettings {
    let password = SecretString::from(password);
    let endpoints = operator.endpoints.iter().map(|endpoint| Endpoint {
        password: Some(password.clone()),
        ..endpoint.clone()
    });
    ConnectionSettings {
        user: role.to_owned(),
        endpoints: endpoints.collect(),
        ..operator.clone()
    }
}

/// An identifier, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_run_and_differ() {
        let run = Uuid::now_v7();
        let first = run_role_name(run, 1);
        assert!(
            first.starts_with(PREFIX) && first.len() == PREFIX.len() + 14,
            "{first}"
        );
        assert_ne!(first, run_role_name(run, 2));
        assert_ne!(first, run_role_name(Uuid::now_v7(), 1));
    }

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert!(one.len() == 48 && one.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(one, other);
        let verifier = scram_sha_256(one.as_bytes());
        assert!(
            verifier.starts_with("SCRAM-SHA-256$4096:") && !verifier.contains('\''),
            "{verifier}"
        );
        assert!(!verifier.contains(&one));
    }

    #[test]
    fn what_a_role_reaches_shows_no_password() {
        let operator = ConnectionSettings::parse(
            "postgres://owner:hunter2@a,b/app?schema=shop&sslmode=require",
            &crate::database::ProcessEnvironment::of([]),
        )
        .unwrap();
        let settings = as_role(&operator, "orchestrator_run_1", "geheim".to_owned());
        assert_eq!(
            settings.redacted(),
            "postgresql://orchestrator_run_1@a:5432,b:5432/app?sslmode=require&schema=shop"
        );
        let debug = format!("{settings:?}");
        assert!(
            !debug.contains("geheim") && !debug.contains("hunter2"),
            "{debug}"
        );
    }

    #[test]
    fn only_a_role_that_can_clean_up_makes_one() {
        let maker = Maker {
            name: "app".to_owned(),
            version: 150_000,
            is_superuser: false,
            may_create: true,
            inherits: true,
            in_recovery: false,
        };
        assert!(maker.check().is_ok());
        assert_eq!(
            maker.membership("\"r\"").as_deref(),
            Some("GRANT \"r\" TO CURRENT_USER")
        );
        let refusal = |maker: Maker| maker.check().unwrap_err().to_string();
        let inherits_nothing = Maker {
            inherits: false,
            name: "app".to_owned(),
            ..maker
        };
        assert!(refusal(inherits_nothing).contains("NOINHERIT"));
        let newer = Maker {
            version: 160_000,
            inherits: false,
            name: "app".to_owned(),
            ..maker
        };
        assert!(newer.check().is_ok());
        assert_eq!(
            newer.membership("\"r\"").as_deref(),
            Some("GRANT \"r\" TO CURRENT_USER WITH INHERIT TRUE")
        );
        let plain = Maker {
            may_create: false,
            name: "app".to_owned(),
            ..maker
        };
        assert!(refusal(plain).contains("the role app may not create roles (CREATEROLE)"));
        let standby = Maker {
            is_superuser: true,
            in_recovery: true,
            ..maker
        };
        assert!(standby.membership("\"r\"").is_none());
        assert!(refusal(standby).contains("standby"));
    }
}

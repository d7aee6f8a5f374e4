//! The server itself.

use history::Session;
use orchestrator_sdk::Error;

use crate::check::Check;

/// What this program knows; `server_version_num / 10000`.
const OLDEST: i32 = 13;
const NEWEST: i32 = 18;

/// Transactions that a database may be old: `autovacuum` begins at 200 million, and the server refuses to go on at 2 billion.
const AGE_WARN: i64 = 1_000_000_000;
const AGE_FAIL: i64 = 1_900_000_000;

/// Its version, role, room and age.
pub fn checks(session: &impl Session) -> Result<Vec<Check>, Error> {
    let row = session.query_one(
        "SELECT pg_catalog.current_setting('server_version_num')::integer / 10000 AS major, pg_catalog.current_setting('server_version') AS version, \
         pg_catalog.current_database()::text AS database, pg_catalog.pg_is_in_recovery() AS in_recovery, \
         pg_catalog.current_setting('default_transaction_read_only')::boolean AS read_only, \
         pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(pg_catalog.current_database())) AS size, \
         pg_catalog.current_setting('max_connections')::bigint AS most, \
         (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS connections, \
         (SELECT pg_catalog.age(d.datfrozenxid)::bigint FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AS age",
        &[],
    )?;
    let mut checks = Vec::new();
    let database: &str = row.get("database")?;
    let version: &str = row.get("version")?;
    let major: i32 = row.get("major")?;
    checks.push(Check::ok(
        "connection",
        format!("to the database {database}"),
    ));
    let name = "server version";
    checks.push(match major {
        OLDEST..=NEWEST => Check::ok(name, version),
        _ => Check::warn(
            name,
            version,
            format!("this program is tested with PostgreSQL {OLDEST} to {NEWEST}"),
        ),
    });
    let name = "role";
    checks.push(if row.get("in_recovery")? {
        Check::fail(
            name,
            "a standby, which takes no changes",
            "point the database's URL to the primary server",
        )
    } else if row.get("read_only")? {
        Check::fail(
            name,
            "default_transaction_read_only is on",
            "turn it off for this role: ALTER ROLE … SET default_transaction_read_only = off",
        )
    } else {
        Check::ok(name, "a primary server")
    });
    let size: &str = row.get("size")?;
    checks.push(Check::ok(
        "space",
        format!("the database has {size}; what rewrites a table needs the table's size again for a while"),
    ));
    let (connections, most): (i64, i64) = (row.get("connections")?, row.get("most")?);
    let name = "connections";
    let found = format!("{connections} of {most} in use");
    checks.push(match connections + 5 >= most {
        false => Check::ok(name, found),
        true => Check::warn(
            name,
            found,
            "close some: a backup and a migration need a few of their own",
        ),
    });
    let age: i64 = row.get("age")?;
    let name = "transaction age";
    let found = format!("{} million transactions", age / 1_000_000);
    let advice = "VACUUM the database first: it comes near to the end of its transaction numbers";
    checks.push(match age {
        AGE_FAIL.. => Check::fail(name, found, advice),
        AGE_WARN.. => Check::warn(name, found, advice),
        _ => Check::ok(name, found),
    });
    checks.push(marker(session)?);
    Ok(checks)
}

/// The environment that the database says it belongs to.
fn marker(session: &impl Session) -> Result<Check, Error> {
    let name = "environment marker";
    let there = session.query_one(
        "SELECT pg_catalog.to_regclass('orchestrator.environment') IS NOT NULL AS there",
        &[],
    )?;
    if !there.get("there")? {
        return Ok(Check::ok(
            name,
            "none; `orchestrator mark production` keeps a wrong URL from doing harm",
        ));
    }
    // A program of another release may have made the table; as JSON its columns can be asked for whether they are there or not.
    let row = session
        .query(
            "SELECT e.name, (pg_catalog.to_jsonb(e)->>'system_identifier') AS server, \
             pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may FROM orchestrator.environment e",
            &[],
        )?
        .first()?;
    let Some(row) = row else {
        return Ok(Check::ok(name, "none"));
    };
    let environment: &str = row.get("name")?;
    let marked: Option<&str> = row.get("server")?;
    let here: Option<String> = match row.get("may")? {
        true => Some(
            session
                .query_one(
                    "SELECT system_identifier::text AS server FROM pg_catalog.pg_control_system()",
                    &[],
                )?
                .get("server")?,
        ),
        false => None,
    };
    let is_elsewhere = marked
        .zip(here.as_deref())
        .is_some_and(|(marked, here)| marked != here);
    Ok(match is_elsewhere {
        false => Check::ok(name, environment),
        true => Check::warn(
            name,
            format!("{environment}, of another server: it does not count here"),
            format!(
                "a copy has it from its original, and pg_upgrade makes another server of one: where this is the {environment} database, \
                 `orchestrator mark {environment}` again"
            ),
        ),
    })
}

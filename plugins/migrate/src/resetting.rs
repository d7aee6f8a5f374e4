//! Empties a database, and applies all migrations to it. The host allows it for local databases alone.

use history::{folder, lock, session};
use orchestrator_sdk::postgres::{
    Connection, Isolation, Transaction, TransactionOptions, quote_identifier,
};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::{Parameters, deploying};

/// Drops every schema but the server's and this program's, makes the session's again, and deploys.
pub fn reset(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    // What cannot be read cannot be applied: nothing is dropped for it.
    folder::read(&parameters.folder)?;
    let connection = session::connect(&parameters.database)?;
    lock::take(&connection, parameters.lock_wait)?;
    let schemas = connection
        .query(
            "SELECT n.nspname::text AS name FROM pg_catalog.pg_namespace n WHERE n.nspname NOT IN ('information_schema', 'orchestrator') \
             AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
             WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e') ORDER BY 1",
            &[],
        )?
        .map(|row| row.get::<String>("name"))?;
    if dry_run {
        return Ok(json!({ "would_drop_schemas": schemas }));
    }
    run::phase("dropping");
    drop_all(&connection, &schemas)?;
    // The lock goes with the session: the deployment takes its own.
    drop(connection);
    let mut result = deploying::deploy(parameters, false)?;
    if let Value::Object(result) = &mut result {
        result.insert("dropped_schemas".to_owned(), json!(schemas));
    }
    Ok(result)
}

fn drop_all(connection: &Connection, schemas: &[String]) -> Result<(), Error> {
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        snapshot: None,
    })?;
    let home = transaction
        .query(
            "SELECT n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner, \
             (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(pg_catalog.format('GRANT %s ON SCHEMA %I TO %s', a.privilege_type, n.nspname, \
             CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)), E'\\n') \
             FROM pg_catalog.aclexplode(n.nspacl) a) AS grants \
             FROM pg_catalog.pg_namespace n WHERE n.nspname = pg_catalog.current_schema()",
            &[],
        )?
        .first()?;
    for schema in schemas {
        transaction.execute(
            &format!("DROP SCHEMA {} CASCADE", quote_identifier(schema)),
            &[],
        )?;
    }
    if let Some(row) = home {
        let name = quote_identifier(row.get("name")?);
        let owner = quote_identifier(row.get("owner")?);
        transaction.execute(&format!("CREATE SCHEMA {name} AUTHORIZATION {owner}"), &[])?;
        let grants: Option<&str> = row.get("grants")?;
        for grant in grants.unwrap_or_default().lines() {
            transaction.execute(grant, &[])?;
        }
    }
    // What earlier migrations have left of themselves means nothing any more.
    transaction.execute("DROP TABLE IF EXISTS orchestrator.migration_progress", &[])?;
    Transaction::commit(transaction)
}

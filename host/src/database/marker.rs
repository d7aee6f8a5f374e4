//! What a database says of itself: the environment that it belongs to, as the plugin `mark` has written it.

use tokio_postgres::Client;

use super::DatabaseError;

/// The environment's name; `None` where there is no marker, or where it came along with a copy from another server.
pub async fn environment_marker(client: &Client) -> Result<Option<String>, DatabaseError> {
    let failed = |error: tokio_postgres::Error| {
        DatabaseError::from(error).while_doing("reading the marker orchestrator.environment")
    };
    let row = client
        .query_one(
            "SELECT pg_catalog.to_regclass('orchestrator.environment') IS NOT NULL, \
             pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')",
            &[],
        )
        .await
        .map_err(failed)?;
    let (is_there, knows_server): (bool, bool) = (row.get(0), row.get(1));
    if !is_there {
        return Ok(None);
    }
    let here = match knows_server {
        true => {
            " WHERE system_identifier IS NULL \
             OR system_identifier = (SELECT c.system_identifier FROM pg_catalog.pg_control_system() c)"
        }
        false => "",
    };
    let row = client
        .query_opt(
            &format!("SELECT name FROM orchestrator.environment{here}"),
            &[],
        )
        .await
        .map_err(failed)?;
    Ok(row.map(|row| row.get(0)))
}

//! Names of roles. Roles themselves belong to the cluster, not to a database.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::Name;

/// Whether the session may read what others may not: passwords of subscriptions and user mappings.
pub fn is_superuser(reader: &mut Reader<'_>) -> Result<bool, Error> {
    let mut is_superuser = false;
    let columns = ["current_setting('is_superuser')"];
    reader.rows("the session's role", &columns, "", |row| {
        is_superuser = row.text()? == "on";
        Ok(())
    })?;
    Ok(is_superuser)
}

pub fn read(reader: &mut Reader<'_>) -> Result<HashMap<u32, Name>, Error> {
    let mut roles = HashMap::new();
    reader.rows("roles", &["oid", "rolname"], "FROM pg_roles", |row| {
        roles.insert(row.oid()?, row.text()?.into());
        Ok(())
    })?;
    Ok(roles)
}

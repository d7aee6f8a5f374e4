//! Names of roles. Roles themselves belong to the cluster, not to a database.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::Name;

pub fn read(reader: &mut Reader<'_>) -> Result<HashMap<u32, Name>, Error> {
    let mut roles = HashMap::new();
    reader.rows("roles", &["oid", "rolname"], "FROM pg_roles", |row| {
        roles.insert(row.oid()?, row.text()?.into());
        Ok(())
    })?;
    Ok(roles)
}

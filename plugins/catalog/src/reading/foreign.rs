//! Foreign-data wrappers, servers, and who logs in to them.

use std::collections::HashMap;

use super::rows::Reader;
use super::sql::{options, regproc};
use crate::error::Error;
use crate::model::{ForeignDataWrapper, ForeignServer, UserMapping, class};
use crate::selection::Selection;

pub fn wrappers(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<ForeignDataWrapper>, Error> {
    let mut wrappers = Vec::new();
    let [handler, validator] = ["fdwhandler", "fdwvalidator"].map(regproc);
    let options = options("fdwoptions");
    reader.rows(
        "foreign-data wrappers",
        &[
            "oid",
            "fdwname",
            "NULL",
            "fdwowner",
            "fdwacl",
            "acldefault('F', fdwowner)",
            &handler,
            &validator,
            &options,
        ],
        "FROM pg_foreign_data_wrapper ORDER BY oid",
        |row| {
            wrappers.push(ForeignDataWrapper {
                header: row.header(class::FOREIGN_DATA_WRAPPER, selection)?,
                access: row.access()?,
                handler: row.optional()?,
                validator: row.optional()?,
                options: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(wrappers)
}

pub fn servers(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<ForeignServer>, Error> {
    let mut mappings = mappings(reader)?;
    let mut servers = Vec::new();
    let options = options("s.srvoptions");
    reader.rows(
        "servers",
        &[
            "s.oid",
            "s.srvname",
            "NULL",
            "s.srvowner",
            "s.srvacl",
            "acldefault('S', s.srvowner)",
            "w.fdwname",
            "nullif(s.srvtype, '')",
            "nullif(s.srvversion, '')",
            &options,
        ],
        "FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw ORDER BY s.oid",
        |row| {
            let header = row.header(class::FOREIGN_SERVER, selection)?;
            servers.push(ForeignServer {
                mappings: mappings.remove(&header.id.oid).unwrap_or_default(),
                header,
                access: row.access()?,
                wrapper: row.text()?,
                kind: row.optional()?,
                version: row.optional()?,
                options: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(servers)
}

/// By server. The catalog itself is for superusers alone; the view shows options to those who may use them, and a mapping whose
/// options cannot be seen is an error: it would come back as one without a password.
fn mappings(reader: &mut Reader<'_>) -> Result<HashMap<u32, Vec<UserMapping>>, Error> {
    let mut mappings: HashMap<u32, Vec<UserMapping>> = HashMap::new();
    let options = options("umoptions");
    reader.rows(
        "user mappings",
        &["srvid", "usename", &options],
        "FROM pg_user_mappings ORDER BY srvid, usename",
        |row| {
            mappings.entry(row.oid()?).or_default().push(UserMapping {
                user: row.text()?,
                options: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(mappings)
}

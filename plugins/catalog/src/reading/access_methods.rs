//! Access methods.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{AccessMethod, class};
use crate::selection::Selection;

pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<AccessMethod>, Error> {
    let mut methods = Vec::new();
    reader.rows(
        "access methods",
        &["oid", "amname", "NULL", "NULL", "amtype", "amhandler"],
        "FROM pg_am WHERE oid >= 16384 ORDER BY oid",
        |row| {
            methods.push(AccessMethod {
                header: row.header(class::ACCESS_METHOD, selection)?,
                kind: row.letter()?,
                handler: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(methods)
}

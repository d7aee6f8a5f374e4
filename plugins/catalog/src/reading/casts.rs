//! Casts between types.

use super::rows::Reader;
use super::sql::signature;
use crate::error::Error;
use crate::model::{Cast, class};
use crate::selection::Selection;

pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Cast>, Error> {
    let mut casts = Vec::new();
    let function = signature("c.castfunc");
    // The cast from a range type to its multirange comes with them (14).
    let not_automatic = reader.version.since(
        14,
        "AND NOT EXISTS (SELECT FROM pg_range r WHERE r.rngtypid = c.castsource AND r.rngmultitypid = c.casttarget)",
        "",
    );
    reader.rows(
        "casts",
        &[
            "c.oid",
            "s.typname || ' ' || t.typname",
            "NULL",
            "NULL",
            "format_type(c.castsource, NULL)",
            "format_type(c.casttarget, NULL)",
            "c.castmethod",
            "c.castcontext",
            &function,
        ],
        &format!(
            "FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget \
             WHERE c.oid >= 16384 {not_automatic} ORDER BY c.oid"
        ),
        |row| {
            casts.push(Cast {
                header: row.header(class::CAST, selection)?,
                source: row.text()?,
                target: row.text()?,
                method: row.letter()?,
                context: row.letter()?,
                function: row.optional()?,
            });
            Ok(())
        },
    )?;
    Ok(casts)
}

//! Collations.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Collation, class};
use crate::selection::Selection;

pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Collation>, Error> {
    let version = reader.version;
    let mut collations = Vec::new();
    reader.rows(
        "collations",
        &[
            "oid",
            "collname",
            "collnamespace",
            "collowner",
            "collprovider",
            "collisdeterministic",
            // ICU's locale got a column of its own in 15, which other providers share since 17.
            version.since(
                17,
                "colllocale",
                version.since(
                    15,
                    "colliculocale",
                    "CASE WHEN collprovider = 'i' THEN collcollate::text END",
                ),
            ),
            // New in 16.
            version.since(16, "collicurules", "NULL"),
            "nullif(collcollate, '')",
            "nullif(collctype, '')",
            "collencoding",
        ],
        "FROM pg_collation WHERE oid >= 16384 ORDER BY oid",
        |row| {
            collations.push(Collation {
                header: row.header(class::COLLATION, selection)?,
                provider: row.letter()?,
                deterministic: row.flag()?,
                locale: row.optional()?,
                rules: row.optional()?,
                collate: row.optional()?,
                ctype: row.optional()?,
                encoding: row.number()?,
            });
            Ok(())
        },
    )?;
    Ok(collations)
}

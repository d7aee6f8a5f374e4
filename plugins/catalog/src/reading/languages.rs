//! Procedural languages, and how they see types.

use super::rows::Reader;
use super::sql::{function, signature};
use crate::error::Error;
use crate::model::{Language, Transform, class};
use crate::selection::Selection;

/// Also those of the server and of extensions: their privileges can change.
pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Language>, Error> {
    let mut languages = Vec::new();
    let [handler, inline, validator] = ["lanplcallfoid", "laninline", "lanvalidator"].map(function);
    reader.rows(
        "languages",
        &[
            "oid",
            "lanname",
            "NULL",
            "lanowner",
            "lanpltrusted",
            "lanacl",
            "acldefault('l', lanowner)",
            &handler,
            &inline,
            &validator,
        ],
        "FROM pg_language WHERE lanispl ORDER BY oid",
        |row| {
            languages.push(Language {
                header: row.header(class::LANGUAGE, selection)?,
                trusted: row.flag()?,
                access: row.access()?,
                handler: row.optional()?,
                inline: row.optional()?,
                validator: row.optional()?,
            });
            Ok(())
        },
    )?;
    Ok(languages)
}

pub fn transforms(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Transform>, Error> {
    let mut transforms = Vec::new();
    let [from_sql, to_sql] = ["r.trffromsql", "r.trftosql"].map(signature);
    reader.rows(
        "transforms",
        &[
            "r.oid",
            "t.typname || ' ' || quote_ident(l.lanname)",
            "NULL",
            "NULL",
            "format_type(r.trftype, NULL)",
            "quote_ident(l.lanname)",
            &from_sql,
            &to_sql,
        ],
        "FROM pg_transform r JOIN pg_type t ON t.oid = r.trftype JOIN pg_language l ON l.oid = r.trflang \
         WHERE r.oid >= 16384 ORDER BY r.oid",
        |row| {
            transforms.push(Transform {
                header: row.header(class::TRANSFORM, selection)?,
                type_name: row.text()?,
                language: row.text()?,
                from_sql: row.optional()?,
                to_sql: row.optional()?,
            });
            Ok(())
        },
    )?;
    Ok(transforms)
}

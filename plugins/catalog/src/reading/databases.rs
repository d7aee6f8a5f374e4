//! The database and its settings.

use super::rows::Reader;
use crate::error::Error;
use crate::model::Database;

pub fn read(reader: &mut Reader<'_>) -> Result<Database, Error> {
    let version = reader.version;
    let mut found = None;
    reader.rows(
        "the database",
        &[
            "oid",
            "datname",
            "datdba",
            "datacl",
            "acldefault('d', datdba)",
            "pg_encoding_to_char(encoding)",
            "datcollate",
            "datctype",
            // Locale providers came with 15; their locale was renamed in 17.
            version.since(15, "datlocprovider", "'c'"),
            version.since(17, "datlocale", version.since(15, "daticulocale", "NULL")),
            version.since(16, "daticurules", "NULL"),
            "(SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace)",
            "datistemplate",
            "datconnlimit",
            "shobj_description(oid, 'pg_database')",
        ],
        "FROM pg_database WHERE datname = current_database()",
        |row| {
            found = Some(Database {
                oid: row.oid()?,
                name: row.text()?,
                owner: row.role()?,
                access: row.access()?,
                encoding: row.text()?,
                collate: row.text()?,
                ctype: row.text()?,
                locale_provider: row.letter()?,
                locale: row.optional()?,
                icu_rules: row.optional()?,
                tablespace: row.text()?,
                is_template: row.flag()?,
                connection_limit: row.number()?,
                comment: row.optional()?.filter(|comment| !comment.is_empty()),
                settings: Vec::new(),
            });
            Ok(())
        },
    )?;
    let mut database =
        found.ok_or_else(|| Error::unexpected("the database", "no row for the session's own"))?;
    let settings = &mut database.settings;
    reader.rows(
        "settings of the database",
        &["r.rolname", "unnest(s.setconfig)"],
        "FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole \
         WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (s.setrole = 0 OR r.oid IS NOT NULL) ORDER BY s.setrole <> 0, r.rolname",
        |row| {
            settings.push((row.optional()?, row.text()?));
            Ok(())
        },
    )?;
    Ok(database)
}

//! Refuses what a dump does not cover: a class that is not covered fails it and names its objects, so nothing is ever left
//! out silently.

use super::classes::{CLASSES, Class, Covered};
use super::rows::Reader;
use crate::error::{Error, UncoveredObject};

impl Class {
    /// A SELECT of its class and the names of the users' objects that fulfil another condition, too.
    fn query(&self, also: &str) -> String {
        let Self {
            name,
            catalog,
            object,
            schema,
            condition,
            ..
        } = self;
        let mut sql = format!("SELECT '{name}', ({object})::text FROM {catalog} o");
        if !schema.is_empty() {
            sql.push_str(&format!(" JOIN pg_namespace n ON n.oid = o.{schema}"));
        }
        // Rows of these catalogs have no OID of their own, or one that the user chose or may not see (of subscriptions,
        // before 14), and belong to no extension.
        let unnumbered = [
            "pg_seclabel",
            "pg_shseclabel",
            "pg_user_mappings",
            "pg_largeobject_metadata",
            "pg_subscription",
        ];
        if unnumbered.contains(catalog) {
            sql.push_str(" WHERE true");
        } else {
            sql.push_str(&format!(
                " WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '{catalog}'::regclass \
                 AND x.objid = o.oid AND x.deptype = 'e')"
            ));
        }
        if !schema.is_empty() {
            sql.push_str(" AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'");
        }
        for condition in [*condition, also]
            .iter()
            .filter(|condition| !condition.is_empty())
        {
            sql.push_str(&format!(" AND ({condition})"));
        }
        sql
    }
}

/// Fails with every object of a class that is not covered, or that `refused` names.
pub fn check(reader: &mut Reader<'_>, refused: &[String]) -> Result<(), Error> {
    let is_superuser = reader.is_superuser;
    let listed = |class: &Class| match class.covered {
        _ if refused.iter().any(|name| name == class.name) => Some(class.query("")),
        Covered::No => Some(class.query("")),
        Covered::ExceptHidden(hidden) if !is_superuser => Some(class.query(hidden)),
        Covered::ExceptHidden(_) | Covered::Yes => None,
    };
    let parts: Vec<String> = CLASSES.iter().filter_map(listed).collect();
    let from = format!(
        "FROM ({}) AS u(class, name) ORDER BY 1, 2",
        parts.join(" UNION ALL ")
    );
    let mut objects = Vec::new();
    reader.rows(
        "objects that are not covered",
        &["class", "name"],
        &from,
        |row| {
            objects.push(UncoveredObject {
                class: row.text()?,
                name: row.text()?,
            });
            Ok(())
        },
    )?;
    if objects.is_empty() {
        Ok(())
    } else {
        Err(Error::Uncovered { objects })
    }
}

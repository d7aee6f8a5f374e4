//! Extensions, what belongs to them, and their configuration tables, whose rows are the user's.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{CatalogId, Extension, Relation, RelationKind};
use crate::selection::{self, Components, Filters};

pub fn read(reader: &mut Reader<'_>, filters: &Filters) -> Result<Vec<Extension>, Error> {
    let mut extensions = Vec::new();
    reader.rows(
        "extensions",
        &[
            "x.oid",
            "x.extname",
            "n.nspname",
            "x.extversion",
            "x.extconfig",
            "x.extcondition",
        ],
        "FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace ORDER BY x.oid",
        |row| {
            let oid = row.oid()?;
            let (name, schema, version) = (row.text()?, row.text()?.into(), row.text()?);
            let tables = row.list()?;
            let conditions = row.list()?;
            if tables.len() != conditions.len() {
                return Err(row.unexpected(format!(
                    "numbers of configuration tables and conditions of {name}"
                )));
            }
            let tables = tables
                .iter()
                .map(|table| table.parse())
                .collect::<Result<Vec<u32>, _>>();
            let tables =
                tables.map_err(|_| row.unexpected(format!("configuration tables of {name}")))?;
            let configuration = tables.into_iter().zip(conditions).collect();
            extensions.push(Extension {
                oid,
                name,
                schema,
                version,
                configuration,
                dump: selection::extension(oid, filters),
            });
            Ok(())
        },
    )?;
    Ok(extensions)
}

pub fn members(reader: &mut Reader<'_>) -> Result<Vec<(CatalogId, u32)>, Error> {
    let mut members = Vec::new();
    reader.rows(
        "members of extensions",
        &["classid", "objid", "refobjid"],
        "FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' ORDER BY refobjid, classid, objid",
        |row| {
            members.push((CatalogId::new(row.oid()?, row.oid()?), row.oid()?));
            Ok(())
        },
    )?;
    Ok(members)
}

/// Marks the tables whose rows are dumped although their definition comes with the extension.
pub fn mark_configuration_tables(extensions: &[Extension], relations: &mut [Relation]) {
    let dumped = extensions
        .iter()
        .filter(|extension| extension.dump.has(Components::DEFINITION));
    for (table, condition) in dumped.flat_map(|extension| &extension.configuration) {
        let Ok(at) = relations.binary_search_by_key(table, |relation| relation.oid) else {
            continue;
        };
        let relation = &mut relations[at];
        if matches!(
            relation.kind,
            RelationKind::Table | RelationKind::Sequence | RelationKind::MaterializedView
        ) {
            relation.data = Some(condition.clone());
            relation.is_interesting = true;
        }
    }
}

/// Foreign keys to extensions' tables exist before their rows are restored, so the rows need an order.
pub fn foreign_keys(reader: &mut Reader<'_>) -> Result<Vec<(u32, u32)>, Error> {
    let mut keys = Vec::new();
    reader.rows(
        "foreign keys between configuration tables",
        &["conrelid", "confrelid"],
        "FROM pg_constraint JOIN pg_depend ON objid = confrelid \
         WHERE contype = 'f' AND refclassid = 'pg_extension'::regclass AND classid = 'pg_class'::regclass ORDER BY 1, 2",
        |row| {
            keys.push((row.oid()?, row.oid()?));
            Ok(())
        },
    )?;
    Ok(keys)
}

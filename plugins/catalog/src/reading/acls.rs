//! Privileges that stand outside their object's row: of columns, default and initial ones.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Access, CatalogId, ColumnAccess, DefaultAccess, Namespace, Relation};
use crate::selection::Components;

/// ACLs of columns, also of system columns.
pub fn columns(reader: &mut Reader<'_>, relations: &mut [Relation]) -> Result<(), Error> {
    reader.rows(
        "privileges on columns",
        &["a.attrelid", "a.attname", "a.attacl", "p.initprivs"],
        "FROM pg_attribute a LEFT JOIN pg_init_privs p \
         ON p.classoid = 'pg_class'::regclass AND p.objoid = a.attrelid AND p.objsubid = a.attnum \
         WHERE NOT a.attisdropped AND (a.attacl IS NOT NULL OR p.initprivs IS NOT NULL) ORDER BY a.attrelid, a.attnum",
        |row| {
            let oid = row.oid()?;
            let access = ColumnAccess { column: row.text()?, acl: row.optional_list()?, initial: row.optional_list()? };
            // Relations that are not read are the server's, with unchanged privileges.
            if let Ok(at) = relations.binary_search_by_key(&oid, |relation| relation.oid) {
                relations[at].column_access.push(access);
            }
            Ok(())
        },
    )
}

/// ALTER DEFAULT PRIVILEGES. A row without a schema replaces the built-in default; one with a schema can only add to it.
pub fn defaults(
    reader: &mut Reader<'_>,
    namespaces: &[Namespace],
) -> Result<Vec<DefaultAccess>, Error> {
    let mut defaults = Vec::new();
    reader.rows(
        "default privileges",
        &[
            "oid",
            "defaclrole",
            "defaclnamespace",
            "defaclobjtype",
            "defaclacl",
            "CASE WHEN defaclnamespace = 0 THEN acldefault(CASE WHEN defaclobjtype = 'S' \
             THEN 's'::\"char\" ELSE defaclobjtype END, defaclrole) ELSE '{}' END",
        ],
        "FROM pg_default_acl ORDER BY oid",
        |row| {
            let (oid, role, schema) = (row.oid()?, row.role()?, row.oid()?);
            let schema = namespaces.iter().find(|namespace| namespace.oid == schema);
            defaults.push(DefaultAccess {
                oid,
                role,
                schema: schema.map(|namespace| namespace.name.clone()),
                object_type: row.text()?,
                access: Access {
                    acl: row.optional_list()?,
                    default: row.list()?,
                },
                dump: schema.is_none_or(|namespace| namespace.contents.has(Components::ACL)),
            });
            Ok(())
        },
    )?;
    Ok(defaults)
}

/// What initdb and CREATE EXTENSION granted, but for columns.
pub fn initial(reader: &mut Reader<'_>) -> Result<HashMap<CatalogId, Vec<String>>, Error> {
    let mut initial = HashMap::new();
    let from = "FROM pg_init_privs WHERE objsubid = 0";
    reader.rows(
        "initial privileges",
        &["classoid", "objoid", "initprivs"],
        from,
        |row| {
            initial.insert(CatalogId::new(row.oid()?, row.oid()?), row.list()?);
            Ok(())
        },
    )?;
    Ok(initial)
}

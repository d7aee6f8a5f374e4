//! Row security policies of the tables that are dumped.

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Policy, Relation};
use crate::selection::Components;

pub fn read(reader: &mut Reader<'_>, relations: &[Relation]) -> Result<Vec<Policy>, Error> {
    let chosen = relations
        .iter()
        .filter(|relation| relation.kind.is_table() && relation.dump.has(Components::DEFINITION));
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_policy p ON p.polrelid = src.oid ORDER BY p.oid",
        unnest(chosen.map(|relation| relation.oid))
    );
    let columns = [
        "p.oid",
        "p.polname",
        "p.polrelid",
        "p.polcmd",
        "p.polpermissive",
        "CASE WHEN p.polroles <> '{0}' THEN ARRAY(SELECT rolname FROM pg_roles WHERE oid = ANY (p.polroles)) END",
        "pg_get_expr(p.polqual, p.polrelid)",
        "pg_get_expr(p.polwithcheck, p.polrelid)",
    ];
    let mut policies = Vec::new();
    reader.rows("policies", &columns, &from, |row| {
        let (oid, name, table) = (row.oid()?, row.text()?, row.oid()?);
        let Ok(table) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
            return Err(row.unexpected(format!("policy {name} of a table that was not asked for")));
        };
        policies.push(Policy {
            oid,
            name,
            table,
            command: row.letter()?,
            permissive: row.flag()?,
            roles: row.list()?,
            using: row.optional()?,
            with_check: row.optional()?,
        });
        Ok(())
    })?;
    Ok(policies)
}

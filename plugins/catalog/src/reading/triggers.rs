//! Triggers of the tables and views that are dumped.

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Relation, Trigger};
use crate::selection::Components;

pub fn read(reader: &mut Reader<'_>, relations: &[Relation]) -> Result<Vec<Trigger>, Error> {
    let version = reader.version;
    let chosen = relations
        .iter()
        .filter(|relation| relation.has_triggers && relation.dump.has(Components::DEFINITION));
    // A partition's copy of its parent's trigger matters only where its enabled state differs. Such copies were internal
    // triggers before 15.
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_trigger t ON t.tgrelid = src.oid LEFT JOIN pg_trigger u ON u.oid = t.tgparentid \
         WHERE {} OR t.tgenabled <> u.tgenabled ORDER BY t.tgrelid, t.tgname",
        unnest(chosen.map(|relation| relation.oid)),
        version.since(
            15,
            "(NOT t.tgisinternal AND t.tgparentid = 0)",
            "NOT t.tgisinternal"
        ),
    );
    let columns = [
        "t.oid",
        "t.tgname",
        "t.tgrelid",
        // Not pretty-printed: that can leave out parentheses that a later release needs.
        "pg_get_triggerdef(t.oid, false)",
        "t.tgenabled",
        version.since(15, "t.tgparentid <> 0", "t.tgisinternal"),
    ];
    let mut triggers = Vec::new();
    reader.rows("triggers", &columns, &from, |row| {
        let (oid, name, table) = (row.oid()?, row.text()?, row.oid()?);
        let Ok(table) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
            return Err(row.unexpected(format!("trigger {name} of a table that was not asked for")));
        };
        triggers.push(Trigger {
            oid,
            name,
            table,
            definition: row.text()?,
            enabled: row.letter()?,
            is_clone: row.flag()?,
        });
        Ok(())
    })?;
    Ok(triggers)
}

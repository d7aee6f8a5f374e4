//! Rules, among them the queries of views.

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Relation, RelationKind, Rule};
use crate::selection::Components;

pub fn read(reader: &mut Reader<'_>, relations: &[Relation]) -> Result<Vec<Rule>, Error> {
    let chosen = relations
        .iter()
        .filter(|relation| relation.dump.has(Components::DEFINITION));
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_rewrite r ON r.ev_class = src.oid ORDER BY r.oid",
        unnest(chosen.map(|relation| relation.oid))
    );
    let is_query = "r.ev_type = '1' AND r.is_instead";
    let definition = format!("CASE WHEN {is_query} THEN '' ELSE pg_get_ruledef(r.oid) END");
    let mut rules = Vec::new();
    reader.rows(
        "rules",
        &[
            "r.oid",
            "r.rulename",
            "r.ev_class",
            is_query,
            "r.ev_enabled",
            &definition,
        ],
        &from,
        |row| {
            let (oid, name, table) = (row.oid()?, row.text()?, row.oid()?);
            let Ok(at) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
                return Err(
                    row.unexpected(format!("rule {name} of a table that was not asked for"))
                );
            };
            let is_view = matches!(
                relations[at].kind,
                RelationKind::View | RelationKind::MaterializedView
            );
            let is_view_query = row.flag()? && is_view;
            rules.push(Rule {
                oid,
                name,
                relation: at,
                is_view_query,
                enabled: row.letter()?,
                definition: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(rules)
}

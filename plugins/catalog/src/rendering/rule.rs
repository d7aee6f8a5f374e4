//! CREATE RULE, and the query of a view that had to begin without one.

use archive::{Entry, Section};

use super::view;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, class};
use crate::ordering::Node;

pub fn write(writer: &mut Writer<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    if !node.separate {
        return;
    }
    let rule = &writer.catalog.rules[at];
    let relation = &writer.catalog.relations[rule.relation];
    let (table, name) = (relation.qualified(), quote_identifier(&rule.name));
    let (mut definition, drop_statement) = if rule.is_view_query {
        // A view's rule cannot be dropped; one that reads nothing lets other objects go.
        (
            format!("CREATE OR REPLACE VIEW {table}{};\n", view::query(relation)),
            format!(
                "CREATE OR REPLACE VIEW {table} AS\n{};\n",
                view::columns_alone(relation)
            ),
        )
    } else {
        (
            format!("{}\n", rule.definition),
            format!("DROP RULE {name} ON {table};\n"),
        )
    };
    match rule.enabled {
        'A' => definition.push_str(&format!("ALTER TABLE {table} ENABLE ALWAYS RULE {name};\n")),
        'R' => definition.push_str(&format!(
            "ALTER TABLE {table} ENABLE REPLICA RULE {name};\n"
        )),
        'D' => definition.push_str(&format!("ALTER TABLE {table} DISABLE RULE {name};\n")),
        _ => {}
    }
    let id = CatalogId::new(class::REWRITE, rule.oid);
    writer.add(Entry {
        definition: Some(definition),
        drop_statement: Some(drop_statement),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            id,
            "RULE",
            Section::PostData,
            format!("{} {}", relation.name, rule.name),
        )
    });
    let (kind, on) = (format!("RULE {name} ON"), quote_identifier(&relation.name));
    writer.comment(
        Subject {
            kind: &kind,
            name: &on,
            schema: Some(&relation.schema),
            owner: &relation.owner,
            dump_id,
        },
        id,
    );
}

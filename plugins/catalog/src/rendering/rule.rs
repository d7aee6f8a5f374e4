//! CREATE RULE, and the query of a view that had to begin without one.

use super::view;
use super::writer::{PartOfRelation, Writer};
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
    writer.add_part(
        dump_id,
        PartOfRelation {
            desc: "RULE",
            id: CatalogId::new(class::REWRITE, rule.oid),
            name: &rule.name,
            relation,
            definition,
            drop_statement,
        },
    );
}

//! CREATE TRIGGER.

use super::extension_dependencies;
use super::writer::{PartOfRelation, Writer};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, class};
use crate::ordering::Node;

pub fn write(writer: &mut Writer<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    let trigger = &writer.catalog.triggers[at];
    let relation = &writer.catalog.relations[trigger.table];
    let (table, name) = (relation.qualified(), quote_identifier(&trigger.name));
    let state = match trigger.enabled {
        'D' => Some("DISABLE"),
        'A' => Some("ENABLE ALWAYS"),
        'R' => Some("ENABLE REPLICA"),
        _ => None,
    };
    let mut definition = String::new();
    let mut drop_statement = String::new();
    // A clone was made by its parent's trigger: only its state is its own.
    if !trigger.is_clone {
        definition = format!("{};\n", trigger.definition);
        drop_statement = format!("DROP TRIGGER {name} ON {table};\n");
        let identity = format!("{name} ON {table}");
        definition.push_str(&extension_dependencies::statements(
            "TRIGGER",
            &identity,
            &node.extensions,
        ));
    }
    if let Some(state) = state.or_else(|| trigger.is_clone.then_some("ENABLE")) {
        definition.push_str(&format!("\nALTER TABLE {table} {state} TRIGGER {name};\n"));
    }
    writer.add_part(
        dump_id,
        PartOfRelation {
            desc: "TRIGGER",
            id: CatalogId::new(class::TRIGGER, trigger.oid),
            name: &trigger.name,
            relation,
            definition,
            drop_statement,
        },
    );
}

//! CREATE TRIGGER.

use archive::{Entry, Section};

use super::extension_dependencies;
use super::writer::{Subject, Writer, entry};
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
    let id = CatalogId::new(class::TRIGGER, trigger.oid);
    writer.add(Entry {
        definition: Some(definition),
        drop_statement: Some(drop_statement),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            id,
            "TRIGGER",
            Section::PostData,
            format!("{} {}", relation.name, trigger.name),
        )
    });
    let (kind, on) = (
        format!("TRIGGER {name} ON"),
        quote_identifier(&relation.name),
    );
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

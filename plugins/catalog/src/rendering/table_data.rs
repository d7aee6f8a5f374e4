//! The rows of tables: the statements that read and write them.

use archive::{Entry, Section};

use super::writer::{Writer, entry};
use crate::dump::TableData;
use crate::identifiers::quote_identifier;
use crate::model::{Catalog, CatalogId, Relation};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let catalog = writer.catalog;
    let relation = &catalog.relations[at];
    let (name, target) = (relation.qualified(), target(catalog, relation));
    let all = relation
        .columns
        .iter()
        .filter(|column| !column.is_dropped && !column.is_generated());
    let columns: Vec<String> = all.map(|column| column.name.clone()).collect();
    let list = columns
        .iter()
        .map(|column| quote_identifier(column))
        .collect::<Vec<_>>()
        .join(", ");
    let in_parentheses = if list.is_empty() {
        String::new()
    } else {
        format!("({list})")
    };
    let condition = relation.data.as_deref().unwrap_or_default();
    let copy_out = if condition.is_empty() {
        format!("COPY {name} {in_parentheses} TO stdout;")
    } else {
        let selected = if list.is_empty() { "*" } else { &list };
        format!("COPY (SELECT {selected} FROM {name} {condition}) TO stdout;")
    };
    let filename = format!("{dump_id}.dat");
    let table_id = writer.relation_dump_id(at);
    writer.add(Entry {
        had_dumper: true,
        // pg_restore looks for this comment before it disables triggers or truncates.
        definition: (target != name).then(|| {
            format!(
                "-- load via partition root {}",
                target.replace(['\n', '\r'], " ")
            )
        }),
        copy_statement: Some(format!("COPY {target} {in_parentheses} FROM stdin;\n")),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        // The table alone, even if it is an extension's: a parallel pg_restore counts on it.
        dependencies: vec![table_id],
        filename: filename.clone(),
        ..entry(
            dump_id,
            CatalogId::new(0, relation.oid),
            "TABLE DATA",
            Section::Data,
            &*relation.name,
        )
    });
    writer.tables.push(TableData {
        dump_id,
        oid: relation.oid,
        schema: relation.schema.to_string(),
        name: relation.name.clone(),
        columns,
        copy_out,
        condition: Some(condition.to_owned()).filter(|condition| !condition.is_empty()),
        filename,
        is_extension_configuration: !relation.dump.has(crate::selection::Components::DEFINITION),
        heap_bytes: relation.heap_bytes,
        toast_bytes: relation.toast_bytes,
        pages: match relation.access_method.as_deref() {
            Some("heap") => relation.pages,
            _ => 0,
        },
        estimated_rows: (relation.estimated_rows >= 0.0).then_some(relation.estimated_rows),
    });
}

/// The table that takes the rows: the root of its partitions where rows may belong to another one after a restore.
fn target(catalog: &Catalog, relation: &Relation) -> String {
    let mut root = relation;
    let mut is_unstable = false;
    while root.is_partition {
        root = &catalog.relations[root.parents[0]];
        is_unstable |= root.has_unstable_partitions;
    }
    if is_unstable {
        root.qualified()
    } else {
        relation.qualified()
    }
}

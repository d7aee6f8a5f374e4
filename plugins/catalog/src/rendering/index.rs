//! CREATE INDEX.

use archive::{Entry, Section};

use super::extension_dependencies;
use super::writer::{Subject, Writer, dump_id as id_of, entry};
use crate::identifiers::{qualified, quote_identifier};
use crate::model::{CatalogId, Index, Relation, class};
use crate::ordering::{Graph, Node};

pub fn write(writer: &mut Writer<'_>, graph: &Graph<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    let index = &writer.catalog.indexes[at];
    let relation = &writer.catalog.relations[index.table];
    let id = CatalogId::new(class::RELATION, index.oid);
    let name = quote_identifier(&index.name);
    let full_name = qualified(&relation.schema, &index.name);
    // An index that enforces a constraint comes with it, but for its comment.
    let constraint = index.constraint.and_then(|at| {
        let constraint = &writer.catalog.constraints[at];
        graph.find(CatalogId::new(class::CONSTRAINT, constraint.oid))
    });
    if constraint.is_none() {
        let mut sql = format!("{};\n", index.definition);
        for (column, target) in &index.statistics {
            sql.push_str(&format!(
                "ALTER INDEX {full_name} ALTER COLUMN {column} SET STATISTICS {target};\n"
            ));
        }
        sql.push_str(&table_properties(relation, index, &node.extensions));
        writer.add(Entry {
            definition: Some(sql),
            // One that belongs to a partitioned index goes with it.
            drop_statement: Some(if index.parent == 0 {
                format!("DROP INDEX {full_name};\n")
            } else {
                String::new()
            }),
            namespace: Some(relation.schema.to_string()),
            tablespace: index.tablespace.clone(),
            owner: Some(relation.owner.to_string()),
            ..entry(dump_id, id, "INDEX", Section::PostData, &*index.name)
        });
    }
    let dump_id = constraint.map_or(dump_id, id_of);
    writer.annotate(
        Subject {
            kind: "INDEX",
            name: &name,
            schema: Some(&relation.schema),
            owner: &relation.owner,
            dump_id,
        },
        id,
    );
}

/// What a table says about one of its indexes.
pub fn table_properties(relation: &Relation, index: &Index, extensions: &[&str]) -> String {
    let (table, name) = (relation.qualified(), quote_identifier(&index.name));
    let mut sql = String::new();
    if index.is_clustered {
        sql.push_str(&format!("\nALTER TABLE {table} CLUSTER ON {name};\n"));
    }
    if index.is_replica_identity {
        sql.push_str(&format!(
            "\nALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {name};\n"
        ));
    }
    let full_name = qualified(&relation.schema, &index.name);
    sql.push_str(&extension_dependencies::statements(
        "INDEX", &full_name, extensions,
    ));
    sql
}

/// ATTACH PARTITION of an index to its partitioned index.
pub fn attach(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let catalog = writer.catalog;
    let index = &catalog.indexes[at];
    let Some(parent) = index.parent_position.map(|at| &catalog.indexes[at]) else {
        return;
    };
    let (relation, parent_table) = (
        &catalog.relations[index.table],
        &catalog.relations[parent.table],
    );
    let (parent, child) = (
        qualified(&parent_table.schema, &parent.name),
        qualified(&relation.schema, &index.name),
    );
    writer.add(Entry {
        definition: Some(format!("ALTER INDEX {parent} ATTACH PARTITION {child};\n")),
        namespace: Some(relation.schema.to_string()),
        owner: Some(parent_table.owner.to_string()),
        ..entry(
            dump_id,
            CatalogId::default(),
            "INDEX ATTACH",
            Section::PostData,
            &*index.name,
        )
    });
}

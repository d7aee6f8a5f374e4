//! Tables, with what belongs to every relation: privileges and comments.

use archive::{Entry, Section};

use super::settings::storage_parameters;
use super::writer::{Subject, Writer, entry};
use super::{foreign, sequence, table_columns, table_parts, view};
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::{Constrained, Relation, RelationKind};
use crate::ordering::{Graph, Node};
use crate::selection::Components;

pub fn write(writer: &mut Writer<'_>, graph: &Graph<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    let relation = &writer.catalog.relations[at];
    let name = quote_identifier(&relation.name);
    if relation.dump.has(Components::DEFINITION) {
        match relation.kind {
            RelationKind::Sequence => sequence::write(writer, dump_id, at),
            _ => definition(writer, graph, node, dump_id, at),
        }
    }
    if relation.dump.has(Components::ACL) {
        let kind = if relation.kind == RelationKind::Sequence {
            "SEQUENCE"
        } else {
            "TABLE"
        };
        let subject = Subject {
            kind,
            name: &name,
            schema: Some(&relation.schema),
            owner: &relation.owner,
            dump_id,
        };
        let initial = writer
            .catalog
            .initial_privileges
            .get(&relation.id())
            .map(Vec::as_slice);
        let of_table = writer.access(subject, &relation.access, initial);
        for column in &relation.column_access {
            // Nothing is granted on a column by default.
            let base = column.initial.as_deref().unwrap_or_default();
            let acl = column.acl.as_deref().unwrap_or_default();
            writer.column_access(
                Subject {
                    kind: "TABLE",
                    ..subject
                },
                &column.column,
                acl,
                base,
                of_table,
            );
        }
    }
}

fn definition(
    writer: &mut Writer<'_>,
    graph: &Graph<'_>,
    node: &Node<'_>,
    dump_id: u32,
    at: usize,
) {
    let relation = &writer.catalog.relations[at];
    let full_name = relation.qualified();
    let keyword = relation.kind.keyword();
    let mut sql = match relation.kind {
        RelationKind::View => view::create(relation, node.postponed),
        RelationKind::MaterializedView => view::create_materialized(relation, node),
        _ => create(writer, graph, at),
    };
    let has_not_nulls = relation.kind.is_table() || relation.kind == RelationKind::ForeignTable;
    if has_not_nulls && !writer.catalog.version.at_least(18) {
        sql.push_str(&table_columns::added_not_nulls(relation));
    }
    if relation.kind != RelationKind::View {
        sql.push_str(&table_columns::properties(relation));
    }
    let has_identity = relation.kind.is_table() || relation.kind == RelationKind::MaterializedView;
    match relation.replica_identity {
        'n' if has_identity => sql.push_str(&format!(
            "\nALTER TABLE ONLY {full_name} REPLICA IDENTITY NOTHING;\n"
        )),
        'f' if has_identity => sql.push_str(&format!(
            "\nALTER TABLE ONLY {full_name} REPLICA IDENTITY FULL;\n"
        )),
        // An index says so itself.
        _ => {}
    }
    if relation.force_row_security {
        sql.push_str(&format!(
            "\nALTER TABLE ONLY {full_name} FORCE ROW LEVEL SECURITY;\n"
        ));
    }
    let has_storage = matches!(
        relation.kind,
        RelationKind::Table | RelationKind::MaterializedView
    );
    if let Some(method) = relation
        .access_method
        .as_ref()
        .filter(|_| relation.kind == RelationKind::PartitionedTable)
    {
        // A partitioned table can name one from 17 on. Archives before 1.16 do not tell pg_restore that it is partitioned.
        sql.push_str(&format!(
            "\nALTER TABLE {full_name} SET ACCESS METHOD {};\n",
            quote_identifier(method)
        ));
    }
    let moved = node.postponed && relation.kind == RelationKind::MaterializedView;
    writer.add(Entry {
        definition: Some(sql),
        drop_statement: Some(format!("DROP {keyword} {full_name};\n")),
        namespace: Some(relation.schema.to_string()),
        tablespace: (has_storage || relation.kind == RelationKind::PartitionedTable)
            .then(|| relation.tablespace.clone()),
        table_access_method: relation.access_method.clone().filter(|_| has_storage),
        relkind: relation.kind.letter(),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            relation.id(),
            keyword,
            if moved {
                Section::PostData
            } else {
                Section::PreData
            },
            &*relation.name,
        )
    });
    table_parts::annotations(writer, graph, relation, at, dump_id);
}

fn create(writer: &Writer<'_>, graph: &Graph<'_>, at: usize) -> String {
    let relation = &writer.catalog.relations[at];
    // A partitioned table has no rows to leave unlogged, and 18 refuses the word.
    let unlogged = if relation.unlogged && relation.kind == RelationKind::Table {
        "UNLOGGED "
    } else {
        ""
    };
    let keyword = relation.kind.keyword();
    let mut sql = format!("CREATE {unlogged}{keyword} {}", relation.qualified());
    if let Some(of_type) = &relation.of_type {
        sql.push_str(&format!(" OF {of_type}"));
    }
    let is_constraint = writer.catalog.version.at_least(18);
    let mut items = table_columns::clauses(relation, is_constraint, |column| {
        let default = relation.columns[column]
            .default
            .as_ref()
            .filter(|default| !default.is_inherited)?;
        (!graph.has_separate_default(at, column)).then_some(default)
    });
    // A partition repeats what it inherits: it is made on its own, and attached later.
    for check in graph.inline_constraints(writer.catalog, Constrained::Table(at)) {
        if check.is_local || relation.is_partition {
            items.push(format!(
                "CONSTRAINT {} {}",
                quote_identifier(&check.name),
                check.definition
            ));
        }
    }
    if !items.is_empty() {
        let items = items
            .iter()
            .map(|item| format!("\n    {item}"))
            .collect::<Vec<_>>()
            .join(",");
        sql.push_str(&format!(" ({items}\n)"));
    } else if relation.of_type.is_none() {
        sql.push_str(" (\n)");
    }
    if !relation.parents.is_empty() && !relation.is_partition {
        let parents = relation
            .parents
            .iter()
            .map(|&parent| writer.catalog.relations[parent].qualified());
        sql.push_str(&format!(
            "\nINHERITS ({})",
            parents.collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(key) = &relation.partition_key {
        sql.push_str(&format!("\nPARTITION BY {key}"));
    }
    let foreign = relation.foreign.as_ref();
    if let Some(foreign) = foreign {
        sql.push_str(&format!("\nSERVER {}", quote_identifier(&foreign.server)));
    }
    sql.push_str(&with_clause(relation));
    if let Some(foreign) = foreign {
        sql.push_str(&foreign::options("\n", &foreign.options));
    }
    sql + ";\n"
}

/// `WITH (...)`, or nothing.
pub fn with_clause(relation: &Relation) -> String {
    let own = storage_parameters(&relation.options, "");
    let toast = storage_parameters(&relation.toast_options, "toast.");
    let all = [own, toast]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    if all.is_empty() {
        String::new()
    } else {
        format!("\nWITH ({all})")
    }
}

/// A name in a literal, for functions that take a relation.
pub fn as_literal(relation: &Relation) -> String {
    quote_literal(&relation.qualified())
}

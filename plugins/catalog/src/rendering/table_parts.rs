//! What belongs to a table but is said apart: how it is attached, late defaults, comments, security labels.

use archive::{Entry, Section};

use super::constraint;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, Constrained, Relation};
use crate::ordering::{Graph, Node};

/// ATTACH PARTITION: partitions are made on their own, so that a restore can do without their parent.
pub fn attach(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let partition = &writer.catalog.relations[at];
    let parent = &writer.catalog.relations[partition.parents[0]];
    let bound = partition.partition_bound.as_deref().unwrap_or_default();
    let (parent, child) = (parent.qualified(), partition.qualified());
    writer.add(Entry {
        definition: Some(format!(
            "ALTER TABLE ONLY {parent} ATTACH PARTITION {child} {bound};\n"
        )),
        namespace: Some(partition.schema.to_string()),
        owner: Some(partition.owner.to_string()),
        ..entry(
            dump_id,
            CatalogId::default(),
            "TABLE ATTACH",
            Section::PreData,
            &*partition.name,
        )
    });
}

/// A default that CREATE TABLE could not have.
pub fn default(writer: &mut Writer<'_>, node: &Node<'_>, dump_id: u32, at: usize, column: usize) {
    let relation = &writer.catalog.relations[at];
    let column = &relation.columns[column];
    let Some(default) = column.default.as_ref().filter(|_| node.separate) else {
        return;
    };
    let (table, name) = (relation.qualified(), quote_identifier(&column.name));
    let alter = relation.alter();
    writer.add(Entry {
        definition: Some(format!(
            "{alter} ONLY {table} ALTER COLUMN {name} SET DEFAULT {};\n",
            default.expression
        )),
        drop_statement: Some(format!(
            "{alter} {table} ALTER COLUMN {name} DROP DEFAULT;\n"
        )),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            node.id,
            "DEFAULT",
            Section::PreData,
            format!("{} {}", relation.name, column.name),
        )
    });
}

/// Comments on the table, its columns, and the constraints that are printed with it; security labels on it and its columns.
pub fn annotations(
    writer: &mut Writer<'_>,
    graph: &Graph<'_>,
    relation: &Relation,
    at: usize,
    dump_id: u32,
) {
    let name = quote_identifier(&relation.name);
    let keyword = relation.kind.keyword();
    let subject = Subject {
        kind: keyword,
        name: &name,
        schema: Some(&relation.schema),
        owner: &relation.owner,
        dump_id,
    };
    for (number, text) in writer
        .catalog
        .comments
        .get(&relation.id())
        .into_iter()
        .flatten()
    {
        if *number == 0 {
            writer.comment_text(subject, text);
        } else if let Some(column) = usize::try_from(*number)
            .ok()
            .and_then(|number| relation.column(number))
        {
            let name = format!("{name}.{}", quote_identifier(&column.name));
            writer.comment_text(
                Subject {
                    kind: "COLUMN",
                    name: &name,
                    ..subject
                },
                text,
            );
        }
    }
    writer.security_labels_of_parts(subject, relation.id(), |part| match usize::try_from(part) {
        Ok(0) => Some(String::new()),
        Ok(number) => {
            let column = relation.column(number)?;
            Some(format!(".{}", quote_identifier(&column.name)))
        }
        Err(_) => None,
    });
    let not_nulls = relation
        .columns
        .iter()
        .filter_map(|column| column.not_null.as_ref());
    for (constraint, text) in
        not_nulls.filter_map(|not_null| Some((not_null.name.as_ref()?, not_null.comment.as_ref()?)))
    {
        let kind = format!("CONSTRAINT {} ON", quote_identifier(constraint));
        writer.comment_text(
            Subject {
                kind: &kind,
                ..subject
            },
            text,
        );
    }
    for check in graph
        .inline_constraints(writer.catalog, Constrained::Table(at))
        .into_iter()
        .filter(|check| check.is_local)
    {
        constraint::comment(writer, check, dump_id);
    }
}

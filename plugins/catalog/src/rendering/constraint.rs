//! Constraints that have an entry of their own.

use archive::{Entry, Section};

use super::settings::storage_parameters;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::{qualified, quote_identifier};
use crate::model::{
    CatalogId, Constrained, Constraint, ConstraintKind, Index, Relation, RelationKind, class,
};
use crate::ordering::{Graph, Node};

pub fn write(writer: &mut Writer<'_>, graph: &Graph<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    let constraint = &writer.catalog.constraints[at];
    if !node.separate {
        return;
    }
    match constraint.on {
        Constrained::Table(table) => of_table(writer, graph, node, dump_id, constraint, table),
        Constrained::Domain(domain) => of_domain(writer, dump_id, constraint, domain),
    }
}

fn of_table(
    writer: &mut Writer<'_>,
    graph: &Graph<'_>,
    node: &Node<'_>,
    dump_id: u32,
    constraint: &Constraint,
    table: usize,
) {
    let relation = &writer.catalog.relations[table];
    let (desc, only) = match constraint.kind {
        // Like NOT NULL, it goes on to the children.
        ConstraintKind::Check => ("CHECK CONSTRAINT", ""),
        ConstraintKind::NotNull => ("CONSTRAINT", ""),
        ConstraintKind::ForeignKey if relation.kind == RelationKind::PartitionedTable => {
            ("FK CONSTRAINT", "")
        }
        ConstraintKind::ForeignKey => ("FK CONSTRAINT", "ONLY "),
        ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclusion => {
            ("CONSTRAINT", "ONLY ")
        }
    };
    if !constraint.is_local {
        return;
    }
    let (target, name) = (
        format!("{only}{}", relation.qualified()),
        quote_identifier(&constraint.name),
    );
    let index = constraint.index.map(|index| &writer.catalog.indexes[index]);
    let alter = relation.alter();
    let mut sql = format!("{alter} {target}\n    ADD CONSTRAINT {name} ");
    match index.filter(|_| constraint.definition.is_empty()) {
        Some(index) => sql.push_str(&key(relation, constraint, index)),
        None => sql.push_str(&constraint.definition),
    }
    sql.push_str(";\n");
    if let Some(index) = index {
        let extensions = graph
            .find(CatalogId::new(class::RELATION, index.oid))
            .map(|node| graph.nodes[node].extensions.as_slice());
        sql.push_str(&super::index::table_properties(
            relation,
            index,
            extensions.unwrap_or_default(),
        ));
    }
    writer.add(Entry {
        definition: Some(sql),
        drop_statement: Some(format!("{alter} {target} DROP CONSTRAINT {name};\n")),
        namespace: Some(relation.schema.to_string()),
        tablespace: index.and_then(|index| index.tablespace.clone()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            node.id,
            desc,
            Section::PostData,
            format!("{} {}", relation.name, constraint.name),
        )
    });
    comment(writer, constraint, dump_id);
}

/// PRIMARY KEY or UNIQUE, from the index that enforces it.
fn key(relation: &Relation, constraint: &Constraint, index: &Index) -> String {
    let is_primary = constraint.kind == ConstraintKind::PrimaryKey;
    let names = |columns: &[i16]| {
        let found = columns.iter().map(|&number| {
            usize::try_from(number)
                .ok()
                .and_then(|number| relation.column(number))
        });
        // Numbers below 1 are expressions and system columns, which no key has.
        found
            .map_while(|column| Some(quote_identifier(&column?.name)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (keys, included) = index
        .columns
        .split_at(index.key_columns.min(index.columns.len()));
    let mut sql = String::from(if is_primary { "PRIMARY KEY" } else { "UNIQUE" });
    if index.nulls_not_distinct && !is_primary {
        sql.push_str(" NULLS NOT DISTINCT");
    }
    let period = if constraint.period {
        " WITHOUT OVERLAPS"
    } else {
        ""
    };
    sql.push_str(&format!(" ({}{period})", names(keys)));
    if !included.is_empty() {
        sql.push_str(&format!(" INCLUDE ({})", names(included)));
    }
    if !index.options.is_empty() {
        sql.push_str(&format!(
            " WITH ({})",
            storage_parameters(&index.options, "")
        ));
    }
    if constraint.deferrable {
        sql.push_str(if constraint.deferred {
            " DEFERRABLE INITIALLY DEFERRED"
        } else {
            " DEFERRABLE"
        });
    }
    sql
}

/// The comment on a table's constraint.
pub fn comment(writer: &mut Writer<'_>, constraint: &Constraint, dump_id: u32) {
    let Constrained::Table(table) = constraint.on else {
        return;
    };
    let relation = &writer.catalog.relations[table];
    writer.comment_on_part(
        "CONSTRAINT",
        &constraint.name,
        relation,
        dump_id,
        CatalogId::new(class::CONSTRAINT, constraint.oid),
    );
}

fn of_domain(writer: &mut Writer<'_>, dump_id: u32, constraint: &Constraint, domain: usize) {
    let ty = &writer.catalog.types[domain];
    let (full_name, name) = (
        qualified(&ty.schema, &ty.name),
        quote_identifier(&constraint.name),
    );
    let desc = if constraint.kind == ConstraintKind::Check {
        "CHECK CONSTRAINT"
    } else {
        "CONSTRAINT"
    };
    let id = CatalogId::new(class::CONSTRAINT, constraint.oid);
    writer.add(Entry {
        definition: Some(format!(
            "ALTER DOMAIN {full_name}\n    ADD CONSTRAINT {name} {};\n",
            constraint.definition
        )),
        drop_statement: Some(format!(
            "ALTER DOMAIN {full_name} DROP CONSTRAINT {name};\n"
        )),
        namespace: Some(ty.schema.to_string()),
        owner: Some(ty.owner.to_string()),
        ..entry(
            dump_id,
            id,
            desc,
            Section::PostData,
            format!("{} {}", ty.name, constraint.name),
        )
    });
    let kind = format!("CONSTRAINT {name} ON DOMAIN");
    let type_name = quote_identifier(&ty.name);
    writer.annotate(
        Subject {
            kind: &kind,
            name: &type_name,
            schema: Some(&ty.schema),
            owner: &ty.owner,
            dump_id,
        },
        id,
    );
}

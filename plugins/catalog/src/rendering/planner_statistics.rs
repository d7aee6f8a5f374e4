//! What the planner knows of a relation's rows, for the functions of 18 that take it back.

use archive::{Entry, Section};

use super::writer::{Writer, entry};
use crate::identifiers::quote_literal;
use crate::model::{CatalogId, ColumnStatistics, Measured, PlannerStatistics};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let catalog = writer.catalog;
    let statistics = &catalog.planner_statistics[at];
    let (relation, name) = match statistics.of {
        Measured::Relation(at) => (&catalog.relations[at], &catalog.relations[at].name),
        Measured::Index(at) => {
            let index = &catalog.indexes[at];
            (&catalog.relations[index.table], &index.name)
        }
    };
    let of = format!(
        "\t'version', '{}'::integer,\n\t'schemaname', {},\n\t'relname', {}",
        catalog.version.0,
        quote_literal(&relation.schema),
        quote_literal(name),
    );
    let mut sql = of_relation(statistics, &of, catalog.version.major());
    for column in &statistics.columns {
        sql.push_str(&of_column(column, &of));
    }
    writer.add(Entry {
        definition: Some(sql),
        namespace: Some(relation.schema.to_string()),
        ..entry(
            dump_id,
            CatalogId::default(),
            "STATISTICS DATA",
            match statistics.of.comes_after_data(&catalog.relations) {
                true => Section::PostData,
                false => Section::Data,
            },
            name,
        )
    });
}

fn of_relation(statistics: &PlannerStatistics, of: &str, major: u32) -> String {
    // Before 14 a 0 may mean that nobody has counted, which a planner would take for an empty table.
    let tuples = match statistics.tuples.as_str() {
        "0" if major < 14 => "-1",
        counted => counted,
    };
    let mut sql = format!(
        "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n{of},\n\t'relpages', '{}'::integer,\n\
         \t'reltuples', '{tuples}'::real,\n\t'relallvisible', '{}'::integer",
        statistics.pages, statistics.all_visible
    );
    if let Some(frozen) = statistics.all_frozen {
        sql.push_str(&format!(",\n\t'relallfrozen', '{frozen}'::integer"));
    }
    sql.push_str("\n);\n");
    sql
}

fn of_column(column: &ColumnStatistics, of: &str) -> String {
    let mut sql = format!("SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n{of},\n\t");
    sql.push_str(&match column.number {
        Some(number) => format!("'attnum', '{number}'::smallint"),
        None => format!("'attname', {}", quote_literal(&column.name)),
    });
    for (argument, kind, value) in &column.arguments {
        let value = quote_literal(value);
        sql.push_str(&format!(",\n\t'{argument}', {value}::{kind}"));
    }
    sql.push_str("\n);\n");
    sql
}

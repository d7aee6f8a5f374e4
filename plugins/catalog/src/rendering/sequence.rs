//! CREATE SEQUENCE, identity columns, and where a sequence stands.

use archive::{Entry, Section};

use super::table::as_literal;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, Column, Relation, Sequence};
use crate::selection::Components;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let catalog = writer.catalog;
    let relation = &catalog.relations[at];
    let Some(sequence) = &relation.sequence else {
        return;
    };
    let owner = relation.owned_by.and_then(|(table, column)| {
        let table = catalog.relation(table)?;
        Some((table, table.column(column)?))
    });
    let full_name = relation.qualified();
    let mut sql = match owner.filter(|_| relation.is_identity) {
        Some((table, column)) => identity(relation, table, column),
        None => create(relation, sequence),
    };
    sql.push_str(&options(sequence));
    sql.push_str(if relation.is_identity {
        "\n);\n"
    } else {
        ";\n"
    });
    writer.add(Entry {
        definition: Some(sql),
        // An identity's sequence goes with its column.
        drop_statement: Some(if relation.is_identity {
            String::new()
        } else {
            format!("DROP SEQUENCE {full_name};\n")
        }),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            relation.id(),
            "SEQUENCE",
            Section::PreData,
            &*relation.name,
        )
    });
    if let Some((table, column)) = owner
        && !relation.is_identity
        && table.dump.has(Components::DEFINITION)
    {
        // In an entry of its own: it needs the sequence's owner to be the table's already.
        let owned_id = writer.fresh_id();
        let column = quote_identifier(&column.name);
        writer.add(Entry {
            definition: Some(format!(
                "ALTER SEQUENCE {full_name} OWNED BY {}.{column};\n",
                table.qualified()
            )),
            namespace: Some(relation.schema.to_string()),
            owner: Some(relation.owner.to_string()),
            dependencies: vec![dump_id],
            ..entry(
                owned_id,
                CatalogId::default(),
                "SEQUENCE OWNED BY",
                Section::PreData,
                &*relation.name,
            )
        });
    }
    let name = quote_identifier(&relation.name);
    writer.annotate(
        Subject {
            kind: "SEQUENCE",
            name: &name,
            schema: Some(&relation.schema),
            owner: &relation.owner,
            dump_id,
        },
        relation.id(),
    );
}

fn identity(relation: &Relation, table: &Relation, column: &Column) -> String {
    let when = if column.identity == 'a' {
        "ALWAYS"
    } else {
        "BY DEFAULT"
    };
    let mut sql = format!(
        "ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {when} AS IDENTITY (\n    SEQUENCE NAME {}\n",
        table.qualified(),
        quote_identifier(&column.name),
        relation.qualified()
    );
    if relation.unlogged != table.unlogged {
        sql.push_str(if relation.unlogged {
            "    UNLOGGED\n"
        } else {
            "    LOGGED\n"
        });
    }
    sql
}

fn create(relation: &Relation, sequence: &Sequence) -> String {
    let unlogged = if relation.unlogged { "UNLOGGED " } else { "" };
    let mut sql = format!("CREATE {unlogged}SEQUENCE {}\n", relation.qualified());
    if sequence.data_type != "bigint" {
        sql.push_str(&format!("    AS {}\n", sequence.data_type));
    }
    sql
}

fn options(sequence: &Sequence) -> String {
    let (least, greatest) = match sequence.data_type.as_str() {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let (minimum, maximum) = if sequence.increment >= 0 {
        (1, greatest)
    } else {
        (least, -1)
    };
    let limit = |name: &str, value: i64, default: i64| {
        if value == default {
            format!("NO {name}")
        } else {
            format!("{name} {value}")
        }
    };
    format!(
        "    START WITH {}\n    INCREMENT BY {}\n    {}\n    {}\n    CACHE {}{}",
        sequence.start,
        sequence.increment,
        limit("MINVALUE", sequence.minimum, minimum),
        limit("MAXVALUE", sequence.maximum, maximum),
        sequence.cache,
        if sequence.cycle { "\n    CYCLE" } else { "" },
    )
}

/// setval: the next value after a restore is the one that it would have been.
pub fn position(writer: &mut Writer<'_>, at: usize) {
    let relation = &writer.catalog.relations[at];
    let Some(sequence) = &relation.sequence else {
        return;
    };
    let dump_id = writer.fresh_id();
    let table_id = writer.relation_dump_id(at);
    writer.add(Entry {
        definition: Some(format!(
            "SELECT pg_catalog.setval({}, {}, {});\n",
            as_literal(relation),
            sequence.last_value,
            sequence.is_called
        )),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        dependencies: vec![table_id],
        ..entry(
            dump_id,
            CatalogId::default(),
            "SEQUENCE SET",
            Section::Data,
            &*relation.name,
        )
    });
}

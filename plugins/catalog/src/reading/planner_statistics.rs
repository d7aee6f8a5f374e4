//! What the planner knows of the rows of the relations that are dumped, and of their indexes.

use std::collections::{BTreeMap, HashMap};

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{ColumnStatistics, Index, Measured, PlannerStatistics, Relation, RelationKind};

/// Columns of pg_stats and the types that pg_restore_attribute_stats takes them as.
const ARGUMENTS: [(&str, &str); 11] = [
    ("inherited", "boolean"),
    ("null_frac", "real"),
    ("avg_width", "integer"),
    ("n_distinct", "real"),
    ("most_common_vals", "text"),
    ("most_common_freqs", "real[]"),
    ("histogram_bounds", "text"),
    ("correlation", "real"),
    ("most_common_elems", "text"),
    ("most_common_elem_freqs", "real[]"),
    ("elem_count_histogram", "real[]"),
];

/// New in 17.
const ARGUMENTS_OF_RANGES: [(&str, &str); 3] = [
    ("range_length_histogram", "text"),
    ("range_empty_frac", "real"),
    ("range_bounds_histogram", "text"),
];

pub fn read(
    reader: &mut Reader<'_>,
    relations: &[Relation],
    indexes: &[Index],
) -> Result<Vec<PlannerStatistics>, Error> {
    let has_rows = |kind: RelationKind| {
        kind.is_table()
            || matches!(
                kind,
                RelationKind::MaterializedView | RelationKind::ForeignTable
            )
    };
    let of_relations = relations
        .iter()
        .enumerate()
        .filter(|(_, relation)| relation.is_interesting && has_rows(relation.kind))
        .map(|(at, relation)| (relation.oid, Measured::Relation(at)));
    let of_indexes = indexes
        .iter()
        .enumerate()
        .map(|(at, index)| (index.oid, Measured::Index(at)));
    let measured: BTreeMap<u32, Measured> = of_relations.chain(of_indexes).collect();
    let oids = unnest(measured.keys().copied());

    let mut statistics: Vec<PlannerStatistics> = Vec::new();
    let mut positions = HashMap::new();
    let frozen = reader.version.since(18, "c.relallfrozen", "NULL");
    reader.rows(
        "planner statistics of relations",
        &[
            "c.oid",
            "c.relpages",
            "c.reltuples",
            "c.relallvisible",
            frozen,
        ],
        &format!("FROM {oids} AS src(oid) JOIN pg_class c ON c.oid = src.oid ORDER BY c.oid"),
        |row| {
            let oid = row.oid()?;
            let Some(&of) = measured.get(&oid) else {
                return Err(row.unexpected(format!("relation {oid}, which was not asked for")));
            };
            positions.insert(oid, statistics.len());
            statistics.push(PlannerStatistics {
                of,
                pages: row.number()?,
                tuples: row.text()?,
                all_visible: row.number()?,
                all_frozen: row.optional_number()?,
                columns: Vec::new(),
            });
            Ok(())
        },
    )?;

    let mut arguments = ARGUMENTS.to_vec();
    if reader.version.major() >= 17 {
        arguments.extend(ARGUMENTS_OF_RANGES);
    }
    let mut columns = vec![
        "c.oid".to_owned(),
        "s.attname".to_owned(),
        "CASE WHEN c.relkind IN ('i', 'I') THEN a.attnum END".to_owned(),
    ];
    columns.extend(arguments.iter().map(|(name, kind)| match *kind {
        // As the server prints it, and not as it casts it.
        "boolean" => format!("left(s.{name}::text, 1)"),
        _ => format!("s.{name}"),
    }));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    // pg_stats, and not the table below it: it leaves out the columns that the role may not read.
    let from = format!(
        "FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname \
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename JOIN {oids} AS src(oid) ON src.oid = c.oid \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname \
         ORDER BY c.oid, s.attname, s.inherited"
    );
    reader.rows("planner statistics of columns", &columns, &from, |row| {
        let oid = row.oid()?;
        let Some(&at) = positions.get(&oid) else {
            return Err(row.unexpected(format!("relation {oid}, which was not asked for")));
        };
        let (name, number) = (row.text()?, row.optional_number()?);
        let mut values = Vec::new();
        for (argument, kind) in &arguments {
            if let Some(value) = row.optional()? {
                values.push((*argument, *kind, value));
            }
        }
        statistics[at].columns.push(ColumnStatistics {
            name,
            number,
            arguments: values,
        });
        Ok(())
    })?;
    Ok(statistics)
}

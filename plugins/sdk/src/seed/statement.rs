//! The statement that writes rows of one shape: one round trip, whatever is there already.
//!
//! It reads the rows from JSON as the table's own columns are read (`jsonb_populate_record`), looks up what they refer to, compares them
//! with what is there, and then updates what differs and inserts what is not there. `ON CONFLICT` is not used: it wants a unique
//! index, and takes a number of a sequence for each row that is there already.

use std::fmt::Write;

use super::relation::Relation;
use super::shape::{Parent, Shape};
use crate::postgres::{quote_identifier, quote_literal};

/// Rows of one shape into one table.
pub(super) struct Upsert<'a> {
    pub table: &'a Relation,
    pub shape: &'a Shape,
    /// The columns that find a row that is there.
    pub key: &'a [String],
}

impl Upsert<'_> {
    /// `$1` is the rows, a JSON array of objects. For each of them, in their order, it gives
    /// `at` (from 1), `present` (whether it was there), `changed` (a JSON array of the columns that differ, of a row that was there),
    /// `before` and `after` (JSON arrays of texts, of a row that differs: all columns but the key's) and `found` (a JSON array: how many rows each
    /// reference has found; NULL where there are none) and `first` (the first of the given rows with this key). What is not whole is not written: a
    /// row with a reference that has not found exactly one, and a second row with a key.
    pub fn sql(&self) -> String {
        let table = &self.table.sql;
        let targets: Vec<String> = self.shape.targets().map(quote_identifier).collect();
        let (keys, others): (Vec<_>, Vec<_>) = targets
            .iter()
            .enumerate()
            .partition(|(at, _)| self.key.contains(&self.target(*at)));
        let joined = |items: &mut dyn Iterator<Item = String>, by: &str| {
            items.collect::<Vec<String>>().join(by)
        };
        let matched = |left: &str, right: &str| {
            let pairs = keys
                .iter()
                .map(|(at, name)| format!("{left}.{name} = {right}.c{at}"));
            joined(&mut pairs.into_iter(), " AND ")
        };
        let texts = |side: &str| {
            let cells = others.iter().map(|(at, _)| format!("{side}{at}::text"));
            format!(
                "pg_catalog.to_json(ARRAY[{}]::text[])::text",
                joined(&mut cells.into_iter(), ", ")
            )
        };
        let whole = self.whole();

        let mut sql = format!("WITH given AS MATERIALIZED ({})", self.given());
        let olds = others
            .iter()
            .map(|(at, name)| format!(", t.{name} AS b{at}"));
        let differing = others.iter().map(|(at, name)| {
            format!(
                "CASE WHEN g.c{at}::text IS DISTINCT FROM t.{name}::text THEN {} END",
                quote_literal(&self.target(*at))
            )
        });
        // Writing into a String cannot fail.
        let _ = write!(
            sql,
            ", compared AS MATERIALIZED (SELECT g.*{}, t.ctid IS NOT NULL AS present, \
             CASE WHEN t.ctid IS NOT NULL THEN pg_catalog.array_remove(ARRAY[{}]::text[], NULL) END AS changed, \
             pg_catalog.min(g.at) OVER (PARTITION BY {}) AS first \
             FROM given g LEFT JOIN {table} t ON {})",
            joined(&mut olds.into_iter(), ""),
            joined(&mut differing.into_iter(), ", "),
            joined(&mut keys.iter().map(|(at, _)| format!("g.c{at}")), ", "),
            matched("t", "g"),
        );
        if !others.is_empty() {
            let sets = others.iter().map(|(at, name)| format!("{name} = c.c{at}"));
            let _ = write!(
                sql,
                ", updated AS (UPDATE {table} t SET {} FROM compared c WHERE c.changed <> '{{}}' AND {} AND {whole})",
                joined(&mut sets.into_iter(), ", "),
                matched("t", "c"),
            );
        }
        let overriding = match self.sets_identity() {
            true => " OVERRIDING SYSTEM VALUE",
            false => "",
        };
        let cells = (0..targets.len()).map(|at| format!("c.c{at}"));
        let _ = write!(
            sql,
            ", inserted AS (INSERT INTO {table} ({}){overriding} SELECT {} FROM compared c WHERE NOT c.present AND {whole} ORDER BY c.at)",
            targets.join(", "),
            joined(&mut cells.into_iter(), ", "),
        );
        let _ = write!(
            sql,
            " SELECT c.at, c.present, pg_catalog.to_json(c.changed)::text AS changed, CASE WHEN c.changed <> '{{}}' THEN {} END AS before, \
             CASE WHEN c.changed <> '{{}}' THEN {} END AS after, {} AS found, c.first FROM compared c ORDER BY c.at",
            texts("c.b"),
            texts("c.c"),
            self.found(),
        );
        sql
    }

    /// The columns of `before` and `after`.
    pub fn compared_columns(&self) -> Vec<&str> {
        self.shape
            .targets()
            .filter(|target| !self.key.iter().any(|key| key == target))
            .collect()
    }

    fn target(&self, at: usize) -> String {
        self.shape.targets().nth(at).unwrap_or_default().to_owned()
    }

    /// The rows as columns `c0`, `c1`, … in the order of the shape's targets, and `n0`, …: how many rows each reference has found.
    fn given(&self) -> String {
        let mut cells = vec!["o.at".to_owned()];
        let mut joins = String::new();
        let mut at = 0;
        for column in &self.shape.columns {
            cells.push(format!("r.{} AS c{at}", quote_identifier(column)));
            at += 1;
        }
        for (index, parent) in self.shape.parents.iter().enumerate() {
            for (place, column) in parent.reference.columns.iter().enumerate() {
                cells.push(match parent.by {
                    // A record without that key: NULL, of the right type.
                    None => format!("r.{} AS c{at}", quote_identifier(column)),
                    Some(_) => format!("f{index}.k{place} AS c{at}"),
                });
                at += 1;
            }
            if let Some(by) = &parent.by {
                cells.push(format!("f{index}.found AS n{index}"));
                let row = format!("(o.r -> {})", quote_literal(&parent.name));
                let _ = write!(
                    joins,
                    " CROSS JOIN LATERAL ({}) f{index}",
                    lookup(parent, by, &row, 1)
                );
            }
        }
        format!(
            "SELECT {} FROM pg_catalog.jsonb_array_elements($1::text::jsonb) WITH ORDINALITY o(r, at) \
             CROSS JOIN LATERAL {} r{joins}",
            cells.join(", "),
            record(self.table, self.shape, "o.r"),
        )
    }

    /// Whether a row can be written.
    fn whole(&self) -> String {
        let counts = self.counts().map(|n| format!(" AND c.{n} = 1"));
        format!("c.first = c.at{}", counts.collect::<String>())
    }

    fn found(&self) -> String {
        let counts: Vec<String> = self.counts().map(|n| format!("c.{n}")).collect();
        match counts.is_empty() {
            true => "NULL::text".to_owned(),
            false => format!(
                "pg_catalog.to_json(ARRAY[{}]::bigint[])::text",
                counts.join(", ")
            ),
        }
    }

    fn counts(&self) -> impl Iterator<Item = String> {
        self.shape
            .parents
            .iter()
            .enumerate()
            .filter(|(_, parent)| parent.by.is_some())
            .map(|(index, _)| format!("n{index}"))
    }

    fn sets_identity(&self) -> bool {
        self.shape.targets().any(|target| {
            self.table
                .column(target)
                .is_some_and(|column| column.identity_always)
        })
    }
}

/// A JSON object as a record of a table, without the names that are references.
fn record(table: &Relation, shape: &Shape, row: &str) -> String {
    let mut row = row.to_owned();
    for parent in &shape.parents {
        let _ = write!(row, " - {}", quote_literal(&parent.name));
    }
    format!(
        "pg_catalog.jsonb_populate_record(NULL::{}, {row})",
        table.sql
    )
}

/// The row that an object names: its columns `k0`, `k1`, … that the foreign key leads to, and `found`, how many such rows there are.
fn lookup(parent: &Parent, by: &Shape, row: &str, depth: usize) -> String {
    let mut conditions: Vec<String> = by
        .columns
        .iter()
        .map(|column| {
            let column = quote_identifier(column);
            format!("p{depth}.{column} = b{depth}.{column}")
        })
        .collect();
    let mut joins = String::new();
    for (index, nested) in by.parents.iter().enumerate() {
        let name = format!("f{depth}_{index}");
        for (place, column) in nested.reference.columns.iter().enumerate() {
            let column = quote_identifier(column);
            conditions.push(match nested.by {
                None => format!("p{depth}.{column} IS NULL"),
                Some(_) => format!("p{depth}.{column} = {name}.k{place}"),
            });
        }
        if let Some(nested_by) = &nested.by {
            let row = format!("({row} -> {})", quote_literal(&nested.name));
            let _ = write!(
                joins,
                " CROSS JOIN LATERAL ({}) {name}",
                lookup(nested, nested_by, &row, depth + 1)
            );
        }
    }
    let keys = parent
        .reference
        .parent_columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            format!(
                ", (pg_catalog.array_agg(p{depth}.{}))[1] AS k{place}",
                quote_identifier(column)
            )
        });
    format!(
        "SELECT pg_catalog.count(*) AS found{} FROM {} b{depth}{joins} JOIN {} p{depth} ON {}",
        keys.collect::<String>(),
        record(&parent.table, by, row),
        parent.table.sql,
        conditions.join(" AND "),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::seed::relation::tests::appointment;
    use crate::seed::shape::tests::shape;

    #[test]
    fn the_key_is_compared_and_the_rest_written() {
        let shape =
            shape(json!({"tokenNo": 1, "queueId": 2, "user": {"email": "a"}})).expect("a shape");
        let table = appointment();
        let key = ["queueId".to_owned(), "tokenNo".to_owned()];
        let upsert = Upsert {
            table: &table,
            shape: &shape,
            key: &key,
        };
        let sql = upsert.sql();
        for expected in [
            "ON t.\"queueId\" = g.c0 AND t.\"tokenNo\" = g.c1)",
            "SET \"userId\" = c.c2 FROM compared c",
            "c.n0 = 1",
            "JOIN public.\"User\" p1 ON p1.\"email\" = b1.\"email\"",
            "jsonb_populate_record(NULL::public.\"Appointment\", o.r - 'user')",
        ] {
            assert!(sql.contains(expected), "{expected}\n{sql}");
        }
        assert_eq!(upsert.compared_columns(), ["userId"]);
    }

    #[test]
    fn rows_that_are_keys_alone_are_never_updated() {
        let shape = shape(json!({"id": 1})).expect("a shape");
        let table = appointment();
        let key = ["id".to_owned()];
        let sql = Upsert {
            table: &table,
            shape: &shape,
            key: &key,
        }
        .sql();
        assert!(!sql.contains("UPDATE"), "{sql}");
    }
}

//! Declared rows, written in the order that the catalog's foreign keys ask for.

use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::seed::{Change, Relation, Transaction, Written};
use orchestrator_sdk::{Error, files, run};
use seeds::{Node, Place, Reference, Row, Table};

use crate::written::TableWritten;

/// Writes the tables of a set: in one transaction, but for files of rows, each of which is one.
pub fn write(
    connection: &Connection,
    folder: &str,
    tables: &[Table],
    dry_run: bool,
) -> Result<Vec<TableWritten>, Error> {
    let begin = || match dry_run {
        true => Transaction::rehearse(connection),
        false => Transaction::begin(connection),
    };
    let mut transaction = begin()?;
    let relations: Vec<Relation> = tables
        .iter()
        .map(|table| transaction.relation(&table.table))
        .collect::<Result<_, _>>()?;
    let places = seeds::order(&nodes(&relations));
    let mut written = Vec::new();
    for place in &places {
        let (table, relation) = (&tables[place.at], &relations[place.at]);
        run::phase(&format!("writing {}", table.table));
        let Some(file) = &table.file else {
            let rows = first_rows(table, relation, place);
            written.push((place, target(&transaction, table).upsert(rows)?));
            continue;
        };
        if !dry_run {
            transaction.commit()?;
            transaction = begin()?;
        }
        let changes = target(&transaction, table).load(&files::open(folder)?, file)?;
        if !dry_run {
            transaction.commit()?;
            transaction = begin()?;
        }
        let result = Written {
            changes,
            ..Written::default()
        };
        written.push((place, result));
    }
    for (place, written) in &mut written {
        let (table, relation) = (&tables[place.at], &relations[place.at]);
        let later = later_rows(table, relation, place);
        if later.is_empty() {
            continue;
        }
        let rows = later.iter().map(|(_, row)| row);
        let result = target(&transaction, table).upsert(rows)?;
        complete(written, &later, result);
    }
    match dry_run {
        true => transaction.rollback()?,
        false => transaction.commit()?,
    }
    let told = written.into_iter().map(|(place, written)| TableWritten {
        table: tables[place.at].table.clone(),
        changes: written.changes.into(),
        rows: written.rows,
    });
    Ok(told.collect())
}

fn target<'a>(transaction: &'a Transaction, table: &Table) -> orchestrator_sdk::seed::Table<'a> {
    let mut target = transaction.table(&table.table);
    if let Some(key) = &table.key {
        target = target.key(key);
    }
    if let Some(label) = &table.label {
        target = target.label(label);
    }
    target
}

/// Foreign keys between the tables of a set.
fn nodes(relations: &[Relation]) -> Vec<Node> {
    let node = |relation: &Relation| Node {
        references: relation
            .references
            .iter()
            .flat_map(|reference| {
                let to = relations
                    .iter()
                    .enumerate()
                    .filter(|(_, other)| other.oid == reference.parent);
                to.map(|(to, _)| Reference {
                    name: reference.constraint.clone(),
                    to,
                    nullable: reference
                        .columns
                        .iter()
                        .all(|name| relation.column(name).is_some_and(|column| column.nullable)),
                })
            })
            .collect(),
    };
    relations.iter().map(node).collect()
}

/// Whether a name of a row stands for a foreign key whose rows are written later.
fn waits(name: &str, relation: &Relation, place: &Place, key: Option<&Vec<String>>) -> bool {
    let is_later = relation
        .reference(name)
        .is_some_and(|reference| place.later.contains(&reference.constraint));
    let is_key = key.is_some_and(|key| key.iter().any(|other| other == name));
    let nullable = relation.reference(name).is_some_and(|reference| {
        let mut columns = reference.columns.iter();
        columns.all(|column| {
            relation
                .column(column)
                .is_some_and(|column| column.nullable)
        })
    });
    is_later && !is_key && nullable
}

fn first_rows(table: &Table, relation: &Relation, place: &Place) -> Vec<Row> {
    let rows = table.rows.iter().cloned();
    rows.map(|mut row| {
        row.retain(|name, value| {
            value.is_null() || !waits(name, relation, place, table.key.as_ref())
        });
        row
    })
    .collect()
}

/// The rows that have something to be written later, whole, and their places.
fn later_rows<'a>(table: &'a Table, relation: &Relation, place: &Place) -> Vec<(usize, &'a Row)> {
    let has_later = |(_, row): &(usize, &Row)| {
        row.iter().any(|(name, value)| {
            !value.is_null() && waits(name, relation, place, table.key.as_ref())
        })
    };
    table.rows.iter().enumerate().filter(has_later).collect()
}

/// What was inserted first and completed later was inserted, once.
fn complete(written: &mut Written, later: &[(usize, &Row)], result: Written) {
    for (change, (at, _)) in result.each.iter().zip(later) {
        if (*change, written.each[*at]) == (Change::Updated, Change::Unchanged) {
            written.each[*at] = Change::Updated;
            written.changes.unchanged -= 1;
            written.changes.updated += 1;
        }
    }
    for mut row in result.rows {
        let Some((at, _)) = later.get(row.number - 1) else {
            continue;
        };
        row.number = at + 1;
        if row.change != Change::Updated {
            continue;
        }
        match written
            .rows
            .iter_mut()
            .find(|other| other.number == row.number)
        {
            Some(other) if other.change == Change::Inserted => {}
            Some(other) => {
                other.change = Change::Updated;
                other.columns.append(&mut row.columns);
            }
            None => written.rows.push(row),
        }
    }
}

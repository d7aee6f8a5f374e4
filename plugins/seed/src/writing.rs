//! One set, in one transaction.

use std::collections::BTreeMap;

use orchestrator_sdk::postgres::{Connection, Isolation, Step, Transaction, TransactionOptions};
use orchestrator_sdk::streams::{ByteSource, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind};
use seeds::Set;
use serde::Serialize;
use sql::Statement;

/// What a set has done.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    set: String,
    tables: BTreeMap<String, Changes>,
}

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    inserted: i64,
    updated: i64,
    deleted: i64,
}

/// As the server counts for the session.
const CHANGES: &str = "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname AS name, \
     pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted, pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated, \
     pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
     AND pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) \
     + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) > 0 ORDER BY 1";

/// Writes a set, or undoes it again when it is only to be seen what it would do.
pub fn write(connection: &Connection, set: &Set, dry_run: bool) -> Result<Written, Error> {
    let statements = set.statements().map_err(Error::invalid_input)?;
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        snapshot: None,
    })?;
    let before = counts(&transaction)?;
    for statement in &statements {
        let options = TransferOptions {
            label: format!("{}, line {}", set.name, statement.line),
            expected_bytes: 0,
        };
        transaction
            .run_script(vec![step(statement)], &options)
            .and_then(|running| running.wait())
            .map_err(|error| at_line(error, set, statement))?;
    }
    let mut tables = counts(&transaction)?;
    for (table, changes) in &mut tables {
        let before = before.get(table).copied().unwrap_or_default();
        changes.inserted -= before.inserted;
        changes.updated -= before.updated;
        changes.deleted -= before.deleted;
    }
    tables.retain(|_, changes| *changes != Changes::default());
    match dry_run {
        true => Transaction::rollback(transaction)?,
        false => Transaction::commit(transaction)
            .map_err(|error| error.while_doing(format_args!("writing the set {}", set.name)))?,
    }
    Ok(Written {
        set: set.name.clone(),
        tables,
    })
}

/// What the session has done that the server has not counted as over yet: of transactions just before, too.
fn counts(transaction: &Transaction) -> Result<BTreeMap<String, Changes>, Error> {
    let mut tables = BTreeMap::new();
    transaction.query(CHANGES, &[])?.for_each(|row| {
        let changes = Changes {
            inserted: row.get("inserted")?,
            updated: row.get("updated")?,
            deleted: row.get("deleted")?,
        };
        tables.insert(row.get("name")?, changes);
        Ok(())
    })?;
    Ok(tables)
}

fn step(statement: &Statement<'_>) -> Step {
    match statement.copy_data {
        Some(rows) => Step::CopyIn((
            statement.text.to_owned(),
            ByteSource::from_bytes(rows.as_bytes()),
        )),
        None => Step::Statement(statement.text.to_owned()),
    }
}

fn at_line(error: Error, set: &Set, statement: &Statement<'_>) -> Error {
    if error.kind == ErrorKind::Cancelled {
        return error;
    }
    error.while_doing(format_args!(
        "writing the set {}, line {}",
        set.name, statement.line
    ))
}

/// By table, over all sets.
pub fn totals(written: &[Written]) -> BTreeMap<&str, Changes> {
    let mut totals: BTreeMap<&str, Changes> = BTreeMap::new();
    for (table, changes) in written.iter().flat_map(|set| &set.tables) {
        let total = totals.entry(table).or_default();
        total.inserted += changes.inserted;
        total.updated += changes.updated;
        total.deleted += changes.deleted;
    }
    totals
}

/// `User: 5 inserted · Doctor: 1 updated`
pub fn summary(totals: &BTreeMap<&str, Changes>) -> String {
    let tables = totals.iter().map(|(table, changes)| {
        let counts = [
            (changes.inserted, "inserted"),
            (changes.updated, "updated"),
            (changes.deleted, "deleted"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        format!("{table}: {}", told.join(", "))
    });
    let tables: Vec<String> = tables.collect();
    match tables.is_empty() {
        true => "nothing to change".to_owned(),
        false => tables.join(" · "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_summed_over_all_sets() {
        let set = |inserted, updated| Written {
            set: "a".into(),
            tables: [(
                "User".to_owned(),
                Changes {
                    inserted,
                    updated,
                    deleted: 0,
                },
            )]
            .into(),
        };
        assert_eq!(
            summary(&totals(&[set(5, 0), set(1, 2)])),
            "User: 6 inserted, 2 updated"
        );
        assert_eq!(summary(&totals(&[])), "nothing to change");
    }
}

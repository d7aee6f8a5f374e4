//! What a seed plugin is given.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::changes::{Changes, Written};
use super::numbers::Numbers;
use super::transaction::Transaction;
use crate::postgres::{self, Connection, Target};
use crate::{Error, Operation, run};

/// A plugin that seeds. See [`export_seed!`](crate::export_seed).
pub trait Seed {
    /// The parameters of a step, as `plugin.toml` declares them, besides `database`.
    type Parameters: DeserializeOwned;

    /// Writes the rows. What it leaves to the context to write is rolled back in a dry run.
    fn seed(context: &Context<Self::Parameters>) -> Result<(), Error>;
}

/// Makes a type that implements [`Seed`] the plugin of this crate.
#[macro_export]
macro_rules! export_seed {
    ($seed:ty) => {
        $crate::export!($crate::seed::Plugin<$seed>);
    };
}

/// The database, the parameters, and what has been written so far.
pub struct Context<P> {
    /// As the step gives them.
    pub parameters: P,
    /// Whether everything is rolled back at the end.
    pub dry_run: bool,
    connection: Connection,
    /// In a dry run, the one transaction that everything is written in: later rows refer to earlier ones.
    rehearsal: Option<Transaction>,
    changes: RefCell<Vec<(String, Changes)>>,
}

impl<P> Context<P> {
    /// Does something in one transaction: all of it stays, or nothing. In a dry run, nothing.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(rehearsal) = &self.rehearsal {
            return rehearsal.attempt(|| work(rehearsal));
        }
        let transaction = Transaction::begin(&self.connection)?;
        let result = work(&transaction)?;
        let changes = transaction.changes();
        transaction.commit()?;
        for (table, changes) in changes {
            self.note(&table, changes);
        }
        Ok(result)
    }

    /// A table to write rows into, in a transaction of their own. See [`Transaction::table`].
    pub fn table<'a>(&'a self, name: &'a str) -> OwnTransaction<'a, P> {
        OwnTransaction {
            context: self,
            name,
            key: None,
        }
    }

    /// Numbers for a column of a row: the same in every run and on every machine.
    pub fn random(&self, table: &str, column: &str, row: u64) -> Numbers {
        Numbers::new("", table, column, row)
    }

    /// The connection, for what the context has no function for.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn note(&self, table: &str, changes: Changes) {
        let mut all = self.changes.borrow_mut();
        match all.iter_mut().find(|(name, _)| name == table) {
            Some((_, known)) => *known += changes,
            None => all.push((table.to_owned(), changes)),
        }
    }
}

/// A table whose rows are written in a transaction of their own.
pub struct OwnTransaction<'a, P> {
    context: &'a Context<P>,
    name: &'a str,
    key: Option<Vec<String>>,
}

impl<P> OwnTransaction<'_, P> {
    /// As [`Table::key`](super::Table::key).
    #[must_use]
    pub fn key<K: Into<String>>(mut self, names: impl IntoIterator<Item = K>) -> Self {
        self.key = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// As [`Table::upsert`](super::Table::upsert).
    pub fn upsert<R: Serialize>(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Written, Error> {
        self.context.transaction(|transaction| {
            let table = transaction.table(self.name);
            match &self.key {
                Some(key) => table.key(key.iter().map(String::as_str)).upsert(rows),
                None => table.upsert(rows),
            }
        })
    }
}

/// A reference by key: `by([("email", "alice@example.com")])` instead of an id.
pub fn by<V: Into<Value>>(columns: impl IntoIterator<Item = (&'static str, V)>) -> Value {
    let columns: Map<String, Value> = columns
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    columns.into()
}

/// What [`export_seed!`](crate::export_seed) exports.
pub struct Plugin<S>(PhantomData<S>);

/// The parameters of a seed plugin, beside its own.
#[derive(Deserialize)]
pub struct SeedParameters<P> {
    database: String,
    #[serde(flatten)]
    own: P,
}

impl<S: Seed> Operation for Plugin<S> {
    type Parameters = SeedParameters<S::Parameters>;

    fn execute(parameters: Self::Parameters, dry_run: bool) -> Result<Value, Error> {
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        let rehearsal = match dry_run {
            true => Some(Transaction::rehearse(&connection)?),
            false => None,
        };
        let context = Context {
            parameters: parameters.own,
            dry_run,
            connection,
            rehearsal,
            changes: RefCell::default(),
        };
        S::seed(&context)?;
        let changes = match context.rehearsal {
            Some(rehearsal) => {
                let changes = rehearsal.changes();
                rehearsal.rollback()?;
                changes
            }
            None => context.changes.into_inner(),
        };
        let summary: Vec<String> = changes
            .iter()
            .map(|(table, changes)| format!("{table}: {changes}"))
            .collect();
        run::info(&summary.join(" · "));
        Ok(json!({
            "database": context.connection.server().database,
            "tables": changes.iter().map(|(table, changes)| json!({"table": table, "changes": changes})).collect::<Vec<Value>>(),
            "summary": summary.join(" · "),
        }))
    }
}

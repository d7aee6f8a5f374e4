//! A transaction that rows are written in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

use super::changes::Changes;
use super::relation::Relation;
use super::shape::Relations;
use super::table::Table;
use crate::postgres::{self, Connection, Isolation, TransactionOptions, quote_identifier};
use crate::{Error, ErrorKind};

/// A transaction; dropped, it is rolled back. Everything that a [`postgres::Transaction`] does, it does too.
pub struct Transaction {
    inner: postgres::Transaction,
    by_oid: RefCell<BTreeMap<u32, Relation>>,
    by_name: RefCell<BTreeMap<String, u32>>,
    changes: RefCell<Vec<(String, Changes)>>,
    savepoints: Cell<u32>,
    is_rehearsal: bool,
}

impl Transaction {
    /// Begins one, in the schema that the database's URL names.
    pub fn begin(connection: &Connection) -> Result<Self, Error> {
        Self::begin_as(connection, false)
    }

    /// Begins one that is to be rolled back, for a dry run: what a rollback does not undo (the place of a sequence) is left alone.
    pub fn rehearse(connection: &Connection) -> Result<Self, Error> {
        Self::begin_as(connection, true)
    }

    fn begin_as(connection: &Connection, is_rehearsal: bool) -> Result<Self, Error> {
        let inner = connection.begin(&TransactionOptions {
            isolation: Isolation::ReadCommitted,
            read_only: false,
            snapshot: None,
        })?;
        if let Some(schema) = connection.schema() {
            let path = quote_identifier(&schema);
            inner.query_one(
                "SELECT pg_catalog.set_config('search_path', $1, true)",
                &[path.into()],
            )?;
        }
        Ok(Self {
            inner,
            by_oid: RefCell::default(),
            by_name: RefCell::default(),
            changes: RefCell::default(),
            savepoints: Cell::new(0),
            is_rehearsal,
        })
    }

    /// A table to write rows into: its name as the catalog has it (`User`), in the search path, or with its schema (`sales.Order`).
    pub fn table(&self, name: &str) -> Table<'_> {
        Table::new(self, name)
    }

    /// What the catalog says of a table.
    pub fn relation(&self, name: &str) -> Result<Relation, Error> {
        let known = self.by_name.borrow().get(name).copied();
        if let Some(oid) = known {
            return Relations::relation(self, oid);
        }
        let relation = Relation::named(&self.inner, name)?;
        self.by_name
            .borrow_mut()
            .insert(name.to_owned(), relation.oid);
        self.by_oid
            .borrow_mut()
            .insert(relation.oid, relation.clone());
        Ok(relation)
    }

    /// What has been written, by table, in the order in which tables were first written into.
    pub fn changes(&self) -> Vec<(String, Changes)> {
        self.changes.borrow().clone()
    }

    /// Keeps what was written; a rehearsal is refused.
    pub fn commit(self) -> Result<(), Error> {
        if self.is_rehearsal {
            return Err(Error::internal(
                "a rehearsal is rolled back, and not committed",
            ));
        }
        postgres::Transaction::commit(self.inner)
    }

    /// Takes back what was written.
    pub fn rollback(self) -> Result<(), Error> {
        postgres::Transaction::rollback(self.inner)
    }

    /// Does something that leaves the transaction usable when it fails: then nothing of it stays.
    pub fn attempt<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let number = self.savepoints.get();
        self.savepoints.set(number + 1);
        let name = format!("seed_{number}");
        self.inner.execute(&format!("SAVEPOINT {name}"), &[])?;
        let result = work();
        self.savepoints.set(number);
        match &result {
            Ok(_) => {
                self.inner
                    .execute(&format!("RELEASE SAVEPOINT {name}"), &[])?;
            }
            // The host stops: what is left to do is its own.
            Err(error) if error.kind == ErrorKind::Cancelled => {}
            Err(_) => {
                self.inner
                    .execute(&format!("ROLLBACK TO SAVEPOINT {name}"), &[])?;
            }
        }
        result
    }

    pub(super) fn is_rehearsal(&self) -> bool {
        self.is_rehearsal
    }

    pub(super) fn note(&self, table: &str, changes: Changes) {
        let mut all = self.changes.borrow_mut();
        match all.iter_mut().find(|(name, _)| name == table) {
            Some((_, known)) => *known += changes,
            None => all.push((table.to_owned(), changes)),
        }
    }
}

impl Deref for Transaction {
    type Target = postgres::Transaction;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl Relations for Transaction {
    fn relation(&self, oid: u32) -> Result<Relation, Error> {
        let known = self.by_oid.borrow().get(&oid).cloned();
        if let Some(relation) = known {
            return Ok(relation);
        }
        let relation = Relation::of(&self.inner, oid)?;
        self.by_oid.borrow_mut().insert(oid, relation.clone());
        Ok(relation)
    }
}

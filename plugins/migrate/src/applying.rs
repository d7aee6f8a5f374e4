//! Applies one migration: all of it and its row in the history in one transaction, or statement by statement.

use std::cell::Cell;

use history::{History, session};
use migrations::{Migration, checksum};
use orchestrator_sdk::postgres::{Connection, Isolation, Step, Transaction, TransactionOptions};
use orchestrator_sdk::streams::{ByteSource, Transfer, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind, run};
use serde::Serialize;
use sql::{Kind, Statement, kind};

use crate::Parameters;
use crate::downtime::{self, Held, Locks};
use crate::leftovers;
use crate::progress::{Progress, Stand};
use crate::scripts::{Script, Unit};

/// How often the locks are looked at: much finer than what is told of them.
const SAMPLE_MS: u32 = 10;

/// Between two attempts at a lock, doubled each time.
const PAUSE_MS: u32 = 500;
const PAUSE_MS_MAX: u32 = 30_000;

/// lock_not_available, deadlock_detected: others were in the way, and may be gone the next time.
const IN_THE_WAY: [&str; 2] = ["55P03", "40P01"];

/// What migrations are applied with.
pub struct Applier<'a> {
    connection: &'a Connection,
    /// Its server process.
    process: i32,
    /// Looks at the locks of the other one.
    watcher: &'a Connection,
    history: &'a History,
    /// Nothing was set in the session since it was prepared.
    is_fresh: Cell<bool>,
    parameters: &'a Parameters,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    pub name: String,
    pub ms: u64,
    pub statements: usize,
    /// Since somebody was in the way.
    pub attempts: u32,
    /// Why not in one transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<String>,
    /// The longest time that somebody could not use a table.
    pub downtime_ms: u64,
    pub locks: Vec<Held>,
    /// Of a dry run: why nothing of it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_tried: Option<String>,
}

/// A part of a script that does not run in one transaction.
struct Part<'a> {
    path: &'a str,
    unit: &'a Unit,
    statements: &'a [Statement<'a>],
    /// Of its first statement.
    position: usize,
    text: String,
    stand: Stand,
}

impl<'a> Applier<'a> {
    /// For a session, with another one beside it.
    pub fn new(
        connection: &'a Connection,
        watcher: &'a Connection,
        history: &'a History,
        parameters: &'a Parameters,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection,
            process: session::process(connection)?,
            watcher,
            history,
            is_fresh: Cell::new(false),
            parameters,
        })
    }

    /// Applies a migration. An error tells where in the script it happened; the history has it too.
    pub fn apply(&self, migration: &Migration, script: &Script<'_>) -> Result<Applied, Error> {
        self.prepare()?;
        self.is_fresh.set(!script.sets_something);
        let began = run::now();
        let mut attempts = 0;
        let held = match &script.apart {
            None => self.retried(&mut attempts, || self.whole(migration, script))?,
            Some(_) => self.apart(migration, script, &mut attempts)?,
        };
        Ok(Applied {
            name: migration.name.clone(),
            ms: run::now().saturating_sub(began),
            statements: script.statements.len(),
            attempts: attempts.max(1),
            apart: script.apart.clone(),
            downtime_ms: downtime::longest(&held),
            locks: held,
            not_tried: None,
        })
    }

    /// Takes a migration back by its down.sql, in one transaction with its row in the history.
    pub fn take_back(&self, name: &str, script: &Script<'_>) -> Result<Applied, Error> {
        self.prepare()?;
        self.is_fresh.set(!script.sets_something);
        let began = run::now();
        let mut attempts = 0;
        let held = self.retried(&mut attempts, || {
            self.in_transaction(|transaction| {
                let locks = self.run_in(transaction, &script.path, &script.statements)?;
                self.history.take_back(transaction, name)?;
                Ok(locks)
            })
        })?;
        Ok(Applied {
            name: name.to_owned(),
            ms: run::now().saturating_sub(began),
            statements: script.statements.len(),
            attempts,
            apart: None,
            downtime_ms: downtime::longest(&held),
            locks: held,
            not_tried: None,
        })
    }

    /// Tries migrations one after another in a transaction that is rolled back. What cannot be in one is not tried, and neither is
    /// what comes after it, which may need it.
    pub fn rehearse(&self, wanted: &[(&Migration, Script<'_>)]) -> Result<Vec<Applied>, Error> {
        self.prepare()?;
        let mut attempts = 0;
        self.retried(&mut attempts, || {
            let transaction = self.begin()?;
            let tried = self.tried(&transaction, wanted);
            // A failure of the rollback adds nothing to why something failed, and the session ends anyway.
            let rolled_back = Transaction::rollback(transaction);
            let tried = tried?;
            rolled_back?;
            Ok(tried)
        })
    }

    fn tried(
        &self,
        transaction: &Transaction,
        wanted: &[(&Migration, Script<'_>)],
    ) -> Result<Vec<Applied>, Error> {
        let mut tried: Vec<Applied> = Vec::with_capacity(wanted.len());
        let mut stopped: Option<String> = None;
        for (migration, script) in wanted {
            run::phase(&format!("trying {}", migration.name));
            let began = run::now();
            if stopped.is_none()
                && let Some(why) = &script.apart
            {
                stopped = Some(format!("{}: {why} cannot be rolled back", migration.name));
            }
            let mut held = Vec::new();
            if stopped.is_none() {
                held = self
                    .run_in(transaction, &script.path, &script.statements)?
                    .end(run::now());
                // Those that an earlier one took are its.
                held.retain(|lock| {
                    let mut before = tried.iter().flat_map(|each| &each.locks);
                    !before.any(|other| other.relation == lock.relation && other.lock >= lock.lock)
                });
            }
            tried.push(Applied {
                name: migration.name.clone(),
                ms: run::now().saturating_sub(began),
                statements: script.statements.len(),
                attempts: 1,
                apart: script.apart.clone(),
                downtime_ms: downtime::longest(&held),
                locks: held,
                not_tried: stopped.clone(),
            });
        }
        Ok(tried)
    }

    /// A session as every migration finds it: what a script has set is forgotten, and waiting is limited.
    fn prepare(&self) -> Result<(), Error> {
        if self.is_fresh.get() {
            return Ok(());
        }
        session::reset(self.connection)?;
        session::set(
            self.connection,
            "lock_timeout",
            &self.parameters.lock_timeout,
        )?;
        if let Some(timeout) = &self.parameters.statement_timeout {
            session::set(self.connection, "statement_timeout", timeout)?;
        }
        self.is_fresh.set(true);
        Ok(())
    }

    /// Tries again, later each time, when somebody was in the way: those who wait behind this migration get a turn.
    fn retried<T>(
        &self,
        attempts: &mut u32,
        mut work: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pause = PAUSE_MS;
        loop {
            *attempts += 1;
            match work() {
                Err(error) if in_the_way(&error) && *attempts < self.parameters.lock_attempts => {
                    run::info(&format!("{}; trying again in {} ms", error.message, pause));
                    run::sleep(pause)?;
                    pause = (pause * 2).min(PAUSE_MS_MAX);
                }
                Err(error) if in_the_way(&error) && error.hint.is_none() => {
                    return Err(error.hint(
                        "somebody uses the table for longer than --lock-timeout: look at pg_stat_activity, or try more often: --lock-attempts",
                    ));
                }
                other => return other,
            }
        }
    }

    /// In one transaction, its row in the history included: after a crash either all of it is there or nothing.
    fn whole(&self, migration: &Migration, script: &Script<'_>) -> Result<Vec<Held>, Error> {
        let id = history::new_id();
        let checksum = checksum::of(migration.script.as_deref().unwrap_or_default());
        let ran = self.in_transaction(|transaction| {
            let locks = self.run_in(transaction, &script.path, &script.statements)?;
            self.history
                .applied(transaction, &id, &migration.name, &checksum)?;
            Ok(locks)
        });
        if let Err(error) = &ran
            && !in_the_way(error)
            && error.sqlstate.is_some()
        {
            let begun = self
                .history
                .begin(self.connection, &id, &migration.name, &checksum);
            // Where the connection is gone, so is the transaction: there is nothing to settle.
            if begun.is_ok() {
                self.record_failure(&id, error);
            }
        }
        ran
    }

    /// Commits what has succeeded, and rolls back what has not.
    fn in_transaction(
        &self,
        work: impl FnOnce(&Transaction) -> Result<Locks, Error>,
    ) -> Result<Vec<Held>, Error> {
        let transaction = self.begin()?;
        match work(&transaction) {
            Ok(locks) => {
                Transaction::commit(transaction)?;
                Ok(locks.end(run::now()))
            }
            Err(error) => {
                // A failure of the rollback adds nothing to why it was rolled back.
                let _ = Transaction::rollback(transaction);
                Err(error)
            }
        }
    }

    fn begin(&self) -> Result<Transaction, Error> {
        self.connection.begin(&TransactionOptions {
            isolation: Isolation::ReadCommitted,
            read_only: false,
            snapshot: None,
        })
    }

    /// All statements of a script in a transaction, whose end somebody else decides.
    fn run_in(
        &self,
        transaction: &Transaction,
        path: &str,
        statements: &[Statement<'_>],
    ) -> Result<Locks, Error> {
        let mut locks = Locks::default();
        for statement in statements {
            let transfer = transaction.run_script(steps(statement), &options(path, statement))?;
            self.watch(&transfer, &mut locks)
                .map_err(|error| at_line(error, path, statement))?;
        }
        // What was too short to be seen while it ran is held still.
        downtime::sample(self.watcher, self.process, run::now, &mut locks)?;
        Ok(locks)
    }

    /// Part by part; what is done is noted, with the part itself where that can be in a transaction, and not done again.
    fn apart(
        &self,
        migration: &Migration,
        script: &Script<'_>,
        attempts: &mut u32,
    ) -> Result<Vec<Held>, Error> {
        let id = history::new_id();
        let checksum = checksum::of(migration.script.as_deref().unwrap_or_default());
        let progress = Progress::read(self.connection, &migration.name)?;
        self.history
            .begin(self.connection, &id, &migration.name, &checksum)?;
        let mut held: Vec<Held> = Vec::new();
        for unit in &script.units {
            let statements = &script.statements[unit.positions()];
            let Some(first) = statements.first() else {
                continue;
            };
            let text: Vec<&str> = statements.iter().map(|statement| statement.text).collect();
            let part = Part {
                path: &script.path,
                unit,
                statements,
                position: unit.positions().start,
                text: text.join(";\n"),
                stand: Stand::New,
            };
            let stand = progress.stand(part.position, &part.text)?;
            if stand == Stand::Done {
                run::info(&format!(
                    "{}, line {}: done before",
                    script.path, first.line
                ));
                continue;
            }
            let part = Part { stand, ..part };
            let mut tries = 0;
            let ran = self.retried(&mut tries, || self.part(&progress, &part));
            *attempts = (*attempts).max(tries);
            match ran {
                Ok(locks) => held.extend(locks),
                Err(error) => {
                    self.record_failure(&id, &error);
                    // Some of it may be there: a way back has something to take back.
                    run::fact("partly-applied", &migration.name)?;
                    return Err(error);
                }
            }
        }
        // Together: a row that is finished has nothing to go on with.
        let transaction = self.begin()?;
        self.history.finish(&transaction, &id)?;
        progress.forget(&transaction)?;
        Transaction::commit(transaction)?;
        Ok(held)
    }

    /// Why it failed. Its row says that it did not end, whatever happens here.
    fn record_failure(&self, id: &str, error: &Error) {
        let text = logs(error);
        let noted = self
            .history
            .fail(self.connection, id, &text)
            .or_else(|_| self.history.fail(self.watcher, id, &text));
        if let Err(second) = noted {
            run::warn(&format!(
                "_prisma_migrations does not say why the migration failed: {}",
                second.message
            ));
        }
    }

    fn part(&self, progress: &Progress, part: &Part<'_>) -> Result<Vec<Held>, Error> {
        match part.unit {
            Unit::Statement(_) => self.in_transaction(|transaction| {
                let locks = self.run_in(transaction, part.path, part.statements)?;
                progress.finish(transaction, part.position, &part.text)?;
                Ok(locks)
            }),
            Unit::Transaction(_) => {
                let mut locks = Locks::default();
                let ran = self.own_transaction(progress, part, &mut locks);
                if ran.is_err() {
                    let rollback = Step::Statement("ROLLBACK".to_owned());
                    let options = options(part.path, &part.statements[0]);
                    // As above.
                    let _ = self
                        .connection
                        .run_script(vec![rollback], false, &options)
                        .and_then(|transfer| transfer.wait());
                }
                ran?;
                Ok(locks.end(run::now()))
            }
            Unit::Alone(_) => self.alone(progress, part),
        }
    }

    /// A transaction that the script begins and ends.
    fn own_transaction(
        &self,
        progress: &Progress,
        part: &Part<'_>,
        locks: &mut Locks,
    ) -> Result<(), Error> {
        let path = part.path;
        for (at, statement) in part.statements.iter().enumerate() {
            let is_last = at + 1 == part.statements.len();
            if is_last {
                downtime::sample(self.watcher, self.process, run::now, locks)?;
            }
            if is_last
                && matches!(
                    kind(statement.text),
                    Kind::TransactionControl("COMMIT" | "END")
                )
            {
                progress.finish(self.connection, part.position, &part.text)?;
            }
            let options = options(path, statement);
            let transfer = self
                .connection
                .run_script(steps(statement), false, &options)?;
            self.watch(&transfer, locks)
                .map_err(|error| at_line(error, path, statement))?;
        }
        Ok(())
    }

    /// What the server runs in no transaction. When an earlier attempt was cut, it may be done already.
    fn alone(&self, progress: &Progress, part: &Part<'_>) -> Result<Vec<Held>, Error> {
        let (path, statement) = (part.path, &part.statements[0]);
        if part.stand == Stand::Begun && leftovers::is_done(self.watcher, statement.text)? {
            run::info(&format!(
                "{path}, line {}: an earlier attempt was cut, and has done it",
                statement.line
            ));
            progress.finish(self.watcher, part.position, &part.text)?;
            return Ok(Vec::new());
        }
        let invalid = leftovers::invalid_indexes(self.watcher)?;
        progress.begin(self.watcher, part.position, &part.text)?;
        let mut locks = Locks::default();
        let options = options(path, statement);
        let transfer = self
            .connection
            .run_script(steps(statement), false, &options)?;
        match self.watch(&transfer, &mut locks) {
            Ok(()) => {
                progress.finish(self.watcher, part.position, &part.text)?;
                Ok(locks.end(run::now()))
            }
            Err(error) => {
                let error = leftovers::removed(self.watcher, &invalid, error);
                if error.sqlstate.is_some() {
                    progress.forget_part(self.watcher, part.position)?;
                }
                Err(at_line(error, path, statement))
            }
        }
    }

    /// Waits for a statement, and looks at its locks meanwhile.
    fn watch(&self, transfer: &Transfer, locks: &mut Locks) -> Result<(), Error> {
        while transfer.wait_up_to(SAMPLE_MS)?.is_none() {
            downtime::sample(self.watcher, self.process, run::now, locks)?;
        }
        Ok(())
    }
}

fn in_the_way(error: &Error) -> bool {
    let sqlstate = error.sqlstate.as_deref().unwrap_or_default();
    IN_THE_WAY.contains(&sqlstate)
}

fn steps(statement: &Statement<'_>) -> Vec<Step> {
    match statement.copy_data {
        Some(rows) => {
            // One source: a script's COPY reads one stream.
            let rows = ByteSource::from_bytes(rows.as_bytes());
            vec![Step::CopyIn((statement.text.to_owned(), rows))]
        }
        None => vec![Step::Statement(statement.text.to_owned())],
    }
}

fn options(path: &str, statement: &Statement<'_>) -> TransferOptions {
    TransferOptions {
        label: format!("{path}, line {}", statement.line),
        expected_bytes: 0,
    }
}

/// Where it happened.
fn at_line(error: Error, path: &str, statement: &Statement<'_>) -> Error {
    if matches!(error.kind, ErrorKind::Cancelled) {
        return error;
    }
    error.while_doing(format_args!("{path}, line {}", statement.line))
}

/// What the history keeps of an error.
fn logs(error: &Error) -> String {
    let mut text = format!("A migration failed to apply. {}", error.message);
    for (name, value) in [
        ("Database error code", &error.sqlstate),
        ("Detail", &error.detail),
        ("Hint", &error.hint),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("\n\n{name}: {value}"));
        }
    }
    text
}

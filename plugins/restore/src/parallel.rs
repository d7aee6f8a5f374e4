//! Tasks of a schedule on several connections, one script on each at a time.

use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::streams::{Receipt, Transfer, TransferOptions, wait_any};
use orchestrator_sdk::{Error, run};

use crate::failures::Failures;
use crate::schedule::Schedule;

/// The SQLSTATE `deadlock_detected`.
const DEADLOCK: &str = "40P01";

/// How often one task may lose against others before its error counts.
const ATTEMPTS: usize = 3;

/// What a task runs.
pub struct Script {
    /// In their order.
    pub steps: Vec<Step>,
    /// In one transaction.
    pub atomic: bool,
    /// What progress calls it.
    pub label: String,
    /// For progress; 0 when unknown.
    pub expected_bytes: u64,
}

/// The work behind the numbers of a schedule.
pub trait Work {
    /// The script of a task. Asked for again when the server chose the task as a deadlock's victim.
    fn script(&self, task: u32) -> Result<Script, Error>;
    /// The entry that a task restores, or a part of.
    fn entry(&self, task: u32) -> u32;
    /// A task has ended well.
    fn done(&mut self, task: u32, receipt: &Receipt) -> Result<(), Error>;
    /// What errors call the task.
    fn name(&self, task: u32) -> String;
}

struct Running<'a> {
    task: u32,
    connection: &'a Connection,
    transfer: Transfer,
}

/// Runs all tasks. A failure that is not taken ends it, and what runs then is cancelled: those connections cannot be used again.
pub fn run_all(
    connections: &[Connection],
    mut schedule: Schedule,
    work: &mut dyn Work,
    failures: &Failures,
) -> Result<(), Error> {
    let mut free: Vec<&Connection> = connections.iter().collect();
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut victims: Vec<u32> = Vec::new();
    loop {
        run::check_cancelled()?;
        while let Some(connection) = free.pop() {
            let Some(task) = schedule.begin() else {
                free.push(connection);
                break;
            };
            match begin(connection, task, work) {
                Ok(begun) => running.push(begun),
                Err(error) => {
                    failures.take(work.entry(task), &work.name(task), error)?;
                    schedule.finish(task);
                    free.push(connection);
                }
            }
        }
        if running.is_empty() {
            // A victim of a deadlock runs again when nothing else does.
            if let Some(task) = victims
                .iter()
                .copied()
                .find(|task| !schedule.is_done(*task))
            {
                let Some(connection) = free.pop() else {
                    return Err(Error::internal(
                        "no connection is free although nothing runs",
                    ));
                };
                running.push(begin(connection, task, work)?);
            } else if schedule.break_circle().is_none() {
                return Ok(());
            } else {
                continue;
            }
        }
        let handles: Vec<&Transfer> = running.iter().map(|running| &running.transfer).collect();
        let ended = wait_any(&handles)? as usize;
        let Running {
            task,
            connection,
            transfer,
        } = running.swap_remove(ended);
        free.push(connection);
        match transfer.wait() {
            Ok(receipt) => {
                if let Err(error) = work.done(task, &receipt) {
                    failures.take(work.entry(task), &work.name(task), error)?;
                }
                schedule.finish(task);
            }
            Err(error)
                if is_deadlock(&error)
                    && victims.iter().filter(|victim| **victim == task).count() < ATTEMPTS =>
            {
                run::info(&format!(
                    "{} was the victim of a deadlock and is tried again",
                    work.name(task)
                ));
                victims.push(task);
            }
            Err(error) => {
                failures.take(work.entry(task), &work.name(task), error)?;
                schedule.finish(task);
            }
        }
    }
}

fn begin<'a>(connection: &'a Connection, task: u32, work: &dyn Work) -> Result<Running<'a>, Error> {
    let script = work.script(task)?;
    let options = TransferOptions {
        label: script.label,
        expected_bytes: script.expected_bytes,
    };
    let transfer = connection.run_script(script.steps, script.atomic, &options)?;
    Ok(Running {
        task,
        connection,
        transfer,
    })
}

fn is_deadlock(error: &Error) -> bool {
    error.sqlstate.as_deref() == Some(DEADLOCK)
}

//! What the journal's events add up to: every run it knows, as it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::kept::Kept;
use super::lasting::lasting;
use super::record::{RunRecord, Status, StepRecord};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub at: Timestamp,
    pub event: Event,
}

/// What happened. An event that this version does not know makes its line unreadable, and unreadable lines are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The first line after a compaction. Runs that started before `horizon` may be in the table alone.
    Compacted {
        bytes: u64,
        horizon: Option<Timestamp>,
    },
    Started {
        record: Box<RunRecord>,
    },
    Draft(Draft),
    DraftClosed {
        run: Uuid,
        prefix: String,
    },
    /// It was removed while its last requests may still have been on their way.
    DraftRemoved {
        run: Uuid,
        prefix: String,
    },
    Scratch(Scratch),
    ScratchClosed {
        run: Uuid,
        name: String,
    },
    Role(LoginRole),
    RoleClosed {
        run: Uuid,
        name: String,
    },
    Step {
        run: Uuid,
        index: usize,
        step: Box<StepRecord>,
    },
    Fact {
        run: Uuid,
        key: String,
        value: Value,
    },
    Warning {
        run: Uuid,
        message: String,
    },
    Finished {
        record: Box<RunRecord>,
    },
    /// Another machine's run, read from the table.
    Imported {
        record: Box<RunRecord>,
    },
    /// The table holds these runs closed.
    Replayed {
        runs: Vec<Uuid>,
    },
    /// The table is about to be replaced, and every row of it is in the journal.
    Held,
}

/// A set of objects that a run has begun to write, and that exists only once it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The run that writes it.
    pub run: Uuid,
    /// The storage's binding.
    pub storage: String,
    /// Where the storage was then: its URL without secrets.
    pub location: String,
    /// Below which all of its objects lie.
    pub prefix: String,
    /// It was removed once; whatever is there now has arrived after its writer's death.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// A database that a run has created beside another one, and that does not outlive its step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// The run that works in it.
    pub run: Uuid,
    /// The database's binding.
    pub database: String,
    /// Where the server's maintenance database was then: its URL without secrets.
    pub server: String,
    /// Of the scratch database.
    pub name: String,
}

/// A role of the server that a run has made, and that does not outlive its step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRole {
    /// The run whose plugin connects as it.
    pub run: Uuid,
    /// The database's binding.
    pub database: String,
    /// Where that database was then: its URL without secrets.
    pub server: String,
    /// Of the role.
    pub name: String,
}

/// One run, as the journal knows it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub record: Kept,
    /// Begun, and neither published nor removed.
    pub drafts: Vec<Draft>,
    /// Taken, and not dropped.
    pub scratches: Vec<Scratch>,
    /// Made, and not dropped.
    pub roles: Vec<LoginRole>,
    /// Read from the table: another machine answers for it.
    pub imported: bool,
    /// The table holds it closed.
    pub in_table: bool,
    /// The time of its last event.
    pub last_sign: Timestamp,
}

impl Run {
    fn has_leftovers(&self) -> bool {
        !(self.drafts.is_empty() && self.scratches.is_empty() && self.roles.is_empty())
    }
}

/// All runs of the journal. A copy shares them with the original, but for those that change after it was made: somebody
/// may read a copy for long while others write.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    runs: BTreeMap<Uuid, Arc<Run>>,
    /// Older runs may be in the table alone.
    pub horizon: Option<Timestamp>,
    /// Lines that this version cannot read, as they are.
    pub unreadable: Vec<String>,
}

impl History {
    pub fn run(&self, run: Uuid) -> Option<&Run> {
        self.runs.get(&run).map(Arc::as_ref)
    }

    /// In the order of their ids: of when they began.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values().map(Arc::as_ref)
    }

    /// The newest run first.
    pub fn newest_first(&self) -> Vec<&Run> {
        let mut runs: Vec<&Run> = self.runs().collect();
        runs.sort_by_key(|run| std::cmp::Reverse((run.record.started(), run.record.run_id())));
        runs
    }

    /// Takes the next line of the journal.
    pub fn apply(&mut self, line: Line) {
        let Line { at, event } = line;
        match event {
            Event::Compacted { horizon, .. } => self.horizon = horizon,
            Event::Started { record } | Event::Finished { record } => self.take(*record, at, false),
            Event::Imported { record } => self.take(*record, at, true),
            Event::Draft(draft) => {
                if let Some(run) = self.touch(draft.run, at) {
                    run.drafts.push(draft);
                }
            }
            Event::DraftClosed { run, prefix } => {
                // Not a sign of life: a later start may have cleaned up.
                if let Some(run) = self.run_mut(run) {
                    run.drafts.retain(|draft| draft.prefix != prefix);
                }
            }
            Event::DraftRemoved { run, prefix } => {
                let drafts = self.run_mut(run).map(|run| &mut run.drafts);
                let removed = drafts.into_iter().flatten();
                removed
                    .filter(|draft| draft.prefix == prefix)
                    .for_each(|draft| draft.removed = true);
            }
            Event::Scratch(scratch) => {
                if let Some(run) = self.touch(scratch.run, at) {
                    run.scratches.push(scratch);
                }
            }
            Event::ScratchClosed { run, name } => {
                if let Some(run) = self.run_mut(run) {
                    run.scratches.retain(|scratch| scratch.name != name);
                }
            }
            Event::Role(role) => {
                if let Some(run) = self.touch(role.run, at) {
                    run.roles.push(role);
                }
            }
            Event::RoleClosed { run, name } => {
                if let Some(run) = self.run_mut(run) {
                    run.roles.retain(|role| role.name != name);
                }
            }
            Event::Step { run, index, step } => {
                if let Some(record) = self.touch_record(run, at) {
                    match record.steps.get_mut(index) {
                        Some(known) => *known = *step,
                        None => record.steps.push(*step),
                    }
                }
            }
            Event::Fact { run, key, value } => {
                if let Some(record) = self.touch_record(run, at) {
                    record.facts.set(&key, value);
                }
            }
            Event::Warning { run, message } => {
                if let Some(record) = self.touch_record(run, at) {
                    record.warnings.push(message);
                }
            }
            Event::Replayed { runs } => {
                for run in runs {
                    if let Some(run) = self.run_mut(run) {
                        run.in_table = run.record.status().is_closed();
                    }
                }
            }
            Event::Held => {
                self.horizon = None;
                let runs = self.runs.values_mut().map(Arc::make_mut);
                runs.for_each(|run| run.in_table = false);
            }
        }
    }

    fn take(&mut self, record: RunRecord, at: Timestamp, imported: bool) {
        match self.run_mut(record.run_id) {
            Some(run) => {
                if record.status.supersedes(run.record.status()) {
                    run.in_table = imported && record.status.is_closed();
                    run.record = Kept::new(record);
                }
                run.last_sign = at;
            }
            None => {
                let (id, in_table) = (record.run_id, imported && record.status.is_closed());
                let run = Run {
                    record: Kept::new(record),
                    drafts: Vec::new(),
                    scratches: Vec::new(),
                    roles: Vec::new(),
                    imported,
                    in_table,
                    last_sign: at,
                };
                self.runs.insert(id, Arc::new(run));
            }
        }
    }

    fn run_mut(&mut self, run: Uuid) -> Option<&mut Run> {
        self.runs.get_mut(&run).map(Arc::make_mut)
    }

    /// An open run that has given a sign of life. What arrives after its end is not taken.
    fn touch(&mut self, run: Uuid, at: Timestamp) -> Option<&mut Run> {
        if self.run(run)?.record.status().is_closed() {
            return None;
        }
        let run = self.run_mut(run)?;
        run.last_sign = at;
        Some(run)
    }

    fn touch_record(&mut self, run: Uuid, at: Timestamp) -> Option<&mut RunRecord> {
        self.touch(run, at)?.record.open_mut()
    }

    /// The same history in as few lines as it takes, without the runs that the table holds beyond the newest `keep`, but for
    /// those that are asked for however old they are. Returns the new horizon. The lines come one by one, since all of them at once take many times what the runs do.
    pub fn compacted(&self, keep: usize, mut write: impl FnMut(&Line)) -> Option<Timestamp> {
        let mut replayed = Vec::new();
        let mut horizon = self.horizon;
        let lasting = lasting(self);
        for (position, run) in self.newest_first().into_iter().enumerate() {
            let lasts = run.has_leftovers() || lasting.contains(&run.record.run_id());
            if position >= keep && run.in_table && !lasts {
                let after = whole_microsecond_after(run.record.started());
                horizon = Some(horizon.map_or(after, |known| known.max(after)));
                continue;
            }
            let mut line = |event| {
                write(&Line {
                    at: run.last_sign,
                    event,
                });
            };
            let record = Box::new(run.record.whole().into_owned());
            let closed = record.status.is_closed();
            // An open run goes before what it has begun; a closed one after them, since nothing is taken after its end.
            if run.has_leftovers() && !run.imported {
                let mut opened = record.clone();
                opened.status = Status::Running;
                line(Event::Started { record: opened });
                let drafts = run.drafts.iter().cloned().map(Event::Draft);
                let scratches = run.scratches.iter().cloned().map(Event::Scratch);
                let roles = run.roles.iter().cloned().map(Event::Role);
                drafts.chain(scratches).chain(roles).for_each(&mut line);
            }
            line(match (run.imported, closed) {
                (true, _) => Event::Imported { record },
                (false, true) => Event::Finished { record },
                (false, false) => Event::Started { record },
            });
            if run.in_table {
                replayed.push(run.record.run_id());
            }
        }
        if !replayed.is_empty() {
            write(&Line {
                at: Timestamp::now(),
                event: Event::Replayed { runs: replayed },
            });
        }
        horizon
    }
}

fn whole_microsecond_after(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond().saturating_add(1)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::super::record::{ErrorRecord, Trigger, now};
    use super::*;

    fn at(event: Event) -> Line {
        Line { at: now(), event }
    }

    fn started(job: &str) -> RunRecord {
        RunRecord::new(job, Trigger::Cli, "alice", "local")
    }

    fn fold(lines: Vec<Line>) -> History {
        let mut history = History::default();
        lines.into_iter().for_each(|line| history.apply(line));
        history
    }

    fn compacted(history: &History) -> (History, Option<Timestamp>) {
        let mut lines = Vec::new();
        let horizon = history.compacted(0, |line| lines.push(line.clone()));
        (fold(lines), horizon)
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let mut record = started("backup");
        let run = record.run_id;
        let first = at(Event::Started {
            record: Box::new(record.clone()),
        });
        let draft = Draft {
            run,
            storage: "main".into(),
            location: "file:backups".into(),
            prefix: "app/b1/".into(),
            removed: false,
        };
        record.close(Status::Succeeded, None, 0);
        let history = fold(vec![
            first,
            at(Event::Draft(draft.clone())),
            at(Event::Finished {
                record: Box::new(record.clone()),
            }),
            at(Event::Warning {
                run,
                message: "late".into(),
            }),
        ]);
        let run = history.run(run).unwrap();
        assert_eq!((&*run.record.whole(), &run.drafts), (&record, &vec![draft]));
    }

    #[test]
    fn compaction_changes_nothing_but_the_number_of_lines() {
        let mut closed = started("seed");
        closed.close(Status::Failed, None, 1);
        let open = started("backup");
        let draft = Draft {
            run: closed.run_id,
            storage: "main".into(),
            location: "file:b".into(),
            prefix: "p/".into(),
            removed: true,
        };
        let role = |name: &str| LoginRole {
            run: open.run_id,
            database: "app".into(),
            server: "postgresql://u@h:5432/app".into(),
            name: name.into(),
        };
        let lines = vec![
            at(Event::Started {
                record: Box::new(RunRecord {
                    status: Status::Running,
                    finished: None,
                    ..closed.clone()
                }),
            }),
            at(Event::Draft(draft)),
            at(Event::Started {
                record: Box::new(open.clone()),
            }),
            at(Event::Role(role("left"))),
            at(Event::Role(role("dropped"))),
            at(Event::RoleClosed {
                run: open.run_id,
                name: "dropped".into(),
            }),
            at(Event::Warning {
                run: open.run_id,
                message: "slow".into(),
            }),
            at(Event::Finished {
                record: Box::new(closed.clone()),
            }),
            at(Event::Replayed {
                runs: vec![closed.run_id],
            }),
        ];
        let before = fold(lines);
        let (after, horizon) = compacted(&before);
        assert_eq!(horizon, None, "a run with an open draft is never dropped");
        for run in before.runs() {
            let same = after.run(run.record.run_id()).unwrap();
            assert_eq!(
                (
                    same.record.whole(),
                    &same.drafts,
                    &same.roles,
                    same.in_table
                ),
                (run.record.whole(), &run.drafts, &run.roles, run.in_table)
            );
        }
        assert_eq!(after.run(open.run_id).unwrap().roles, [role("left")]);
        assert_eq!(after.runs().count(), 2);
    }

    #[test]
    fn only_what_the_table_holds_is_dropped() {
        let mut replayed = started("backup");
        replayed.close(Status::Succeeded, None, 0);
        let mut fresh = started("backup");
        fresh.close(Status::Succeeded, None, 0);
        let history = fold(vec![
            at(Event::Finished {
                record: Box::new(replayed.clone()),
            }),
            at(Event::Finished {
                record: Box::new(fresh.clone()),
            }),
            at(Event::Replayed {
                runs: vec![replayed.run_id],
            }),
        ]);
        let (after, horizon) = compacted(&history);
        assert!(after.run(replayed.run_id).is_none() && after.run(fresh.run_id).is_some());
        assert!(horizon.unwrap() > replayed.started);
    }

    #[test]
    fn a_damage_is_never_dropped() {
        let mut lines = Vec::new();
        let mut verify = |ended: i64, damage: Option<&str>| {
            let mut record = started("verify");
            let at_hour = now() + jiff::SignedDuration::from_hours(ended - 100);
            record.close(Status::Failed, None, 1);
            (record.started, record.finished) = (at_hour, Some(at_hour));
            record.steps.push(StepRecord {
                plugin: "verify".to_owned(),
                version: "1".to_owned(),
                sha256: String::new(),
                parameters: serde_json::json!({ "storage": "main", "backup": "app/b1" }),
                started: at_hour,
                finished: Some(at_hour),
                status: damage.map_or(Status::Succeeded, |_| Status::Failed),
                result: None,
                error: damage.map(|kind| ErrorRecord {
                    kind: kind.to_owned(),
                    ..ErrorRecord::default()
                }),
            });
            let id = record.run_id;
            lines.push(at(Event::Finished {
                record: Box::new(record),
            }));
            lines.push(at(Event::Replayed { runs: vec![id] }));
            id
        };
        verify(1, Some("corrupt"));
        let damaged = verify(2, Some("corrupt"));
        verify(3, Some("unavailable"));
        let last = verify(4, Some("unavailable"));
        let (after, _) = compacted(&fold(lines.clone()));
        let mut left: Vec<Uuid> = after.runs().map(|run| run.record.run_id()).collect();
        left.sort_unstable();
        assert_eq!(left, [damaged, last]);
    }

    #[test]
    fn what_is_asked_of_the_past_is_never_dropped() {
        let day = |day: i64| now() + jiff::SignedDuration::from_hours(24 * (day - 100));
        let mut lines = Vec::new();
        let mut run = |job: &str, ended: i64, status, proven: &[(&str, &str)]| {
            let mut record = started(job);
            record.close(status, None, 0);
            (record.started, record.finished) = (day(ended), Some(day(ended)));
            for (database, backup) in proven {
                let fact =
                    serde_json::json!({ "database": database, "backup": backup, "seconds": 1 });
                record.facts.set("proven", fact);
            }
            let id = record.run_id;
            lines.push(at(Event::Finished {
                record: Box::new(record),
            }));
            lines.push(at(Event::Replayed { runs: vec![id] }));
            id
        };
        let (succeeded, failed) = (Status::Succeeded, Status::Failed);
        let kept = [
            run("drill", 1, succeeded, &[("app", "b1"), ("shop", "b7")]),
            // A later proof of an older backup than the newest of that database.
            run("drill", 3, failed, &[("app", "b0")]),
            run("drill", 4, succeeded, &[("shop", "b7")]),
            run("backup", 2, succeeded, &[]),
            run("backup", 4, failed, &[]),
        ];
        for ended in 0..2 {
            run("backup", ended, succeeded, &[]);
            run("backup", 2 + ended, failed, &[]);
        }
        let (after, horizon) = compacted(&fold(lines));
        let left: Vec<Uuid> = after.runs().map(|run| run.record.run_id()).collect();
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        assert_eq!(left, kept);
        assert!(after.runs().all(|run| run.in_table) && horizon.is_some());
    }
}

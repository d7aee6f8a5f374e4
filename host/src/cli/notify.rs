//! `orchestrator notify`: who is told of runs, and whether notices arrive.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use clap::{Args, Subcommand};
use serde_json::json;

use super::globals::Globals;
use super::output::Output;
use super::table;
use crate::config::{Config, Name, NoticeKind, Schedules};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::Project;
use crate::notifications::{
    DeliveryOutcome, DeliveryRecord, Notice, Notifications, Phase, Recorder, TableRecorder,
};
use crate::schedules::Ping;

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// List whoever is told of runs
    List,
    /// Send a test notice, wait, and say what became of it
    Test(TestCommand),
}

#[derive(Debug, Args)]
pub(super) struct TestCommand {
    /// The targets: names under [notify] [default: all]
    #[arg(value_name = "NAME")]
    targets: Vec<String>,
    /// Tell the dead man's switch of a schedule of a start and a success; may be repeated. Without names, nobody else is told
    #[arg(long = "ping", value_name = "SCHEDULE")]
    pings: Vec<String>,
}

pub(super) async fn execute(
    command: NotifyCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    match command {
        NotifyCommand::List => list(globals, output),
        NotifyCommand::Test(command) => test(&globals.open_project().await?, command, output).await,
    }
}

fn list(globals: &Globals, output: &Output) -> Result<u8, Failure> {
    let config = globals.load_config()?;
    let targets = &config.notify;
    let document = json!({ "targets": targets.iter().map(|(name, target)| json!({
        "name": name.as_str(),
        "kind": target.channel.kind(),
        "to": target.channel.shown(),
        "on": target.on,
    })).collect::<Vec<_>>() });
    output.result(&document, || {
        if targets.is_empty() {
            return "nobody is told of runs: add [notify.NAME] to orchestrator.toml".to_owned();
        }
        let rows = targets
            .iter()
            .map(|(name, target)| {
                let on: Vec<&str> = target.on.iter().copied().map(NoticeKind::as_str).collect();
                let kind = target.channel.kind().to_owned();
                vec![
                    name.to_string(),
                    kind,
                    target.channel.shown(),
                    on.join(", "),
                ]
            })
            .collect();
        table::table(&["name", "kind", "to", "on"], &[], rows)
    })?;
    Ok(exit::DONE)
}

async fn test(project: &Project, command: TestCommand, output: &Output) -> Result<u8, Failure> {
    let config = &project.config;
    let pings = pings(config, &command.pings)?;
    let names = match command.targets.as_slice() {
        [] if !pings.is_empty() => Vec::new(),
        [] if config.notify.is_empty() => {
            return Err(
                Failure::invalid_input("the configuration names nobody to tell")
                    .hint("add [notify.NAME] to orchestrator.toml"),
            );
        }
        [] => config.notify.keys().cloned().collect(),
        named => targets(project, named)?,
    };
    let mut expected: Vec<String> = names.iter().map(Name::to_string).collect();
    for ping in &pings {
        expected.extend([ping.url().host(), ping.url().host()]);
    }
    let heard = Arc::new(Heard::new(project));
    let redactor = project.log.redactor().clone();
    let notifications = Notifications::start(config, redactor, heard.clone());
    notifications.send(&names, Notice::test(&config.environment().to_string()));
    for ping in &pings {
        notifications.ping(ping, Phase::Start, None);
        notifications.ping(ping, Phase::Success, None);
    }
    let patience = notifications.patience(&names, !pings.is_empty());
    notifications.finish(patience).await;
    let records = heard.records();
    let unknown = missing(expected, &records);
    let all_sent = records
        .iter()
        .all(|record| record.outcome == DeliveryOutcome::Sent);
    output.result(&json!({ "notices": records, "unknown": unknown }), || {
        let line = |record: &DeliveryRecord| match &record.error {
            None => format!("{}: {}\n", record.target, record.outcome),
            Some(error) => format!(
                "{}: {} after {} attempts: {error}\n",
                record.target, record.outcome, record.attempts
            ),
        };
        let lost = |target: &String| format!("{target}: it is not known what became of it\n");
        let lines = records.iter().map(line);
        lines.chain(unknown.iter().map(lost)).collect()
    })?;
    Ok(match all_sent && unknown.is_empty() {
        true => exit::DONE,
        false => exit::FAILED,
    })
}

/// Those of whose notices nothing was heard, as often as that is.
fn missing(mut expected: Vec<String>, records: &[DeliveryRecord]) -> Vec<String> {
    for record in records {
        if let Some(index) = expected.iter().position(|name| *name == record.target) {
            expected.swap_remove(index);
        }
    }
    expected.sort();
    expected
}

/// The switches of schedules.
pub(super) fn pings(config: &Config, named: &[String]) -> Result<Vec<Ping>, Failure> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let schedules = Schedules::read(config);
    let ping = |name: &String| {
        let schedule = schedules.find(name)?;
        schedule.ping.clone().ok_or_else(|| {
            Failure::invalid_input(format!("the schedule {name} has no dead man's switch"))
                .hint("give it `ping` or `ping_file`")
        })
    };
    named.iter().map(ping).collect()
}

/// The names, checked against the configuration.
pub(super) fn targets(project: &Project, named: &[String]) -> Result<Vec<Name>, Failure> {
    let known = &project.config.notify;
    named
        .iter()
        .map(|name| {
            let found = known
                .get_key_value(name.as_str())
                .map(|(name, _)| name.clone());
            found.ok_or_else(|| {
                let failure =
                    Failure::invalid_input(format!("there is no notify target named {name:?}"));
                match known.keys().map(Name::as_str).collect::<Vec<_>>() {
                    names if names.is_empty() => {
                        failure.hint("add [notify.NAME] to orchestrator.toml")
                    }
                    names => failure.hint(format!("there are: {}", names.join(", "))),
                }
            })
        })
        .collect()
}

/// Hears what became of each notice, and keeps it in the table too.
struct Heard {
    records: Mutex<Vec<DeliveryRecord>>,
    table: TableRecorder,
}

impl Heard {
    fn new(project: &Project) -> Self {
        Self {
            records: Mutex::default(),
            table: TableRecorder::new(&project.config),
        }
    }

    fn records(&self) -> Vec<DeliveryRecord> {
        let mut records = self
            .records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        records.sort_by(|a, b| a.target.cmp(&b.target));
        records
    }
}

#[async_trait]
impl Recorder for Heard {
    fn hear(&self, record: &DeliveryRecord) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record.clone());
    }

    async fn record(&self, records: &[DeliveryRecord]) -> Result<(), Failure> {
        self.table.record(records).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_success() {
        let heard = DeliveryRecord {
            id: uuid::Uuid::nil(),
            time: jiff::Timestamp::UNIX_EPOCH,
            target: "hc.example".to_owned(),
            kind: "ping start".to_owned(),
            run: None,
            attempts: 1,
            outcome: DeliveryOutcome::Sent,
            error: None,
        };
        let expected = ["ops", "hc.example", "hc.example"].map(str::to_owned);
        let unknown = missing(expected.to_vec(), std::slice::from_ref(&heard));
        assert_eq!(unknown, ["hc.example", "ops"]);
        assert!(missing(vec![heard.target.clone()], &[heard]).is_empty());
    }
}

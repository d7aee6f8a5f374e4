//! `orchestrator schedule`: what runs by itself, when, and what is wrong with it.

mod kubernetes;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::globals::Globals;
use super::output::Output;
use super::table;
use crate::config::{ConfigError, Place, Schedules};
use crate::database::ProcessEnvironment;
use crate::exit;
use crate::failure::Failure;
use crate::schedules::Schedule;

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// List schedules: when they fire, in words, and what they run
    List,
    /// Show the next fires, on the schedule's clock and in UTC
    Next(NextCommand),
    /// Say what is wrong with schedules: file, line and key; exit code 2 when anything is
    Validate {
        /// Files to look at; by default all of the folder
        files: Vec<PathBuf>,
    },
    /// Write schedules for another engine
    #[command(subcommand)]
    Export(ExportCommand),
}

#[derive(Debug, Args)]
pub(super) struct NextCommand {
    /// The schedule; by default all that are enabled
    name: Option<String>,
    /// At most this many
    #[arg(long, short = 'n', default_value_t = 5, value_name = "N")]
    count: usize,
    /// After this time, as 2026-01-17T02:00:00Z or 2026-01-17; by default after now
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// Write CronJobs of Kubernetes, as YAML, that run the same jobs
    Kubernetes(kubernetes::KubernetesCommand),
}

/// What there is of `--from`.
fn time(text: &str) -> Result<Timestamp, String> {
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
    };
    text.parse()
        .ok()
        .or_else(|| day().map(|zoned| zoned.timestamp()))
        .ok_or_else(|| "write a time as 2026-01-17T02:00:00Z, or a day as 2026-01-17".to_owned())
}

pub(super) fn execute(
    command: ScheduleCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let config = globals.load_config()?;
    let schedules = match &command {
        ScheduleCommand::Validate { files } if !files.is_empty() => {
            Schedules::read_files(&config, files, &ProcessEnvironment::from_process())
        }
        _ => Schedules::read(&config),
    };
    match command {
        ScheduleCommand::List => list(&schedules, output),
        ScheduleCommand::Next(command) => next(&command, &schedules, output),
        ScheduleCommand::Validate { .. } => validate(&schedules, output),
        ScheduleCommand::Export(ExportCommand::Kubernetes(command)) => {
            kubernetes::execute(&command, &schedules, output)
        }
    }
}

fn list(schedules: &Schedules, output: &Output) -> Result<u8, Failure> {
    let now = Timestamp::now();
    let described = |schedule: &Schedule| {
        json!({
            "name": schedule.name.as_str(),
            "file": schedule.file,
            "description": schedule.description,
            "enabled": schedule.enabled,
            "cron": schedule.cron.to_string(),
            "words": schedule.cron.words(),
            "time_zone": schedule.zone_name(),
            "job": schedule.job.as_str(),
            "parameters": schedule.parameters,
            "overlap": schedule.overlap.as_str(),
            "missed": schedule.missed.as_str(),
            "next": schedule.next_after(now).filter(|_| schedule.enabled),
        })
    };
    let document = json!({
        "schedules": schedules.schedules.values().map(described).collect::<Vec<_>>(),
        "problems": problems(schedules),
    });
    output.result(&document, || {
        if schedules.schedules.is_empty() {
            return "there is no schedule yet: write schedules/NAME.toml".to_owned();
        }
        let row = |schedule: &Schedule| {
            let next = schedule.next_after(now).filter(|_| schedule.enabled);
            vec![
                schedule.name.to_string(),
                schedule.cron.words(),
                schedule.zone_name().to_owned(),
                schedule.job.to_string(),
                next.map_or("disabled".to_owned(), |next| local(schedule, next)),
            ]
        };
        let rows = schedules.schedules.values().map(row).collect();
        table::table(&["SCHEDULE", "WHEN", "ZONE", "JOB", "NEXT"], &[], rows)
    })?;
    Ok(warned(schedules))
}

fn next(command: &NextCommand, schedules: &Schedules, output: &Output) -> Result<u8, Failure> {
    let chosen: Vec<&Schedule> = match &command.name {
        Some(name) => vec![schedules.find(name)?],
        None => schedules
            .schedules
            .values()
            .filter(|schedule| schedule.enabled)
            .collect(),
    };
    let from = command.from.unwrap_or_else(Timestamp::now);
    let mut fires: Vec<(Timestamp, &Schedule)> = Vec::new();
    for schedule in chosen {
        let after = |time: &Timestamp| schedule.next_after(*time);
        let of_schedule = std::iter::successors(after(&from), after).take(command.count);
        fires.extend(of_schedule.map(|time| (time, schedule)));
    }
    fires.sort_by(|(a, first), (b, second)| (a, &first.name).cmp(&(b, &second.name)));
    fires.truncate(command.count);
    let fire = |(time, schedule): &(Timestamp, &Schedule)| {
        json!({
            "schedule": schedule.name.as_str(),
            "time": time,
            "local": local(schedule, *time),
            "time_zone": schedule.zone_name(),
            "job": schedule.job.as_str(),
            "enabled": schedule.enabled,
        })
    };
    let document = json!({ "fires": fires.iter().map(fire).collect::<Vec<_>>(), "problems": problems(schedules) });
    output.result(&document, || {
        if fires.is_empty() {
            return "nothing is going to run".to_owned();
        }
        let row = |(time, schedule): &(Timestamp, &Schedule)| {
            vec![
                schedule.name.to_string(),
                local(schedule, *time),
                schedule.zone_name().to_owned(),
                time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                schedule.job.to_string(),
            ]
        };
        table::table(
            &["SCHEDULE", "LOCAL", "ZONE", "UTC", "JOB"],
            &[],
            fires.iter().map(row).collect(),
        )
    })?;
    Ok(warned(schedules))
}

fn validate(schedules: &Schedules, output: &Output) -> Result<u8, Failure> {
    let valid: Vec<Value> = schedules
        .schedules
        .values()
        .map(|schedule| json!({ "name": schedule.name.as_str(), "file": schedule.file, "words": schedule.cron.words() }))
        .collect();
    let document = json!({ "valid": valid, "problems": problems(schedules) });
    output.result(&document, || {
        let mut lines: Vec<String> = schedules
            .schedules
            .values()
            .map(|schedule| {
                let words = schedule.cron.words();
                format!(
                    "ok       {}: {words}, {}\n",
                    schedule.name,
                    schedule.zone_name()
                )
            })
            .collect();
        let problems = schedules.problems.iter();
        lines.extend(
            problems.map(|problem| format!("error    {problem}\n         {}\n", problem.hint)),
        );
        if lines.is_empty() {
            return "there is no schedule yet: write schedules/NAME.toml".to_owned();
        }
        lines.concat()
    })?;
    Ok(match schedules.problems.is_empty() {
        true => exit::DONE,
        false => exit::USAGE,
    })
}

fn local(schedule: &Schedule, time: Timestamp) -> String {
    let zoned = time.to_zoned(schedule.time_zone.clone());
    zoned.strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string()
}

/// The other files serve; whoever asked is told of these.
fn warned(schedules: &Schedules) -> u8 {
    for problem in &schedules.problems {
        tracing::warn!("{problem} ({})", problem.hint);
    }
    match schedules.problems.is_empty() {
        true => exit::DONE,
        false => exit::WARNINGS,
    }
}

fn problems(schedules: &Schedules) -> Vec<Value> {
    let told = |problem: &ConfigError| {
        let line = match &problem.place {
            Some(Place::Line(_, line)) => Some(*line),
            _ => None,
        };
        json!({ "file": problem.file(), "line": line, "key": problem.key, "message": problem.message, "hint": problem.hint })
    };
    schedules.problems.iter().map(told).collect()
}

//! `orchestrator schedule export kubernetes`: CronJobs that run the same jobs, for those who have that engine.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::config::{Name, Schedules};
use crate::exit;
use crate::failure::Failure;
use crate::schedules::{Missed, Overlap, Schedule};

#[derive(Debug, Args)]
pub(in crate::cli) struct KubernetesCommand {
    /// Schedules to write; by default all of them
    names: Vec<String>,
    /// The image that holds the program and the project's folder
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// The namespace of the CronJobs
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The Secret whose entries become environment variables, such as DATABASE_URL
    #[arg(long, value_name = "NAME", default_value = "orchestrator")]
    secret: String,
}

/// How late a CronJob may start when what was missed is not made up for.
const LATE_SECONDS: u32 = 60;
/// What a run that is cut may take to undo what it had begun; Kubernetes' own 30 s are less.
const STOP_SECONDS: u32 = 120;
/// What another attempt would only repeat.
const FINAL: [u8; 2] = [exit::USAGE, exit::REFUSED];
/// The name of the container in the pod.
const CONTAINER: &str = "orchestrator";
/// Kubernetes appends eleven characters for the names of its Jobs (its documentation of CronJob).
const NAME_CHARACTERS: usize = 52;

/// A CronJob, and what it does otherwise than the daemon.
struct Exported {
    document: Value,
    notes: Vec<String>,
}

pub(super) fn execute(
    command: &KubernetesCommand,
    schedules: &Schedules,
    output: &Output,
) -> Result<u8, Failure> {
    let chosen: Vec<&Schedule> = if command.names.is_empty() {
        // Half of what was meant would be taken for all of it.
        if let Some(problem) = schedules.problems.first() {
            return Err(problem.clone().into());
        }
        schedules.schedules.values().collect()
    } else {
        let named = command.names.iter().map(|name| schedules.find(name));
        named.collect::<Result<_, _>>()?
    };
    if chosen.is_empty() {
        return Err(Failure::invalid_input("there is no schedule to export")
            .hint("write one: schedules/NAME.toml"));
    }
    let exported: Vec<Exported> = chosen
        .into_iter()
        .map(|schedule| cron_job(schedule, command))
        .collect::<Result<_, _>>()?;
    let document = json!({
        "items": exported.iter().map(|job| &job.document).collect::<Vec<_>>(),
        "notes": exported.iter().flat_map(|job| &job.notes).collect::<Vec<_>>(),
    });
    output.result(&document, || {
        let documents: Vec<String> = exported.iter().map(text).collect();
        documents.join("---\n")
    })?;
    Ok(exit::DONE)
}

fn cron_job(schedule: &Schedule, command: &KubernetesCommand) -> Result<Exported, Failure> {
    let refused = |message: String, hint: String| {
        Failure::invalid_input(format!(
            "exporting the schedule {}: {message}",
            schedule.name
        ))
        .hint(hint)
    };
    let name = schedule.name.as_str();
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.chars().all(is_name) || name.ends_with('-') || name.len() > NAME_CHARACTERS {
        return Err(refused(
            "its name is none of Kubernetes".to_owned(),
            format!("write lowercase letters, digits and -, at most {NAME_CHARACTERS} characters"),
        ));
    }
    let cron = schedule
        .cron
        .for_kubernetes()
        .map_err(|error| refused(error.message, error.hint))?;
    // A Job knows success and failure alone, and would take a backup again that is good.
    let mut arguments = vec![
        "run".to_owned(),
        schedule.job.to_string(),
        "--allow-warnings".to_owned(),
    ];
    for (key, value) in &schedule.parameters {
        let value = plain(value).ok_or_else(|| {
            refused(
                format!("the parameter {key} cannot be written as --param"),
                "write a text, a number, true or false, or a list of one or more texts without commas"
                    .to_owned(),
            )
        })?;
        arguments.extend(["--param".to_owned(), format!("{key}={value}")]);
    }
    if !schedule.notify.is_empty() {
        let targets: Vec<&str> = schedule.notify.iter().map(Name::as_str).collect();
        arguments.extend(["--notify".to_owned(), targets.join(",")]);
    }
    if schedule.ping.is_some() {
        // By the schedule's name: its address is a secret, and the image has the file that tells it.
        arguments.extend(["--ping".to_owned(), name.to_owned()]);
    }
    // `$(NAME)` would be a variable there, which may be a secret.
    for argument in &mut arguments {
        *argument = argument.replace('$', "$$");
    }
    let mut pod = json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "containers": [{
            "name": CONTAINER,
            "image": command.image,
            "command": ["orchestrator"],
            "args": arguments,
            "envFrom": [{ "secretRef": { "name": command.secret } }],
        }],
    });
    if let Some(timeout) = schedule.timeout {
        // Of the pod, so that each attempt has its time.
        pod["activeDeadlineSeconds"] = json!(timeout.as_secs().max(1));
    }
    let mut metadata =
        json!({ "name": name, "labels": { "app.kubernetes.io/name": "orchestrator" } });
    if let Some(namespace) = &command.namespace {
        metadata["namespace"] = json!(namespace);
    }
    let mut spec = json!({
        "schedule": cron,
        "timeZone": schedule.zone_name(),
        "suspend": !schedule.enabled,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": { "spec": {
            "backoffLimit": schedule.retry.attempts - 1,
            "podFailurePolicy": { "rules": [{
                "action": "FailJob",
                "onExitCodes": { "containerName": CONTAINER, "operator": "In", "values": FINAL },
            }] },
            "template": { "spec": pod },
        } },
    });
    if schedule.missed == Missed::Skip {
        spec["startingDeadlineSeconds"] = json!(LATE_SECONDS);
    }
    let document =
        json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec });
    Ok(Exported {
        document,
        notes: notes(schedule),
    })
}

/// What the daemon does, and Kubernetes does not.
fn notes(schedule: &Schedule) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |differs: bool, text: &str| {
        if differs {
            notes.push(format!("{}: {text}", schedule.name));
        }
    };
    note(
        schedule.overlap == Overlap::Queue,
        "overlap = \"queue\" becomes Forbid: a fire during a run is left out, or starts late, as Kubernetes decides",
    );
    note(
        !schedule.jitter.is_zero(),
        "jitter is left out: a CronJob starts on time",
    );
    note(
        schedule.retry.attempts > 1,
        "the waits between attempts are those of Kubernetes: 10 s, doubled up to 6 min",
    );
    let is_told = !schedule.notify.is_empty() || schedule.ping.is_some();
    note(
        is_told && schedule.retry.attempts > 1,
        "each attempt that fails is told, not the last one alone",
    );
    note(
        !schedule.notify.is_empty() && schedule.ping.is_none(),
        "nobody is told of a fire that Kubernetes has missed: a dead man's switch (ping) notices it",
    );
    // Intervals follow the clock there as they do here.
    let has_changes = schedule
        .time_zone
        .following(Timestamp::now())
        .next()
        .is_some();
    note(
        has_changes && !schedule.cron.is_interval(),
        "where the clock is changed, Kubernetes leaves out a time that is removed, and runs one that is repeated twice",
    );
    notes
}

/// As `--param NAME=VALUE` reads it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        // No text at all would be read as an empty one.
        Value::Array(items) if !items.is_empty() => {
            let texts: Option<Vec<String>> = items.iter().map(item).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn item(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.contains(',') && text.trim() == *text && !text.is_empty())
        .map(str::to_owned)
}

fn text(exported: &Exported) -> String {
    let mut text = String::new();
    for note in &exported.notes {
        text.push_str(&format!("# {note}\n"));
    }
    block(&exported.document, 0, &mut text);
    text
}

/// YAML in blocks; scalars as JSON writes them, which YAML 1.2 reads as they are.
fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text.push_str(&format!("{indent}{key}:"));
                nested(value, depth + 1, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                block(item, depth + 1, &mut inner);
                text.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        scalar => text.push_str(&format!("{indent}{scalar}\n")),
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(_) | Value::Array(_) => {
            text.push('\n');
            block(value, depth, text);
        }
        scalar => text.push_str(&format!(" {scalar}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::{Cron, Ping, Retry};
    use jiff::tz::TimeZone;
    use std::time::Duration;

    fn schedule() -> Schedule {
        Schedule {
            name: "nightly".parse().unwrap(),
            file: "schedules/nightly.toml".into(),
            description: None,
            enabled: true,
            cron: Cron::parse("30 2 * * 7").unwrap(),
            time_zone: TimeZone::get("Africa/Nairobi").unwrap(),
            job: "deploy".parse().unwrap(),
            parameters: serde_json::Map::new(),
            jitter: Duration::ZERO,
            timeout: None,
            retry: Retry {
                attempts: 1,
                backoff: Duration::from_secs(60),
                max_backoff: Duration::from_secs(60),
            },
            overlap: Overlap::Skip,
            missed: Missed::Once,
            notify: Vec::new(),
            ping: None,
        }
    }

    fn command() -> KubernetesCommand {
        KubernetesCommand {
            names: Vec::new(),
            image: "registry.example/backups:1".to_owned(),
            namespace: Some("data".to_owned()),
            secret: "orchestrator".to_owned(),
        }
    }

    fn refused(schedule: &Schedule) -> String {
        match cron_job(schedule, &command()) {
            Ok(exported) => panic!("{}", text(&exported)),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_cron_job() {
        let exported = cron_job(&schedule(), &command()).unwrap();
        insta::assert_snapshot!(text(&exported), @r#"
    apiVersion: "batch/v1"
    kind: "CronJob"
    metadata:
      labels:
        app.kubernetes.io/name: "orchestrator"
      name: "nightly"
      namespace: "data"
    spec:
      concurrencyPolicy: "Forbid"
      jobTemplate:
        spec:
          backoffLimit: 0
          podFailurePolicy:
            rules:
              - action: "FailJob"
                onExitCodes:
                  containerName: "orchestrator"
                  operator: "In"
                  values:
                    - 2
                    - 4
          template:
            spec:
              containers:
                - args:
                    - "run"
                    - "deploy"
                    - "--allow-warnings"
                  command:
                    - "orchestrator"
                  envFrom:
                    - secretRef:
                        name: "orchestrator"
                  image: "registry.example/backups:1"
                  name: "orchestrator"
              restartPolicy: "Never"
              terminationGracePeriodSeconds: 120
      schedule: "30 2 * * 0"
      suspend: false
      timeZone: "Africa/Nairobi"
    "#);
    }

    #[test]
    fn rules_are_carried_over_or_told() {
        let mut schedule = schedule();
        schedule.enabled = false;
        schedule.parameters = serde_json::from_value(
            json!({ "table": ["a", "b"], "jobs": 4, "note": "say: \"#x\"\n- y $(DATABASE_URL)" }),
        )
        .unwrap();
        schedule.time_zone = TimeZone::get("Europe/Berlin").unwrap();
        schedule.timeout = Some(Duration::from_secs(7200));
        schedule.retry.attempts = 3;
        schedule.missed = Missed::Skip;
        schedule.overlap = Overlap::Queue;
        schedule.jitter = Duration::from_secs(5);
        schedule.notify = vec!["ops".parse().unwrap(), "chat".parse().unwrap()];
        let unwatched = notes(&schedule);
        assert!(
            unwatched
                .iter()
                .any(|note| note.contains("Kubernetes has missed")),
            "{unwatched:?}"
        );
        schedule.ping = Some(Ping::parse("https://hc.example/hunter2").unwrap());
        let exported = cron_job(&schedule, &command()).unwrap();
        assert_eq!(exported.notes.len(), 5, "{:?}", exported.notes);
        assert!(
            exported
                .notes
                .iter()
                .any(|note| note.contains("each attempt")),
            "{:?}",
            exported.notes
        );
        let spec = &exported.document["spec"];
        assert_eq!(spec["suspend"], json!(true));
        assert_eq!(spec["startingDeadlineSeconds"], json!(LATE_SECONDS));
        let job = &spec["jobTemplate"]["spec"];
        assert_eq!(job["backoffLimit"], json!(2));
        let pod = &job["template"]["spec"];
        assert_eq!(pod["activeDeadlineSeconds"], json!(7200));
        assert_eq!(
            pod["containers"][0]["args"],
            json!([
                "run",
                "deploy",
                "--allow-warnings",
                "--param",
                "jobs=4",
                "--param",
                "note=say: \"#x\"\n- y $$(DATABASE_URL)",
                "--param",
                "table=a,b",
                "--notify",
                "ops,chat",
                "--ping",
                "nightly"
            ])
        );
        let text = text(&exported);
        assert!(
            text.contains("# nightly: where the clock is changed"),
            "{text}"
        );
        schedule.cron = Cron::parse("*/15 2 * * *").unwrap();
        assert_eq!(notes(&schedule).len(), 4, "{:?}", notes(&schedule));
        assert!(text.starts_with("# nightly: overlap"), "{text}");
        assert!(
            text.contains(r##"- "note=say: \"#x\"\n- y $$(DATABASE_URL)""##),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn what_kubernetes_cannot_do_is_named() {
        let mut seconds = schedule();
        seconds.cron = Cron::parse("*/10 * * * * *").unwrap();
        assert_eq!(
            refused(&seconds),
            "exporting the schedule nightly: a CronJob knows no seconds"
        );
        let mut name = schedule();
        name.name = "Every_Night".parse().unwrap();
        assert!(refused(&name).contains("its name is none of Kubernetes"));
        let mut parameter = schedule();
        parameter.parameters = serde_json::from_value(json!({ "x": { "y": 1 } })).unwrap();
        assert!(refused(&parameter).contains("the parameter x cannot be written"));
        parameter.parameters = serde_json::from_value(json!({ "x": ["a,b"] })).unwrap();
        assert!(refused(&parameter).contains("the parameter x cannot be written"));
    }
}

//! Files of schedules: what is read, and every mistake with its file, line and key.

use super::*;
use crate::database::ProcessEnvironment;
use crate::schedules::{Missed, Overlap};
use insta::assert_snapshot;
use std::path::Path;
use std::time::Duration;

const VARIABLES: [(&str, &str); 2] = [
    ("PING", "https://hc.example/hunter2"),
    ("WHEN", "0 4 * * *"),
];

/// What the folder holds, of files given by name and text.
fn read_in(folder: &Path, files: &[(&str, &str)]) -> Schedules {
    let schedules = folder.join("schedules");
    std::fs::create_dir_all(&schedules).unwrap();
    for (name, text) in files {
        std::fs::write(schedules.join(name), text).unwrap();
    }
    let process = ProcessEnvironment::of(VARIABLES);
    let sources = Sources {
        file: None,
        environment: None,
        working_folder: folder,
        process: &process,
    };
    let text = "[databases.app]\nurl = \"postgres://u@h/d\"\n[jobs.nightly]\nsteps = [{ plugin = \"backup\" }, { plugin = \"verify\" }]\n\
        [plugins.mine]\nfile = \"mine.wasm\"\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
        [jobs.own]\nsteps = [{ plugin = \"mine\" }]\n\
        [notify.ops]\nkind = \"slack\"\nurl = \"https://h/hunter2\"\n[notify.mail]\nkind = \"slack\"\nurl = \"https://h/hunter2\"\n";
    let config = Config::parse(text, Some(&folder.join("orchestrator.toml")), &sources).unwrap();
    Schedules::read_with(&config, &process)
}

fn read(files: &[(&str, &str)]) -> (Schedules, String) {
    let folder = tempfile::tempdir().unwrap();
    let read = read_in(folder.path(), files);
    let lines: Vec<String> = read
        .problems
        .iter()
        .map(|problem| {
            assert!(problem.file().is_some(), "{problem}");
            format!("{problem} | {}", problem.hint)
        })
        .collect();
    let told = lines
        .join("\n")
        .replace(&format!("{}/schedules/", folder.path().display()), "");
    assert!(!told.contains("hunter2"), "{told}");
    (read, told)
}

fn refused(text: &str) -> String {
    let (read, told) = read(&[("a.toml", text)]);
    assert!(read.schedules.is_empty(), "{text}");
    assert_eq!(read.problems.len(), 1, "{text}");
    told
}

#[test]
fn everything_that_can_be_said() {
    let text = "name = \"every-night\"\ndescription = \"x\"\nenabled = false\ncron = \"${WHEN}\"\ntime_zone = \"africa/nairobi\"\njob = \"nightly\"\n\
        jitter = \"5m\"\ntimeout = \"2h\"\noverlap = \"queue\"\nmissed = \"skip\"\nnotify = [\"ops\", \"mail\"]\nping = \"${PING}\"\n\
        retry = { attempts = 3, backoff = \"30s\", max_backoff = \"10m\" }\n[parameters]\njobs = 4\n";
    let (read, told) = read(&[("a.toml", text)]);
    assert_eq!(told, "");
    let schedule = &read.schedules["every-night"];
    assert_eq!(schedule.description.as_deref(), Some("x"));
    assert!(!schedule.enabled);
    assert_eq!(schedule.cron.to_string(), "0 4 * * *");
    assert_eq!(schedule.zone_name(), "Africa/Nairobi");
    assert_eq!(schedule.job.as_str(), "nightly");
    assert_eq!(
        serde_json::to_string(&schedule.parameters).unwrap(),
        r#"{"jobs":4}"#
    );
    assert_eq!(schedule.jitter, Duration::from_secs(300));
    assert_eq!(schedule.timeout, Some(Duration::from_secs(7200)));
    assert_eq!(
        (
            schedule.retry.attempts,
            schedule.retry.backoff.as_secs(),
            schedule.retry.max_backoff.as_secs()
        ),
        (3, 30, 600)
    );
    assert_eq!(
        (schedule.overlap, schedule.missed),
        (Overlap::Queue, Missed::Skip)
    );
    assert_eq!(
        schedule.notify.iter().map(Name::as_str).collect::<Vec<_>>(),
        ["ops", "mail"]
    );
    assert_eq!(
        schedule
            .ping
            .as_ref()
            .unwrap()
            .url()
            .expose()
            .unwrap()
            .as_str(),
        "https://hc.example/hunter2"
    );
    assert!(!format!("{schedule:?}").contains("hunter2"));
}

#[test]
fn little_is_enough() {
    let (read, told) = read(&[("nightly.toml", "cron = \"@daily\"\njob = \"nightly\"\n")]);
    assert_eq!(told, "");
    let schedule = &read.schedules["nightly"];
    assert!(schedule.enabled);
    assert_eq!(schedule.zone_name(), "UTC");
    assert_eq!(
        (schedule.overlap, schedule.missed),
        (Overlap::Skip, Missed::Once)
    );
    assert_eq!(
        (schedule.retry.attempts, schedule.jitter),
        (1, Duration::ZERO)
    );
    assert_eq!((schedule.timeout, schedule.ping.clone()), (None, None));
}

#[test]
fn no_folder_no_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let read = read_in(folder.path(), &[]);
    assert_eq!(read, Schedules::default());
    std::fs::remove_dir(folder.path().join("schedules")).unwrap();
    std::fs::write(folder.path().join("schedules"), "").unwrap();
    let config = Config::parse(
        "[databases.app]\nurl = \"postgres://u@h/d\"\n",
        Some(&folder.path().join("orchestrator.toml")),
        &Sources {
            file: None,
            environment: None,
            working_folder: folder.path(),
            process: &ProcessEnvironment::default(),
        },
    )
    .unwrap();
    let read = Schedules::read_with(&config, &ProcessEnvironment::default());
    assert!(
        read.problems[0]
            .message
            .contains("reading the folder of schedules"),
        "{:?}",
        read.problems
    );
}

#[test]
fn a_broken_file_does_not_stop_the_others() {
    let good = "cron = \"@daily\"\njob = \"nightly\"\n";
    let (read, told) = read(&[
        ("a.toml", good),
        ("b.toml", "cron = "),
        ("c.toml", good),
        (
            "d.toml",
            "name = \"a\"\ncron = \"@daily\"\njob = \"nightly\"\n",
        ),
        (".e.toml", "x"),
        ("README.md", "x"),
    ]);
    assert_eq!(
        read.schedules.keys().map(Name::as_str).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_snapshot!(told, @"
    b.toml:1: string values must be quoted, expected literal string | see https://toml.io for how TOML is written
    d.toml:1: name: a is another schedule already, in a.toml | give one of the two another name
    ");
}

#[test]
fn mistakes() {
    let base = "cron = \"0 2 * * *\"\njob = \"nightly\"\n";
    let with = |line: &str| refused(&format!("{base}{line}\n"));
    let all = [
        refused("\ncron = \"60 * * * *\"\njob = \"nightly\"\n"),
        refused("job = \"nightly\"\n"),
        refused("cron = \"@daily\"\n"),
        refused("cron = \"@daily\"\njob = \"nigthly\"\n"),
        refused("cron = 5\njob = \"nightly\"\n"),
        with("timezone = \"UTC\""),
        with("time_zone = \"Europe/Berln\""),
        with("time_zone = \"\""),
        with("overlap = \"wait\""),
        with("missed = \"all\""),
        with("retry = 3"),
        with("retry = { attempts = 0 }"),
        with("retry = { atempts = 2 }"),
        with("retry = { backoff = \"1m\" }"),
        with("retry = { attempts = 2, backoff = \"2h\", max_backoff = \"1h\" }"),
        with("jitter = \"soon\""),
        with("enabled = \"perhaps\""),
        with("notify = [\"opps\"]"),
        with("ping = \"hunter2\""),
        with("ping = \"${PING}\"\nping_file = \"nowhere\""),
        with("ping = \"${PIN}\""),
        with("parameters = 5"),
        with("[parameters]\n\njbos = 4"),
        with("parameters = { jobs = nan }"),
        with("name = \"../x\""),
        read(&[("2 x.toml", base)]).1,
    ];
    assert_snapshot!(all.join("\n"), @r#"
    a.toml:2: cron: "60 * * * *" is no cron expression: the minute 60 is not within 0 to 59 | write 0 to 59; *, */n, a-b and lists with commas serve too
    a.toml: cron is missing | write cron = …: text
    a.toml: job is missing | write job = …: text
    a.toml:2: job: unknown job "nigthly" | did you mean "nightly"?
    a.toml:1: cron: expected text, found a whole number | write text
    a.toml:3: unknown key "timezone" | did you mean "time_zone"?
    a.toml:3: time_zone: unknown time zone "Europe/Berln" | did you mean "Europe/Berlin"?
    a.toml:3: time_zone: it is empty | give it a value, or leave the key out
    a.toml:3: overlap: "wait" is none of skip, queue | write one of skip, queue
    a.toml:3: missed: "all" is none of once, skip | write one of once, skip
    a.toml:3: retry: expected a table, found a whole number | write a table
    a.toml:3: retry.attempts: "0" is no whole number from 1 | write a whole number, such as 8
    a.toml:3: unknown key in [retry]: "atempts" | did you mean "attempts"?
    a.toml:3: retry: attempts is missing | write attempts = …: whole number
    a.toml:3: retry.max_backoff: it is shorter than backoff | the wait grows from backoff to max_backoff
    a.toml:3: jitter: "soon" is no duration | write it as 90s, 15m or 1h30m
    a.toml:3: enabled: "perhaps" is neither true nor false | write true or false
    a.toml:3: notify: unknown notify target "opps" | did you mean "ops"?
    a.toml:3: ping: it is no URL | write the address that the service gave you: https://…
    a.toml:4: ping_file: ping is given too | keep one of the two
    a.toml:3: ping: the variable PIN is not set | set PIN (PING is set), or give a default: ${PIN:-…}
    a.toml:3: parameters: expected a table, found a whole number | write a table
    a.toml:5: parameters.jbos: unknown parameter of the job nightly: "jbos" | did you mean "jobs"?
    a.toml:3: parameters.jobs: a number is infinite or none | write a finite number
    a.toml:3: name: "../x" is no name | begin with a letter, go on with letters, digits, - and _; at most 63 characters
    2 x.toml: the file's name: "2 x" is no name | write name = …, or rename the file: begin with a letter, go on with letters, digits, - and _; at most 63 characters
    "#);
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = "cron = \"60 * * * *\"\ntime_zone = \"Europe/Berln\"\njob = \"nightly\"\ntimezone = \"UTC\"\noverlap = \"wait\"\n\
        notify = [\"opps\", \"ops\", \"male\"]\nping_file = \"nowhere\"\njitter = \"soon\"\n[retry]\natempts = 2\nbackoff = \"x\"\n\
        [parameters]\njbos = 4\njobs = nan\n";
    let (all, told) = read(&[
        ("a.toml", text),
        ("b.toml", "name = \"2\"\nnotify = [\"opps\"]\n"),
    ]);
    assert!(all.schedules.is_empty());
    let (_, reason) = told.split_once("reading ").unwrap();
    let reason = reason.split_once(" | ").unwrap().0;
    assert_snapshot!(told.replace(reason, "…"), @r#"
    a.toml:1: cron: "60 * * * *" is no cron expression: the minute 60 is not within 0 to 59 | write 0 to 59; *, */n, a-b and lists with commas serve too
    a.toml:2: time_zone: unknown time zone "Europe/Berln" | did you mean "Europe/Berlin"?
    a.toml:4: unknown key "timezone" | did you mean "time_zone"?
    a.toml:5: overlap: "wait" is none of skip, queue | write one of skip, queue
    a.toml:6: notify: unknown notify target "opps" | did you mean "ops"?
    a.toml:6: notify: unknown notify target "male" | there are: mail, ops
    a.toml:7: ping_file: reading … | check the path, and that this user may read it
    a.toml:8: jitter: "soon" is no duration | write it as 90s, 15m or 1h30m
    a.toml:9: retry: attempts is missing | write attempts = …: whole number
    a.toml:10: unknown key in [retry]: "atempts" | did you mean "attempts"?
    a.toml:11: retry.backoff: "x" is no duration | write it as 90s, 15m or 1h30m
    a.toml:13: parameters.jbos: unknown parameter of the job nightly: "jbos" | did you mean "jobs"?
    a.toml:14: parameters.jobs: a number is infinite or none | write a finite number
    b.toml: cron is missing | write cron = …: text
    b.toml: job is missing | write job = …: text
    b.toml:1: name: "2" is no name | begin with a letter, go on with letters, digits, - and _; at most 63 characters
    b.toml:2: notify: unknown notify target "opps" | did you mean "ops"?
    "#);
    let keys: Vec<&str> = all
        .problems
        .iter()
        .map(|problem| problem.key.as_deref().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "cron",
            "time_zone",
            "timezone",
            "overlap",
            "notify",
            "notify",
            "ping_file",
            "jitter",
            "retry.attempts",
            "retry.atempts",
            "retry.backoff",
            "parameters.jbos",
            "parameters.jobs",
            "cron",
            "job",
            "name",
            "notify"
        ]
    );
}

#[test]
fn files_that_it_was_read_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ping"), "https://hc.example/hunter2\n").unwrap();
    std::fs::write(path("hook"), "https://h/hunter2\n").unwrap();
    let good = "cron = \"@daily\"\njob = \"nightly\"\nping_file = \"ping\"\n";
    let broken = "ping_file = \"nowhere\"\n";
    let read = read_in(folder.path(), &[("a.toml", good), ("b.toml", broken)]);
    // Also what cannot be read: it may be there later.
    let expected = ["schedules/a.toml", "ping", "schedules/b.toml", "nowhere"];
    assert_eq!(read.files, expected.map(path));
    let process = ProcessEnvironment::of(VARIABLES);
    let sources = Sources {
        file: None,
        environment: None,
        working_folder: folder.path(),
        process: &process,
    };
    let text = "[notify.ops]\nkind = \"slack\"\nurl_file = \"hook\"\n";
    let config = Config::parse(text, Some(&path("orchestrator.toml")), &sources).unwrap();
    assert_eq!(config.files(), ["orchestrator.toml", "hook"].map(path));
}

#[test]
fn parameters_of_other_plugins_are_not_known_here() {
    let text =
        "cron = \"@daily\"\njob = \"own\"\nparameters = { anything = [1, { a = \"${WHEN}\" }] }\n";
    let (read, told) = read(&[("a.toml", text)]);
    assert_eq!(told, "");
    assert_eq!(
        serde_json::to_string(&read.schedules["a"].parameters).unwrap(),
        r#"{"anything":[1,{"a":"0 4 * * *"}]}"#
    );
}

#[test]
fn the_example_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("schedules/nightly.toml")).unwrap();
    let (read, told) = read(&[("nightly.toml", &text)]);
    assert_eq!(told, "");
    assert_eq!(read.schedules["nightly"].cron.words(), "at 02:00 every day");
}

//! Each alert of `docs/deploy/alerts.yml`, evaluated by Prometheus' own program over two days: silent while all is well, and alone when its
//! own trouble has come.

use std::process::Command;

use end_to_end::{cache_folder, repository};
use serde_json::{Value, json};

/// Samples five minutes apart, by series.
type Series = (&'static str, &'static str);

const UP: Series = ("orchestrator_up", "1x2600");
const READY: Series = ("orchestrator_ready", "1x2600");
const LOG_UP: Series = ("orchestrator_log_database_up", "1x2600");
const EXISTS: Series = (
    "orchestrator_backup_exists{database=\"app\",storage=\"main\"}",
    "1x2600",
);
// A time of now, and one in an hour.
const NEWEST: Series = (
    "orchestrator_newest_backup_timestamp_seconds{database=\"app\",storage=\"main\"}",
    "0+300x2600",
);
const PROVEN: Series = (
    "orchestrator_last_proven_backup_timestamp_seconds{database=\"app\"}",
    "0+300x2600",
);
const STATUS: Series = (
    "orchestrator_job_last_status{job=\"nightly\",status=\"succeeded\"}",
    "1x2600",
);
const NEXT: Series = (
    "orchestrator_schedule_next_fire_timestamp_seconds{schedule=\"nightly\",job=\"nightly\"}",
    "3600+300x2600",
);
const MISSED: Series = (
    "orchestrator_schedule_missed_fires_total{schedule=\"nightly\",job=\"nightly\"}",
    "3x2600",
);
const BROKEN: Series = ("orchestrator_schedule_file_problems", "0x2600");
const STORAGE_UP: Series = ("orchestrator_storage_up{storage=\"main\"}", "1x2600");
const ENABLED: Series = (
    "orchestrator_schedule_enabled{schedule=\"nightly\",job=\"nightly\"}",
    "1x2600",
);
// Of a command that somebody has mistyped.
const BY_HAND: Series = (
    "orchestrator_job_last_status{job=\"restore\",status=\"failed\"}",
    "1x2600",
);
const WELL: [Series; 13] = [
    UP, READY, LOG_UP, EXISTS, NEWEST, PROVEN, STATUS, NEXT, MISSED, BROKEN, STORAGE_UP, ENABLED,
    BY_HAND,
];

/// What is otherwise, and the alert that fires by it.
fn troubles() -> Vec<(&'static str, Vec<Series>)> {
    let of = |series: Series, values| (series.0, values);
    vec![
        ("OrchestratorDown", vec![of(UP, "1x500 _x75")]),
        ("OrchestratorNotReady", vec![of(READY, "1x500 0x75")]),
        (
            "OrchestratorLogDatabaseAway",
            vec![of(LOG_UP, "1x500 0x75")],
        ),
        // An emptied bucket.
        (
            "OrchestratorBackupGone",
            vec![of(EXISTS, "1x500 0x75"), of(NEWEST, "0+300x500 _x75")],
        ),
        // No backup from the beginning.
        (
            "OrchestratorBackupMissing",
            vec![of(EXISTS, "0x2600"), of(NEWEST, "_x2600")],
        ),
        (
            "OrchestratorBackupTooOld",
            vec![of(NEWEST, "0+300x250 75000x330")],
        ),
        (
            "OrchestratorBackupNotProven",
            vec![of(PROVEN, "-600000x2600")],
        ),
        ("OrchestratorBackupNeverProven", vec![of(PROVEN, "_x2600")]),
        (
            "OrchestratorJobFailed",
            vec![
                of(STATUS, "1x500 _x75"),
                (
                    "orchestrator_job_last_status{job=\"nightly\",status=\"failed\"}",
                    "_x500 1x75",
                ),
            ],
        ),
        // Nobody answers for the fire that was next then.
        (
            "OrchestratorScheduleLate",
            vec![of(NEXT, "3600+300x500 153600x75")],
        ),
        // With two hours in between without a daemon.
        (
            "OrchestratorFireMissed",
            vec![of(MISSED, "3x500 _x24 5x50")],
        ),
        (
            "OrchestratorScheduleFileBroken",
            vec![of(BROKEN, "0x500 1x75")],
        ),
        (
            "OrchestratorStorageAway",
            vec![of(STORAGE_UP, "1x500 0x75")],
        ),
    ]
}

/// Of one alert the trouble has to last for eight days.
fn lasts(alert: &str) -> &'static str {
    match alert {
        "OrchestratorBackupNeverProven" => "12900m",
        _ => "2870m",
    }
}

fn case(name: &str, changed: &[Series], fires: &[&str]) -> Value {
    let unchanged = WELL
        .iter()
        .filter(|(series, _)| changed.iter().all(|(other, _)| series != other));
    let series: Vec<Value> = unchanged
        .chain(changed)
        .map(|(series, values)| json!({ "series": series, "values": values }))
        .collect();
    let fires: Vec<Value> = fires
        .iter()
        .map(|alert| json!({ "labels": format!("{{alertname=\"{alert}\"}}"), "value": 1 }))
        .collect();
    json!({
        "name": name,
        "interval": "5m",
        "input_series": series,
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": lasts(name),
            "exp_samples": fires,
        }],
    })
}

#[test]
fn each_alert_fires_by_its_own_trouble_and_by_nothing_else() {
    let rules = repository().join("docs/deploy/alerts.yml");
    let text = std::fs::read_to_string(&rules).expect("the alerts");
    let written = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut written: Vec<&str> = written.collect();
    let troubles = troubles();
    let mut tried: Vec<&str> = troubles.iter().map(|(alert, _)| *alert).collect();
    written.sort_unstable();
    tried.sort_unstable();
    assert_eq!(written, tried, "each alert has a trouble of its own");

    let mut tests = vec![case("all is well", &[], &[])];
    tests.extend(
        troubles
            .iter()
            .map(|(alert, changed)| case(alert, changed, &[alert])),
    );
    // JSON is YAML.
    let file = json!({ "rule_files": [rules], "evaluation_interval": "10m", "tests": tests });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alerts.test.yml");
    std::fs::write(&path, file.to_string()).expect("written");
    let cached = cache_folder().join("promtool");
    let promtool = if cached.exists() {
        cached
    } else {
        "promtool".into()
    };
    for arguments in [["check", "rules"], ["test", "rules"]] {
        let file = if arguments[0] == "check" {
            &rules
        } else {
            &path
        };
        let output = Command::new(&promtool)
            .args(arguments)
            .arg(file)
            .output()
            .expect("`make setup` installs it");
        let told = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
    }
}

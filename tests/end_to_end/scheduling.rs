//! `orchestrator schedule`: what is said of schedules without any daemon.

use std::path::Path;
use std::process::Command;

use end_to_end::{Project, cache_folder, repository};
use serde_json::Value;

fn project(schedules: &[(&str, &str)]) -> Project {
    let config =
        "environment = \"local\"\n[databases.app]\nurl = \"postgresql://nobody@127.0.0.1:1/app\"\n";
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), config);
    for (name, text) in schedules {
        project.write(&format!("schedules/{name}.toml"), text);
    }
    project
}

const NIGHTLY: (&str, &str) = (
    "nightly",
    "cron = \"30 2 * * *\"\ntime_zone = \"Europe/Berlin\"\njob = \"backup\"\ntimeout = \"2h\"\nretry = { attempts = 3, backoff = \"1m\", max_backoff = \"5m\" }\n\
     [parameters]\njobs = 2\n",
);

#[test]
fn schedules_are_listed_in_words_with_their_next_fires() {
    let project = project(&[
        NIGHTLY,
        (
            "off",
            "cron = \"@hourly\"\njob = \"verify\"\nenabled = false\n",
        ),
    ]);
    let listed = project.run(["schedule", "list"]).expect_code(0).stdout;
    assert!(
        listed.contains("at 02:30 every day") && listed.contains("Europe/Berlin"),
        "{listed}"
    );
    let next = [
        "schedule",
        "next",
        "nightly",
        "--from",
        "2026-03-28",
        "--count",
        "3",
        "--output",
        "json",
    ];
    let next = project.run(next).expect_code(0).json();
    let text = next.to_string();
    // On the second day there is no half past two: it runs at three, which is one in UTC.
    for fire in [
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T00:30:00Z",
    ] {
        assert!(text.contains(fire), "{fire} is not in {text}");
    }
    let unknown = project.run(["schedule", "next", "nigthly"]).expect_code(2);
    assert!(
        unknown.stderr.contains("did you mean \"nightly\"?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn mistakes_are_told_with_file_line_and_key() {
    let project = project(&[
        NIGHTLY,
        (
            "weekly",
            "job = \"verify\"\n\ncron = \"0 3 * * 8\"\ntimezone = \"UTC\"\n",
        ),
    ]);
    let told = project.run(["schedule", "validate"]).expect_code(2);
    let all = format!("{}{}", told.stdout, told.stderr);
    for mistake in ["weekly.toml:3: cron: ", "weekly.toml:4: unknown key"] {
        assert!(all.contains(mistake), "{all}");
    }
    let json = ["schedule", "validate", "--output", "json"];
    let json = project.run(json).expect_code(2).json();
    let problems = json["problems"].as_array().expect("a list");
    let places: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}", problem["line"], problem["key"]))
        .collect();
    assert_eq!(places, ["3 \"cron\"", "4 \"timezone\""]);
    let good = project
        .run(["schedule", "validate", "schedules/nightly.toml"])
        .expect_code(0);
    assert!(!good.stdout.contains("weekly"), "{}", good.stdout);
    // The others serve.
    let listed = project.run(["schedule", "list"]).expect_code(3);
    assert!(listed.stdout.contains("nightly"), "{}", listed.stdout);
}

/// What a parser of YAML reads.
fn documents(file: &Path) -> Vec<Value> {
    let script =
        "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let parsed = Command::new(cache_folder().join("moto/bin/python"))
        .args(["-c", script])
        .arg(file)
        .output()
        .expect("Python runs");
    assert!(
        parsed.status.success(),
        "{}",
        String::from_utf8_lossy(&parsed.stderr)
    );
    serde_json::from_slice(&parsed.stdout).expect("JSON")
}

/// [daemon] grace as it is by default, what cancelled runs take to undo what they had begun, the last notices, their records, the last answers.
const STOP: u64 = 20 + 60 + 10 + 10 + 2;

#[test]
fn deployments_leave_the_daemon_the_time_that_it_takes_to_stop() {
    let folder = repository().join("docs/deploy");
    let unit = std::fs::read_to_string(folder.join("orchestrator.service")).expect("the unit");
    let values = |key: &str| -> Vec<&str> {
        let lines = unit.lines().filter_map(|line| line.split_once('='));
        lines
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .collect()
    };
    let [stop] = values("TimeoutStopSec")[..] else {
        panic!("{unit}");
    };
    assert!(stop.parse::<u64>().expect("seconds") > STOP);
    // What came with systemd 253 is ignored by that of Debian 12, and then nobody waits for the daemon to be ready.
    assert_eq!(values("Type"), ["notify"]);
    assert_eq!(values("ExecReload"), ["/bin/kill -HUP $MAINPID"]);

    let all = documents(&folder.join("kubernetes.yaml"));
    let set = all
        .iter()
        .find(|document| document["kind"] == "StatefulSet");
    let set = &set.expect("a StatefulSet")["spec"];
    let pod = &set["template"]["spec"];
    let stop = &pod["terminationGracePeriodSeconds"];
    assert!(stop.as_u64().expect("seconds") > STOP);
    // The journal outlives the pod.
    let claim = &set["volumeClaimTemplates"][0]["metadata"]["name"];
    let mounts = pod["containers"][0]["volumeMounts"]
        .as_array()
        .expect("mounts");
    assert!(
        mounts
            .iter()
            .any(|mount| mount["name"] == *claim && mount["mountPath"] == "/var/lib/orchestrator"),
        "{mounts:?}"
    );
    let service = all.iter().find(|document| document["kind"] == "Service");
    assert_eq!(
        service.expect("a Service")["metadata"]["name"],
        set["serviceName"]
    );
}

#[test]
fn kubernetes_gets_what_a_parser_of_yaml_reads() {
    let project = project(&[
        NIGHTLY,
        (
            "often",
            "cron = \"*/5 * * * *\"\njob = \"verify\"\noverlap = \"queue\"\nmissed = \"skip\"\n",
        ),
    ]);
    let export = [
        "schedule",
        "export",
        "kubernetes",
        "--image",
        "backups:1",
        "--namespace",
        "data",
    ];
    let yaml = project.run(export).expect_code(0).stdout;
    project.write("jobs.yaml", &yaml);
    let parsed = documents(&project.path().join("jobs.yaml"));
    let jobs: Vec<&Value> = parsed
        .iter()
        .filter(|document| !document.is_null())
        .collect();
    assert_eq!(jobs.len(), 2);
    let nightly = jobs[0];
    assert_eq!(
        (&nightly["apiVersion"], &nightly["kind"]),
        (&"batch/v1".into(), &"CronJob".into())
    );
    let spec = &nightly["spec"];
    assert_eq!(
        (&spec["schedule"], &spec["timeZone"]),
        (&"30 2 * * *".into(), &"Europe/Berlin".into())
    );
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    let job = &spec["jobTemplate"]["spec"];
    assert_eq!(job["backoffLimit"], 2);
    let rule = &job["podFailurePolicy"]["rules"][0];
    assert_eq!(rule["action"], "FailJob");
    assert_eq!(rule["onExitCodes"]["values"], serde_json::json!([2, 4]));
    // Only then Kubernetes takes such a policy.
    assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
    let container = &job["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "backups:1");
    let command = [&container["command"], &container["args"]];
    let words: Vec<&str> = command
        .iter()
        .filter_map(|part| part.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        words.ends_with(&["run", "backup", "--allow-warnings", "--param", "jobs=2"]),
        "{words:?}"
    );
    project.write(
        "schedules/seconds.toml",
        "cron = \"*/10 * * * * *\"\njob = \"verify\"\n",
    );
    let refused = project.run(export).expect_code(2);
    assert!(refused.stderr.contains("seconds"), "{}", refused.stderr);
}

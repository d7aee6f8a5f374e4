//! A database that says nothing, which is worse than one that is away: every question waits.

use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Project, Wire, wait_for};
use jiff::Timestamp;
use serde_json::Value;

use super::{Running, fires, number, project, project_at, server, wait_long};

/// A project whose database is at the other end of a wire.
fn wired(server: &PostgresServer) -> (Project, Wire) {
    let wire = Wire::to(server.port());
    let url = server.url("app");
    let port = server.port().to_string();
    let project = project_at(&url.replace(&format!(":{port}/"), &format!(":{}/", wire.port())));
    (project, wire)
}

/// When the log of a project's daemon first told of this.
fn told(project: &Project, what: &str) -> Option<Timestamp> {
    let log = project.read("daemon.log");
    let line = log.lines().find(|line| line.contains(what))?;
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    Some(line["timestamp"].as_str()?.parse().expect("a time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_says_nothing_for_a_minute() {
    let server = server();
    let (project, wire) = wired(&server);
    let config = project.read("orchestrator.toml");
    let config = config.replace("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    project.write("orchestrator.toml", &config);
    for number in 0..8 {
        let text = "cron = \"*/5 * * * * *\"\njob = \"tick\"\noverlap = \"queue\"\n";
        project.write(&format!("schedules/s{number}.toml"), text);
    }
    let (daemon, address) = Running::begin_answering(&project);
    wait_for("fires", || fires(&server, "state = 'succeeded'") >= 8);
    let health = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await;
        answer.expect("an answer").status().as_u16()
    };
    wire.silence(true);
    let begun = Instant::now();
    let mut was_ready = true;
    while begun.elapsed() < Duration::from_secs(60) {
        // The daemon itself is well: nobody should kill it.
        assert_eq!(health("/healthz").await, 200, "{:?}", begun.elapsed());
        was_ready = health("/readyz").await == 200;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!was_ready, "it does not do its work, and says so");
    wire.silence(false);
    let back = server.psql("app", "SELECT clock_timestamp()");
    wait_long("fires after it", Duration::from_secs(90), || {
        fires(&server, &format!("fire > '{back}' AND state = 'succeeded'")) >= 8
    });
    wait_long(
        "the end of what had begun before",
        Duration::from_secs(90),
        || fires(&server, &format!("fire < '{back}' AND state = 'running'")) == 0,
    );
    assert_eq!(health("/readyz").await, 200);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(
        fires(&server, "state NOT IN ('succeeded', 'skipped', 'running')"),
        0
    );
    let twice = "SELECT count(*) FROM (SELECT actor, facts ->> 'fire' FROM orchestrator.deployment_log \
         WHERE trigger = 'schedule' AND status = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1) AS t";
    assert_eq!(number(&server, twice), 0);
}

#[test]
fn a_daemon_that_is_cut_off_stops_before_another_one_begins() {
    let server = server();
    let (cut, wire) = wired(&server);
    let other = project(&server);
    for project in [&cut, &other] {
        let config = project.read("orchestrator.toml");
        project.write(
            "orchestrator.toml",
            &config.replace("lease = \"3s\"", "lease = \"8s\""),
        );
        project.write(
            "seeds/tick.sql",
            "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(1);\n",
        );
        let text = "cron = \"*/2 * * * * *\"\njob = \"tick\"\noverlap = \"queue\"\n";
        project.write("schedules/tick.toml", text);
    }
    let daemon = Running::begin(&cut);
    let mine = format!("daemon LIKE '% {} %'", daemon.0.id());
    wait_for("it is at work", || {
        fires(
            &server,
            &format!("{mine} AND state = 'running' AND runs = 1"),
        ) > 0
    });
    let second = Running::begin(&other);
    wire.silence(true);
    wait_for("another one takes over", || {
        told(&other, "taken over from a daemon that is gone").is_some()
    });
    let lost = told(&cut, "the lease runs out").expect("it gives its run up");
    let taken = told(&other, "taken over from a daemon that is gone").expect("a time");
    assert!(lost < taken, "given up at {lost}, taken over at {taken}");
    wire.silence(false);
    let back = server.psql("app", "SELECT clock_timestamp()");
    wait_long("both go on", Duration::from_secs(60), || {
        fires(
            &server,
            &format!("fire > '{back}' AND state = 'succeeded' AND {mine}"),
        ) >= 1
    });
    for daemon in [daemon, second] {
        assert_eq!(daemon.stop(), 0);
    }
    let ended = "SELECT count(*) FROM orchestrator.schedule_fires AS f WHERE f.state = 'succeeded'";
    let ticks = number(&server, "SELECT count(*) FROM ticks");
    assert_eq!(ticks, number(&server, ended), "each fire has written once");
}

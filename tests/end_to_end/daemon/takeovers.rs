//! What daemons that are gone have left: taken over, or closed by rule, and told.

use std::time::Duration;

use end_to_end::{PostgresServer, Receiver, wait_for};

use super::alarms::tell;
use super::{Running, fires, number, project, server, wait_long};

/// A fire that a daemon has left, with its lease run out.
fn leave(server: &PostgresServer, schedule: &str, ago: &str, more: &str) {
    let columns = "schedule, fire, state, daemon, claimed, lease_until";
    let values = format!(
        "'{schedule}', date_trunc('second', now() - interval '{ago}'), 'running', 'gone', now() - interval '{ago}', now() - interval '{ago}'"
    );
    server.psql(
        "app",
        &format!("INSERT INTO orchestrator.schedule_fires ({columns}) VALUES ({values}); {more}"),
    );
}

#[test]
fn what_was_left_follows_the_rules() {
    let server = server();
    let receiver = Receiver::start();
    let project = project(&server);
    tell(&project, &receiver, "\"missed\"");
    // Not due, whenever this is.
    let cron = "SELECT '0 0 1 ' || extract(month FROM now() + interval '6 months')::int || ' *'";
    let cron = server.psql("app", cron).trim().to_owned();
    for (name, missed) in [("once", "once"), ("skip", "skip"), ("deadly", "once")] {
        let text = format!(
            "cron = \"{cron}\"\njob = \"tick\"\nmissed = \"{missed}\"\nnotify = [\"ops\"]\n"
        );
        project.write(&format!("schedules/{name}.toml"), &text);
    }
    Running::begin_and_wait(&project, &server).stop();
    server.psql(
        "app",
        "UPDATE orchestrator.schedules SET since = now() - interval '5 days'",
    );
    leave(&server, "once", "3 days", "");
    leave(&server, "skip", "3 days", "");
    leave(&server, "removed", "3 days", "");
    let deaths = "UPDATE orchestrator.schedule_fires SET deaths = 10 WHERE schedule = 'deadly'";
    leave(&server, "deadly", "1 hour", deaths);
    let daemon = Running::begin(&project);
    wait_for("all of them are closed", || {
        fires(&server, "state = 'running'") == 0
    });
    let state = |schedule: &str| {
        let query = format!(
            "SELECT state || ' ' || is_missed || ' ' || runs FROM orchestrator.schedule_fires WHERE schedule = '{schedule}'"
        );
        server.psql("app", &query)
    };
    assert_eq!(state("once"), "succeeded false 1");
    assert_eq!(state("skip"), "skipped true 0");
    assert_eq!(state("removed"), "skipped true 0");
    assert_eq!(state("deadly"), "failed false 0");
    wait_for("alarms", || receiver.notices().len() >= 3);
    assert_eq!(daemon.stop(), 0);
    let mut told: Vec<String> = receiver
        .notices()
        .iter()
        .map(|notice| notice["message"].as_str().expect("a message").to_owned())
        .collect();
    told.sort();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("given up: each daemon that took it over has died"),
        "{told:?}"
    );
    // In the order of their names: the one that is made up for, and the one that is not.
    assert!(told[1].ends_with("late; it runs now"), "{told:?}");
    assert!(told[2].contains("was not run"), "{told:?}");
    let skipped = "SELECT count(*) FROM orchestrator.deployment_log WHERE status = 'skipped' AND actor = 'skip'";
    assert_eq!(number(&server, skipped), 1);
}

#[test]
fn a_run_of_a_machine_that_does_not_come_back_is_closed() {
    let server = server();
    let projects = [project(&server), project(&server)];
    for project in &projects {
        project.write(
            "seeds/tick.sql",
            "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(2);\n",
        );
        project.write(
            "schedules/tick.toml",
            "cron = \"*/3 * * * * *\"\njob = \"tick\"\n",
        );
    }
    let daemon = Running::begin(&projects[0]);
    let at_work = "SELECT run_id FROM orchestrator.schedule_fires WHERE state = 'running' AND run_id IS NOT NULL LIMIT 1";
    wait_for("it is at work", || {
        fires(&server, "state = 'running' AND run_id IS NOT NULL") > 0
    });
    let run = server.psql("app", at_work);
    daemon.kill();
    // Not the same folder: that machine is gone, and its journal with it.
    let daemon = Running::begin(&projects[1]);
    let closed = format!(
        "SELECT count(*) FROM orchestrator.deployment_log WHERE run_id = '{run}' AND status = 'interrupted' AND finished >= started"
    );
    wait_long("its run is closed", Duration::from_secs(30), || {
        number(&server, &closed) == 1
    });
    wait_long("its fire is run", Duration::from_secs(30), || {
        fires(&server, "state = 'succeeded' AND attempt = 2") == 1
    });
    assert_eq!(daemon.stop(), 0);
    let shown = projects[1].run(["log", "show", run.trim()]).expect_code(0);
    assert!(shown.stdout.contains("interrupted"), "{}", shown.stdout);
}

#[test]
fn that_an_earlier_fire_takes_for_ever_is_told_once() {
    let server = server();
    let receiver = Receiver::start();
    let project = project(&server);
    tell(&project, &receiver, "\"missed\"");
    let schedule =
        "cron = \"* * * * * *\"\njob = \"tick\"\noverlap = \"skip\"\nnotify = [\"ops\"]\n";
    project.write("schedules/tick.toml", schedule);
    Running::begin_and_wait(&project, &server).stop();
    // Another daemon has been at work for twenty minutes, and lives; the first one may have left fires since.
    server.psql("app", "DELETE FROM orchestrator.schedule_fires");
    leave(
        &server,
        "tick",
        "20 minutes",
        "UPDATE orchestrator.schedule_fires SET lease_until = now() + interval '1 hour' WHERE daemon = 'gone'; \
         INSERT INTO orchestrator.schedule_fires (schedule, fire, state, daemon) VALUES ('tick', date_trunc('second', now()), 'succeeded', 'gone') ON CONFLICT DO NOTHING",
    );
    let daemon = Running::begin(&project);
    wait_for("fires are skipped", || {
        fires(&server, "state = 'skipped'") >= 4
    });
    assert_eq!(daemon.stop(), 0);
    let notices = receiver.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    let message = notices[0]["message"].as_str().expect("a message");
    assert!(message.contains("is still being worked on"), "{message}");
}

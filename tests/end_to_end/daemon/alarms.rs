//! A schedule that has not fired when it should is an alarm; and who is told of what while the log's database is away.

use std::time::Duration;

use end_to_end::{Project, Receiver, wait_for};
use serde_json::Value;

use super::{Running, fires, number, project, server, wait_long};

/// `[notify.ops]`, which hears of these.
pub(super) fn tell(project: &Project, receiver: &Receiver, on: &str) {
    let config = project.read("orchestrator.toml");
    let target = format!(
        "[notify.ops]\nkind = \"webhook\"\nurl = \"{}/hook\"\non = [{on}]\n",
        receiver.url()
    );
    project.write("orchestrator.toml", &(config + &target));
}

fn schedule(project: &Project, name: &str, cron: &str, more: &str) {
    let text = format!("cron = \"{cron}\"\njob = \"tick\"\nnotify = [\"ops\"]\n{more}");
    project.write(&format!("schedules/{name}.toml"), &text);
}

/// The messages of the notices of this kind about a schedule.
fn messages(receiver: &Receiver, schedule: &str, kind: &str) -> Vec<String> {
    let notices = receiver.notices();
    let about = notices
        .iter()
        .filter(|notice| notice["schedule"] == schedule && notice["kind"] == kind);
    about
        .filter_map(|notice| notice["message"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn what_was_missed_is_told_once_by_one_of_two_daemons() {
    let server = server();
    let receiver = Receiver::start();
    let projects = [project(&server), project(&server)];
    for project in &projects {
        tell(project, &receiver, "\"missed\"");
        let ping = format!("ping = \"{}/the-key-of-a-check\"\n", receiver.url());
        schedule(project, "once", "@yearly", &ping);
        schedule(project, "skip", "@yearly", "missed = \"skip\"\n");
    }
    Running::begin_and_wait(&projects[0], &server).stop();
    // The fire was due at the beginning of the year, and no daemon was there.
    server.psql(
        "app",
        "UPDATE orchestrator.schedules SET since = date_trunc('year', now()) - interval '1 day'",
    );
    let told = || ["once", "skip"].map(|schedule| messages(&receiver, schedule, "missed"));
    let daemons = projects.each_ref().map(Running::begin);
    wait_for("an alarm for each", || {
        told().iter().all(|messages| !messages.is_empty())
    });
    wait_for("the fire that is made up for", || {
        fires(&server, "schedule = 'once' AND state = 'succeeded'") == 1
    });
    // Longer than the lease: time enough for the other daemon, and for whoever would take it over.
    std::thread::sleep(Duration::from_secs(5));
    for daemon in daemons {
        daemon.kill();
    }
    let daemons = projects.each_ref().map(Running::begin);
    std::thread::sleep(Duration::from_secs(5));
    for daemon in daemons {
        assert_eq!(daemon.stop(), 0);
    }
    let [once, skip] = told();
    assert_eq!((once.len(), skip.len()), (1, 1), "{once:?} {skip:?}");
    assert!(once[0].ends_with("late; it runs now"), "{once:?}");
    assert!(skip[0].contains("late, and was not run"), "{skip:?}");
    let year = server.psql("app", "SELECT extract(year FROM now())");
    let due = format!("has not fired at {}-01-01T00:00:00Z", year.trim());
    assert!(once[0].contains(&due), "{once:?} tells of {due}");
    let pings = receiver.seen();
    let pings = pings
        .iter()
        .filter(|request| request.line.contains("/the-key-of-a-check/fail"));
    assert_eq!(pings.count(), 1, "the switch of the schedule is told, too");
    assert_eq!(fires(&server, "schedule = 'skip' AND is_missed"), 1);
    assert_eq!(number(&server, "SELECT count(*) FROM ticks"), 1);
}

#[test]
fn a_daemon_that_was_stopped_tells_what_it_has_missed() {
    let server = server();
    let receiver = Receiver::start();
    let project = project(&server);
    tell(&project, &receiver, "\"missed\"");
    schedule(&project, "tick", "*/20 * * * * *", "");
    let daemon = Running::begin_and_wait(&project, &server);
    wait_for("a fire", || fires(&server, "state = 'succeeded'") >= 1);
    daemon.signal("STOP");
    // One fire at least is later than a minute, and one is not.
    std::thread::sleep(Duration::from_secs(85));
    assert_eq!(receiver.notices(), Vec::<Value>::new());
    daemon.signal("CONT");
    wait_for("the alarm", || !receiver.notices().is_empty());
    let before = fires(&server, "state = 'succeeded'");
    wait_for("fires after it", || {
        fires(&server, "state = 'succeeded'") > before
    });
    assert_eq!(daemon.stop(), 0);
    let told = messages(&receiver, "tick", "missed");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("runs in its place"), "{told:?}");
    assert!(fires(&server, "passed_over > 0") == 1);
}

#[test]
fn the_database_is_away_when_a_schedule_is_due() {
    let mut server = server();
    let receiver = Receiver::start();
    let project = project(&server);
    tell(&project, &receiver, "\"missed\"");
    let soon = "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '30 seconds', 'FMSS FMMI FMHH24 FMDD FMMM') || ' *'";
    schedule(&project, "single", server.psql("app", soon).trim(), "");
    schedule(&project, "often", "*/10 * * * * *", "");
    let daemon = Running::begin_and_wait(&project, &server);
    let told = |schedule| messages(&receiver, schedule, "missed");
    server.stop("fast");
    wait_for("an alarm for each", || {
        !told("single").is_empty() && !told("often").is_empty()
    });
    // Once, however long it lasts.
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!((told("single").len(), told("often").len()), (1, 1));
    server.start_again();
    wait_for("the fire that is made up for", || {
        fires(&server, "schedule = 'single' AND state = 'succeeded'") == 1
    });
    wait_for("what was missed", || told("often").len() == 2);
    wait_for("fires on time", || {
        fires(
            &server,
            "schedule = 'often' AND state = 'succeeded' AND finished - fire < interval '5 seconds'",
        ) >= 2
    });
    assert_eq!(daemon.stop(), 0);
    // Of the one fire everybody knows; of the others not how many they were.
    assert_eq!((told("single").len(), told("often").len()), (1, 2));
    assert!(
        told("often")[1].contains("runs in its place"),
        "{:?}",
        told("often")
    );
}

#[test]
fn a_run_that_fails_with_the_database_is_told_and_recorded_when_it_is_back() {
    let mut server = server();
    let receiver = Receiver::start();
    let project = project(&server);
    tell(&project, &receiver, "\"failed\", \"recovered\"");
    project.write(
        "seeds/tick.sql",
        "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(60);\n",
    );
    schedule(&project, "tick", "*/3 * * * * *", "");
    let daemon = Running::begin(&project);
    wait_for("the run begins", || {
        number(
            &server,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()",
        ) == 1
    });
    server.stop("fast");
    wait_for("the failure is told", || {
        !messages(&receiver, "tick", "failed").is_empty()
    });
    let failed = receiver.notices()[0].clone();
    let run = failed["run"].as_str().expect("a run");
    assert!(failed["error"]["message"].is_string(), "{failed}");
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    // The lease runs out meanwhile: how the fire ended is known all the same.
    std::thread::sleep(Duration::from_secs(6));
    server.start_again();
    wait_for("all is well again", || {
        !messages(&receiver, "tick", "recovered").is_empty()
    });
    let of_run = format!("run_id = '{run}'");
    let ended = format!("{of_run} AND state = 'failed' AND attempt = 1 AND runs = 1");
    assert_eq!(fires(&server, &ended), 1);
    let row = format!(
        "SELECT count(*) FROM orchestrator.notifications WHERE {of_run} AND target = 'ops' AND kind = 'failed' AND outcome = 'sent' AND attempts = 1"
    );
    // It is tried again every half a minute.
    wait_long("the notice is recorded", Duration::from_secs(60), || {
        number(&server, &row) == 1
    });
    let before = fires(&server, "state = 'succeeded'");
    wait_for("more that is well", || {
        fires(&server, "state = 'succeeded'") >= before + 2
    });
    assert_eq!(daemon.stop(), 0);
    let told = ["failed", "recovered"].map(|kind| messages(&receiver, "tick", kind).len());
    assert_eq!(told, [1, 1], "{:?}", receiver.notices());
    let logged = format!(
        "SELECT count(*) FROM orchestrator.deployment_log WHERE {of_run} AND status = 'failed'"
    );
    assert_eq!(number(&server, &logged), 1);
}

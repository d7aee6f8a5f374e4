//! What a daemon needs goes away, and comes back.

use std::time::Duration;

use end_to_end::{Fault, FaultyProxy, Moto, SmallDisk, Strike, wait_for};

use super::{Running, fires, number, project, server, wait_long};

const EVERY_SECOND: &str = "cron = \"* * * * * *\"\njob = \"tick\"\n";

#[test]
fn the_database_is_away_for_a_minute() {
    let mut server = server();
    let project = project(&server);
    project.write("schedules/tick.toml", EVERY_SECOND);
    let daemon = Running::begin(&project);
    wait_for("fires", || fires(&server, "state = 'succeeded'") >= 2);
    server.stop("fast");
    std::thread::sleep(Duration::from_secs(60));
    server.start_again();
    let back = server.psql("app", "SELECT clock_timestamp()");
    wait_long("fires after it", Duration::from_secs(90), || {
        fires(&server, &format!("fire > '{back}' AND state = 'succeeded'")) >= 3
    });
    wait_long(
        "the end of what had begun before",
        Duration::from_secs(60),
        || fires(&server, &format!("fire < '{back}' AND state = 'running'")) == 0,
    );
    assert_eq!(daemon.stop(), 0);
    // Whatever was due meanwhile ran late, or is counted as missed.
    let answered = "SELECT count(*) + sum(passed_over) - (extract(epoch FROM max(fire) - min(fire)) + 1)::int FROM orchestrator.schedule_fires";
    assert_eq!(number(&server, answered), 0);
    assert_eq!(
        fires(&server, "state = 'failed' AND runs = 0"),
        0,
        "none failed without having been begun"
    );
    // The journal's runs of that minute are in the table now.
    let runs = "SELECT count(*) FROM orchestrator.deployment_log WHERE status = 'running'";
    assert_eq!(number(&server, runs), 0);
}

#[test]
fn a_storage_is_away_for_a_minute_and_the_fire_is_tried_again() {
    let server = server();
    let moto = Moto::start();
    moto.create_bucket("backups");
    let proxy = FaultyProxy::start(moto.address());
    let mut project = project(&server);
    project.set("AWS_ACCESS_KEY_ID", "test");
    project.set("AWS_SECRET_ACCESS_KEY", "test");
    let config = project.read("orchestrator.toml");
    let storage = format!(
        "[storage.main]\nurl = \"s3://backups/team\"\nendpoint = \"{}\"\nregion = \"eu-central-1\"\n",
        proxy.endpoint()
    );
    project.write("orchestrator.toml", &(config + &storage));
    project.write(
        "schedules/backup.toml",
        "cron = \"*/5 * * * * *\"\njob = \"backup\"\noverlap = \"skip\"\nretry = { attempts = 20, backoff = \"5s\", max_backoff = \"10s\" }\n",
    );
    proxy.set([Strike::new(Fault::Answer(503, "SlowDown")).times(usize::MAX)]);
    let daemon = Running::begin(&project);
    wait_long("a run that fails", Duration::from_secs(120), || {
        number(
            &server,
            "SELECT count(*) FROM orchestrator.deployment_log WHERE job = 'backup' AND status = 'failed'",
        ) >= 1
    });
    std::thread::sleep(Duration::from_secs(60));
    proxy.set([]);
    wait_long("the same fire succeeds", Duration::from_secs(120), || {
        fires(&server, "state = 'succeeded' AND runs > 1") >= 1
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn sigterm_lets_short_runs_end_and_cancels_long_ones() {
    let server = server();
    let project = project(&server);
    project.write(
        "seeds/tick.sql",
        "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(1);\n",
    );
    let yearly = "cron = \"@yearly\"\njob = \"tick\"\n";
    project.write("schedules/tick.toml", yearly);
    let due =
        "UPDATE orchestrator.schedules SET since = date_trunc('year', now()) - interval '1 day'";
    Running::begin_and_wait(&project, &server).stop();
    server.psql("app", due);
    let daemon = Running::begin(&project);
    wait_for("the run begins", || {
        fires(&server, "state = 'running' AND runs = 1") == 1
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(
        fires(&server, "state = 'succeeded'"),
        1,
        "a run of a second ends within the grace time"
    );

    project.write(
        "seeds/tick.sql",
        "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(30);\n",
    );
    server.psql("app", &format!("DELETE FROM orchestrator.schedule_fires; DELETE FROM orchestrator.deployment_log; DELETE FROM ticks; {due}"));
    std::fs::remove_dir_all(project.path().join(".orchestrator")).expect("a new journal");
    let daemon = Running::begin(&project);
    wait_for("the run begins", || {
        fires(&server, "state = 'running' AND runs = 1") == 1
    });
    assert_eq!(daemon.stop(), 0);
    let cancelled = "SELECT count(*) FROM orchestrator.deployment_log WHERE status = 'cancelled'";
    assert_eq!(number(&server, cancelled), 1);
    assert_eq!(number(&server, "SELECT count(*) FROM ticks"), 0);
    // The next start goes on with the fire.
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    let daemon = Running::begin(&project);
    wait_for("the fire is taken over", || {
        fires(&server, "state = 'succeeded' AND attempt = 2") == 1
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(number(&server, "SELECT count(*) FROM ticks"), 1);
}

#[test]
fn the_disk_of_the_journal_is_full_for_a_while() {
    let server = server();
    let project = project(&server);
    let disk = SmallDisk::mount(4096);
    let config = project.read("orchestrator.toml");
    let log = format!(
        "[log]\nstate = \"{}\"\n",
        disk.path().join("state").display()
    );
    project.write("orchestrator.toml", &(config + &log));
    project.write("schedules/tick.toml", EVERY_SECOND);
    let daemon = Running::begin(&project);
    wait_for("fires", || fires(&server, "state = 'succeeded'") >= 2);
    disk.leave(0);
    std::thread::sleep(Duration::from_secs(10));
    let full = server.psql("app", "SELECT clock_timestamp()");
    disk.free_all();
    wait_long("fires after it", Duration::from_secs(60), || {
        fires(&server, &format!("fire > '{full}' AND state = 'succeeded'")) >= 2
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(fires(&server, "state = 'failed'"), 0);
    assert_eq!(
        fires(&server, "state = 'running'"),
        0,
        "all are answered for"
    );
    // Whatever was due meanwhile has run, or its record says why not.
    let done = fires(&server, "state = 'succeeded'");
    assert_eq!(number(&server, "SELECT count(*) FROM ticks"), done);
    let recorded = "SELECT count(*) FROM orchestrator.schedule_fires AS f WHERE NOT EXISTS (SELECT FROM orchestrator.deployment_log AS l \
         WHERE l.actor = f.schedule AND (l.facts ->> 'fire')::timestamptz = f.fire AND l.status = f.state)";
    assert_eq!(number(&server, recorded), 0, "a fire without its record");
}

#[test]
fn the_clock_is_set_back_an_hour() {
    let server = server();
    let mut project = project(&server);
    project.write("schedules/tick.toml", EVERY_SECOND);
    let clock = project.path().join("clock");
    std::fs::write(&clock, "+0s").expect("a clock");
    for (name, value) in [
        ("LD_PRELOAD", faketime()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ] {
        project.set(name, &value);
    }
    let daemon = Running::begin(&project);
    wait_for("fires", || fires(&server, "state = 'succeeded'") >= 3);
    std::fs::write(&clock, "-1h").expect("a clock");
    std::thread::sleep(Duration::from_secs(3));
    let before = fires(&server, "true");
    let newest = server.psql("app", "SELECT max(fire) FROM orchestrator.schedule_fires");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(fires(&server, "true"), before, "nothing runs twice");
    // The hour is over: forward again, and it goes on.
    std::fs::write(&clock, "+0s").expect("a clock");
    wait_for("fires after it", || {
        fires(
            &server,
            &format!("fire > '{newest}' AND state = 'succeeded'"),
        ) >= 3
    });
    // A clock that runs ahead claims nothing of tomorrow, which would be missing then; and says why it waits.
    std::fs::write(&clock, "+1d").expect("a clock");
    wait_for("what is wrong is told", || {
        project
            .read("daemon.log")
            .contains("this machine's clock is ahead")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        fires(&server, "fire > clock_timestamp() + interval '2 minutes'"),
        0
    );
    std::fs::write(&clock, "+0s").expect("a clock");
    let back = server.psql("app", "SELECT clock_timestamp()");
    wait_for("fires after that", || {
        fires(&server, &format!("fire > '{back}' AND state = 'succeeded'")) >= 3
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(fires(&server, "state NOT IN ('succeeded', 'skipped')"), 0);
}

/// Debian's libfaketime.
fn faketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("libraries").flatten();
    let library = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file());
    let library = library.expect("libfaketime: run `make setup`");
    library.display().to_string()
}

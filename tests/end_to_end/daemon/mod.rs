//! The daemon: schedules that fire once, whatever happens to it and to what it needs.

mod alarms;
mod doors;
mod failures;
mod load;
mod several;
mod silence;
mod supervision;
mod takeovers;

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Project, Receiver, Version, wait_for};

use crate::interruptions::signal;

/// A daemon under test; killed when the test is over, however it ends.
pub struct Running(Child);

impl Running {
    pub fn begin(project: &Project) -> Self {
        // A pipe that nobody reads would stop it.
        let log = File::options()
            .create(true)
            .append(true)
            .open(project.path().join("daemon.log"))
            .expect("a log");
        let child = project
            .command(["daemon", "--log", "json"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        Self(child)
    }

    /// The same, and it knows its schedules.
    fn begin_and_wait(project: &Project, server: &PostgresServer) -> Self {
        let daemon = Self::begin(project);
        wait_for("the schedules are known", || {
            number(server, "SELECT count(*) FROM orchestrator.schedules") > 0
        });
        daemon
    }

    /// The same, and where it answers, as its log says: `127.0.0.1:PORT`.
    pub fn begin_answering(project: &Project) -> (Self, String) {
        // The log may tell of daemons before it.
        let log = || fs::read_to_string(project.path().join("daemon.log")).unwrap_or_default();
        let before = log().len();
        let daemon = Self::begin(project);
        let mut found = None;
        wait_for("the address of the daemon", || {
            let log = log();
            let line = log[before..]
                .lines()
                .find_map(|line| line.split("HTTP at ").nth(1));
            found = line
                .and_then(|rest| rest.split('"').next())
                .map(str::to_owned);
            found.is_some()
        });
        (daemon, found.expect("an address"))
    }

    pub fn signal(&self, name: &str) {
        signal(&self.0, name);
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        let status = self.0.wait().expect("the daemon ends");
        status.code().expect("the daemon ends by itself")
    }

    pub fn kill(mut self) {
        self.0.kill().expect("the daemon is killed");
        self.0.wait().expect("the daemon is gone");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Dead already, where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A project whose job `tick` writes a row into `ticks` of the database `app`, which holds the log too.
fn project(server: &PostgresServer) -> Project {
    project_at(&server.url("app"))
}

/// The same, with the database at this address.
fn project_at(url: &str) -> Project {
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"{url}\"\n[daemon]\nlisten = \"off\"\nlease = \"3s\"\ngrace = \"4s\"\n\
         [jobs.tick]\nsteps = [{{ plugin = \"seed\", sets = [\"tick\"] }}]\n",
    );
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    project
}

fn server() -> PostgresServer {
    let server = PostgresServer::start(Version::V15);
    server.create_database("app");
    server.psql("app", "CREATE TABLE ticks (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())");
    server
}

/// What a query counts; 0 where the tables are not there yet, which the first daemon makes, or there are no rows to add up.
#[track_caller]
fn number(server: &PostgresServer, query: &str) -> i64 {
    match server.try_psql("app", query) {
        Ok(text) if text.trim().is_empty() => 0,
        Ok(text) => text
            .trim()
            .parse()
            .unwrap_or_else(|error| panic!("{query}: {text:?}: {error}")),
        Err(message) if message.contains("does not exist") => 0,
        Err(message) => panic!("{query}: {message}"),
    }
}

fn fires(server: &PostgresServer, condition: &str) -> i64 {
    number(
        server,
        &format!("SELECT count(*) FROM orchestrator.schedule_fires WHERE {condition}"),
    )
}

/// Waits for longer than `wait_for` does.
#[track_caller]
fn wait_long(what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(
            begun.elapsed() < limit,
            "{what} did not happen within {limit:?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_schedule_fires_and_is_recorded() {
    let server = server();
    let project = project(&server);
    project.write(
        "schedules/tick.toml",
        "cron = \"* * * * * *\"\njob = \"tick\"\n",
    );
    let daemon = Running::begin(&project);
    wait_for("three fires", || fires(&server, "state = 'succeeded'") >= 3);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(
        fires(&server, "state <> 'succeeded' AND state <> 'skipped'"),
        0
    );
    let done = fires(&server, "state = 'succeeded'");
    assert_eq!(number(&server, "SELECT count(*) FROM ticks"), done);
    let logged = "SELECT count(DISTINCT facts ->> 'fire') FROM orchestrator.deployment_log WHERE status = 'succeeded' AND trigger = 'schedule' AND actor = 'tick'";
    assert_eq!(number(&server, logged), done);
    let log = project.read("DEPLOYMENT_LOG.md");
    assert!(log.contains("tick"), "{log}");
}

#[test]
fn schedules_are_read_again_and_a_broken_one_stays_as_it_was() {
    let server = server();
    let project = project(&server);
    project.write(
        "schedules/tick.toml",
        "cron = \"* * * * * *\"\njob = \"tick\"\n",
    );
    let daemon = Running::begin(&project);
    wait_for("a fire", || {
        fires(&server, "schedule = 'tick' AND state = 'succeeded'") >= 1
    });
    // Another file, noticed by itself; and one that is broken now, which stays.
    project.write(
        "schedules/other.toml",
        "cron = \"*/2 * * * * *\"\njob = \"tick\"\n",
    );
    project.write(
        "schedules/tick.toml",
        "cron = \"61 * * * *\"\njob = \"tick\"\n",
    );
    wait_for("a fire of the new schedule", || {
        fires(&server, "schedule = 'other' AND state = 'succeeded'") >= 1
    });
    let before = fires(&server, "schedule = 'tick'");
    wait_for("fires of the broken one", || {
        fires(&server, "schedule = 'tick'") >= before + 2
    });
    // A configuration that cannot be read changes nothing.
    let config = project.read("orchestrator.toml");
    project.write("orchestrator.toml", "databases = 7\n");
    daemon.signal("HUP");
    let before = fires(&server, "schedule = 'other' AND state = 'succeeded'");
    wait_for("fires after a broken configuration", || {
        fires(&server, "schedule = 'other' AND state = 'succeeded'") >= before + 2
    });
    project.write("orchestrator.toml", &config);
    // One that is gone fires no more.
    std::fs::remove_file(project.path().join("schedules/other.toml"))
        .expect("a schedule is removed");
    daemon.signal("HUP");
    std::thread::sleep(Duration::from_secs(3));
    let before = fires(&server, "schedule = 'other'");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(fires(&server, "schedule = 'other'"), before);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_secret_is_read_again_when_its_file_changes() {
    let server = server();
    let receivers = [Receiver::start(), Receiver::start()];
    let address = |receiver: &Receiver, path| format!("{}/{path}\n", receiver.url());
    let project = project(&server);
    let config = project.read("orchestrator.toml");
    let target = "[notify.ops]\nkind = \"webhook\"\nurl_file = \"hook\"\non = [\"succeeded\"]\n";
    project.write("orchestrator.toml", &(config + target));
    project.write("hook", &address(&receivers[0], "hook"));
    project.write("switch", &address(&receivers[0], "switch"));
    project.write(
        "schedules/tick.toml",
        "cron = \"* * * * * *\"\njob = \"tick\"\nnotify = [\"ops\"]\nping_file = \"switch\"\n",
    );
    let daemon = Running::begin(&project);
    let hears = |receiver: &Receiver| {
        let seen = receiver.seen();
        let is_told = |path| seen.iter().any(|request| request.line.contains(path));
        is_told("/hook") && is_told("/switch")
    };
    wait_for("what the first address hears", || hears(&receivers[0]));
    // Of the configuration and of a schedule: nothing else has changed.
    project.write("hook", &address(&receivers[1], "hook"));
    project.write("switch", &address(&receivers[1], "switch"));
    wait_for("what the second one hears", || hears(&receivers[1]));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_was_missed_runs_once_or_is_recorded() {
    let server = server();
    let project = project(&server);
    for (name, missed) in [("once", "once"), ("skip", "skip")] {
        let text = format!("cron = \"* * * * *\"\njob = \"tick\"\nmissed = \"{missed}\"\n");
        project.write(&format!("schedules/{name}.toml"), &text);
    }
    let daemon = Running::begin(&project);
    let seen = "SELECT count(*) FROM orchestrator.schedules";
    wait_for("the schedules are known", || number(&server, seen) == 2);
    daemon.stop();
    // Three hours without a daemon, and all that it had done before them.
    server.psql(
        "app",
        "UPDATE orchestrator.schedules SET since = since - interval '3 hours'; DELETE FROM orchestrator.schedule_fires; DELETE FROM ticks;
         DELETE FROM orchestrator.deployment_log WHERE trigger = 'schedule'",
    );
    // Its journal would tell of a fire that was on time.
    fs::remove_dir_all(project.path().join(".orchestrator")).expect("a new journal");
    let daemon = Running::begin(&project);
    wait_for("what is missed", || {
        fires(&server, "schedule = 'once' AND state = 'succeeded'") >= 1
            && fires(&server, "schedule = 'skip'") >= 1
    });
    daemon.stop();
    let passed_over = |schedule: &str| {
        number(
            &server,
            &format!(
                "SELECT sum(passed_over + is_missed::int) FROM orchestrator.schedule_fires WHERE schedule = '{schedule}'"
            ),
        )
    };
    assert!(
        (176..=181).contains(&passed_over("once")),
        "{}",
        passed_over("once")
    );
    assert!(
        (176..=181).contains(&passed_over("skip")),
        "{}",
        passed_over("skip")
    );
    // At most one on time, and of those that were late one or none.
    assert!(fires(&server, "schedule = 'once' AND state = 'succeeded'") <= 2);
}

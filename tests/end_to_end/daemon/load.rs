//! A thousand fires in a minute: what a daemon holds does not grow with what it has done.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use end_to_end::{PostgresServer, wait_for};

use super::{Running, fires, number, project, server, wait_long};

/// What a process holds.
#[derive(Debug)]
struct Holdings {
    resident_kib: u64,
    files: Vec<String>,
    threads: usize,
}

impl Holdings {
    fn of(daemon: &Running) -> Self {
        let folder = PathBuf::from(format!("/proc/{}", daemon.0.id()));
        let status = fs::read_to_string(folder.join("status")).expect("the status of a process");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .expect("its memory that is no file");
        Self {
            resident_kib: resident
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .expect("KiB"),
            files: open_files(&folder),
            threads: fs::read_dir(folder.join("task"))
                .expect("its threads")
                .count(),
        }
    }
}

fn open_files(process: &std::path::Path) -> Vec<String> {
    let files = fs::read_dir(process.join("fd"))
        .expect("its files")
        .flatten();
    // One that was closed meanwhile leads nowhere.
    let leads = files.filter_map(|file| fs::read_link(file.path()).ok());
    // Connections are counted by the server, where they are sessions.
    leads
        .map(|path| path.display().to_string())
        .filter(|path| !path.starts_with("socket:"))
        .collect()
}

/// Sessions of others than the daemon itself have ended, and so have all runs.
fn rest(server: &PostgresServer, daemon: &Running) -> Holdings {
    wait_long("the end of all runs", Duration::from_secs(600), || {
        fires(server, "state = 'running'") == 0
    });
    // One for claims, one for leases.
    wait_for("the end of all sessions but two", || {
        number(server, SESSIONS) <= 2
    });
    Holdings::of(daemon)
}

const SESSIONS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()";

#[test]
fn a_thousand_fires_leave_nothing_behind() {
    let server = server();
    let project = project(&server);
    let schedule = |text: &str| {
        for number in 0..8 {
            project.write(&format!("schedules/s{number}.toml"), text);
        }
    };
    let often = "cron = \"* * * * * *\"\njob = \"tick\"\noverlap = \"queue\"\n";
    schedule(often);
    let daemon = Running::begin(&project);
    let done = || fires(&server, "state = 'succeeded'");
    wait_long("the first 200 fires", Duration::from_secs(120), || {
        done() >= 200
    });
    schedule("cron = \"@yearly\"\njob = \"tick\"\n");
    let before = rest(&server, &daemon);
    let begun = done();
    schedule(often);
    wait_long("a thousand fires", Duration::from_secs(400), || {
        // Each of four runs may have some; the daemon has one.
        assert!(
            number(&server, SESSIONS) <= 40,
            "{} sessions",
            number(&server, SESSIONS)
        );
        done() >= begun + 1000
    });
    let busy = Holdings::of(&daemon);
    schedule("cron = \"@yearly\"\njob = \"tick\"\n");
    let mut after = rest(&server, &daemon);
    // A file that is open for a moment is none that is kept: what was kept would be there for good.
    wait_long("files that are closed", Duration::from_secs(30), || {
        after = Holdings::of(&daemon);
        after.files.len() <= before.files.len()
    });
    println!("at rest {before:?}, after a thousand fires {busy:?}, at rest again {after:?}");
    // Runs of the journal are held in some 1.2 KiB each, until it is compacted; the rest is room that the allocator has not given back.
    assert!(
        after.resident_kib < before.resident_kib + 12 * 1024,
        "{before:?} {after:?}"
    );
    assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
    assert_eq!(daemon.stop(), 0);
    wait_for("the end of the daemon's session", || {
        number(&server, SESSIONS) == 0
    });
}

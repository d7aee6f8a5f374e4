//! A log that has become too long: its oldest entries in the files of their months, each run once, whatever comes in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::super::*;
use super::child;
use super::server::Server;
use crate::deployment_log::blocks::blocks;

const SHORT: Length = Length { kept: 3, beyond: 2 };

/// Where the log of a folder is.
fn paths(folder: &Path) -> LogPaths {
    LogPaths {
        state: folder.join("state"),
        markdown: folder.join("DEPLOYMENT_LOG.md"),
        reports: folder.join("reports"),
    }
}

/// A log of five entries at most, as at the start of a command.
fn log(folder: &Path) -> DeploymentLog {
    DeploymentLog::open_with(paths(folder), Redactor::default(), SHORT).unwrap()
}

/// A run of the day so many days after the 26th of November 2026.
fn run(day: i64) -> RunRecord {
    let first: Timestamp = "2026-11-26T02:00:00Z".parse().unwrap();
    let started = first + SignedDuration::from_hours(24 * day);
    let time = uuid::Timestamp::from_unix_time(started.as_second() as u64, 0, 0, 0);
    RunRecord {
        run_id: Uuid::new_v7(time),
        started,
        ..RunRecord::new("backup", Trigger::Schedule, "nightly", "production")
    }
}

fn closed(mut record: RunRecord, status: Status) -> RunRecord {
    record.close(status, None, 0);
    record.finished = Some(record.started);
    record
}

/// A run of the day from its start to its end.
fn whole(log: &DeploymentLog, day: i64) -> Uuid {
    let record = run(day);
    let guard = log.start(record.clone()).unwrap();
    let record = closed(record, Status::Succeeded);
    guard.finish(record).unwrap().record.run_id
}

/// Every entry of the log and of the files of months: by run, where it stands and with which status.
fn standing(folder: &Path) -> BTreeMap<Uuid, Vec<(String, String)>> {
    let mut standing: BTreeMap<Uuid, Vec<(String, String)>> = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for block in blocks(&text) {
            let Some(run) = block.kind.run() else {
                continue;
            };
            let (_, status) = blocks::mark(block.text.lines().next().unwrap()).unwrap();
            let place = (name.clone(), status.to_owned());
            standing.entry(run).or_default().push(place);
        }
    }
    standing
}

/// Each run of the journal stands once, with its status, and nothing else does.
#[track_caller]
fn assert_each_once(log: &DeploymentLog, folder: &Path) {
    let mut runs = BTreeMap::new();
    log.each(|record| {
        runs.insert(record.run_id, vec![record.status.to_string()]);
    })
    .unwrap();
    let shown: BTreeMap<Uuid, Vec<String>> = standing(folder)
        .into_iter()
        .map(|(run, places)| (run, places.into_iter().map(|(_, status)| status).collect()))
        .collect();
    assert_eq!(shown, runs, "{:#?}", standing(folder));
}

/// The runs of a file, the newest first.
fn runs_of(folder: &Path, name: &str) -> Vec<Uuid> {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    let blocks = blocks(&text);
    blocks.iter().filter_map(|block| block.kind.run()).collect()
}

/// As long as it is there, this file of the folder cannot be replaced: what a full disk does, or a kill right before.
fn block(folder: &Path, name: &str) -> PathBuf {
    let obstacle = folder.join(format!(".{name}.new"));
    fs::create_dir(&obstacle).unwrap();
    obstacle
}

const LOG: &str = "DEPLOYMENT_LOG.md";
const NOVEMBER: &str = "DEPLOYMENT_LOG-2026-11.md";
const DECEMBER: &str = "DEPLOYMENT_LOG-2026-12.md";

#[test]
fn the_oldest_entries_go_to_their_months_and_what_people_wrote_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let by_hand = "# Ours\n\n## 2026-11-25 - By hand\nkept\n";
    fs::write(folder.join(LOG), by_hand).unwrap();
    let ours = log(folder);
    // One that is under way stays, however old it is.
    let first = run(0);
    let guard = ours.start(first.clone()).unwrap();
    let mut runs: Vec<Uuid> = (1..5).map(|day| whole(&ours, day)).collect();
    assert!(!folder.join(NOVEMBER).exists());
    runs.extend((5..8).map(|day| whole(&ours, day)));
    let of = |days: &[usize]| days.iter().map(|day| runs[day - 1]).collect::<Vec<_>>();
    let mut of_log = of(&[7, 6, 5]);
    of_log.push(first.run_id);
    assert_eq!(runs_of(folder, LOG), of_log);
    assert_eq!(runs_of(folder, NOVEMBER), of(&[4, 3, 2, 1]));
    assert_each_once(&ours, folder);
    (8..10).for_each(|day| {
        whole(&ours, day);
    });
    assert_eq!(runs_of(folder, DECEMBER), of(&[6, 5]));
    let november = fs::read_to_string(folder.join(NOVEMBER)).unwrap();
    assert!(
        november.starts_with("# Deployment log, 2026-11\n\nMoved here from the log as it grew, newest first.\n\n<!-- orchestrator run"),
        "{november}"
    );
    // When the old one is over, those that were moved before are not taken for missing.
    guard.finish(closed(first, Status::Failed)).unwrap();
    let again = log(folder);
    assert_each_once(&again, folder);
    whole(&again, 10);
    whole(&again, 11);
    assert_each_once(&again, folder);
    let text = fs::read_to_string(folder.join(LOG)).unwrap();
    assert!(
        text.starts_with("# Ours\n\n") && text.contains("By hand\nkept\n"),
        "{text}"
    );
    assert!(!text.contains("\n\n\n"), "no empty lines are left: {text}");
}

#[test]
fn a_kill_between_the_months_and_the_log_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ours = log(folder);
    (0..5).for_each(|day| {
        whole(&ours, day);
    });
    let obstacle = block(folder, LOG);
    whole(&ours, 5);
    assert_eq!(runs_of(folder, NOVEMBER).len(), 3, "the month was written");
    assert_eq!(runs_of(folder, LOG).len(), 5, "the log was not");
    fs::remove_dir(obstacle).unwrap();
    let again = log(folder);
    assert_eq!(runs_of(folder, LOG).len(), 3);
    assert_each_once(&again, folder);
}

/// A month's file that cannot be written, or not even be read, while the log grows; then it can.
fn survive(in_the_way: impl Fn(&Path) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ours = log(folder);
    (0..5).for_each(|day| {
        whole(&ours, day);
    });
    let obstacle = in_the_way(folder);
    whole(&ours, 5);
    let late = run(6);
    let guard = ours.start(late.clone()).unwrap();
    let late = guard.finish(closed(late, Status::Succeeded)).unwrap();
    assert!(late.warnings[0].contains(NOVEMBER), "{:?}", late.warnings);
    assert_eq!(runs_of(folder, LOG).len(), 7, "the log keeps them all");
    assert_each_once(&ours, folder);
    assert_each_once(&log(folder), folder);
    match obstacle.is_dir() {
        true => fs::remove_dir(obstacle).unwrap(),
        false => fs::remove_file(obstacle).unwrap(),
    }
    whole(&log(folder), 7);
    assert_eq!(runs_of(folder, LOG).len(), 3);
    assert_each_once(&ours, folder);
}

#[test]
fn a_month_that_cannot_be_written_keeps_nothing_from_the_log() {
    survive(|folder| block(folder, NOVEMBER));
}

#[test]
fn a_month_that_is_no_text_keeps_nothing_from_the_log() {
    survive(|folder| {
        let path = folder.join(NOVEMBER);
        fs::write(&path, b"\xff\xfe").unwrap();
        path
    });
}

#[tokio::test]
async fn older_runs_of_another_machine_are_written_down_and_corrected() {
    let (server, here, there) = (
        Server::start(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let client = server.client("postgres").await;
    let ours = log(here.path());
    (5..12).for_each(|day| {
        whole(&ours, day);
    });
    let theirs = log(there.path());
    let (whole_one, dead) = (whole(&theirs, 1), run(2));
    let guard = theirs.start(dead.clone()).unwrap();
    theirs.attach(&client).await.unwrap();

    // Killed after the journal had them, before anything else did.
    let obstacles = [LOG, NOVEMBER].map(|name| block(here.path(), name));
    let attached = ours.attach(&client).await.unwrap();
    assert_eq!((attached.imported, attached.warnings.len()), (2, 1));
    assert!(!standing(here.path()).contains_key(&whole_one));
    for obstacle in obstacles {
        fs::remove_dir(obstacle).unwrap();
    }
    let again = log(here.path());
    assert_each_once(&again, here.path());
    assert_eq!(runs_of(here.path(), NOVEMBER), [whole_one]);
    assert!(runs_of(here.path(), LOG).contains(&dead.run_id));

    // It is over for us, is moved, and was not so.
    client
        .batch_execute("UPDATE orchestrator.deployment_log SET status = 'interrupted', finished = started WHERE status = 'running'")
        .await
        .unwrap();
    again.attach(&client).await.unwrap();
    (12..15).for_each(|day| {
        whole(&again, day);
    });
    assert_eq!(runs_of(here.path(), NOVEMBER), [dead.run_id, whole_one]);
    guard
        .finish(closed(dead.clone(), Status::Succeeded))
        .unwrap();
    theirs.attach(&client).await.unwrap();
    assert_eq!(again.attach(&client).await.unwrap().imported, 1);
    assert_each_once(&again, here.path());
    let shown = &standing(here.path())[&dead.run_id];
    assert_eq!(shown, &[(NOVEMBER.to_owned(), "succeeded".to_owned())]);
    // A month whose file somebody has removed comes back.
    fs::remove_file(here.path().join(NOVEMBER)).unwrap();
    assert_each_once(&log(here.path()), here.path());
}

#[test]
fn an_entry_that_stands_twice_in_a_month_is_one_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ours = log(folder);
    (0..6).for_each(|day| {
        whole(&ours, day);
    });
    let november = fs::read_to_string(folder.join(NOVEMBER)).unwrap();
    let (_, entries) = november.split_once("first.\n\n").unwrap();
    fs::write(folder.join(NOVEMBER), format!("{november}{entries}")).unwrap();
    assert_each_once(&log(folder), folder);
}

#[test]
fn many_writers_leave_each_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::thread::scope(|scope| {
        for writer in 0..6 {
            scope.spawn(move || {
                let ours = log(folder);
                (0..12).for_each(|day| {
                    whole(&ours, (day * 5 + writer) % 40);
                });
            });
        }
    });
    let ours = log(folder);
    assert_each_once(&ours, folder);
    assert!(runs_of(folder, LOG).len() <= SHORT.kept + SHORT.beyond);
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_each_run_once() {
    if let Some(folder) = std::env::var_os(super::CHILD) {
        let ours = log(Path::new(&folder));
        println!("ready");
        for day in (0..60).cycle() {
            whole(&ours, day);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for round in 0..12_u64 {
        let test = "months::a_process_that_is_killed_at_any_moment_leaves_each_run_once";
        let mut child = child(test, folder.path());
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        std::thread::sleep(std::time::Duration::from_millis(round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();
        let ours = log(folder.path());
        for dead in ours.interrupted().unwrap() {
            ours.close_interrupted(dead, Vec::new()).unwrap();
        }
        assert_each_once(&ours, folder.path());
    }
}

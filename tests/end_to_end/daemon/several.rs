//! Several daemons on one database.

use std::time::{Duration, Instant};

use end_to_end::wait_for;

use super::{Running, fires, number, project, server, wait_long};

#[test]
fn of_three_daemons_one_is_killed_every_few_seconds() {
    let server = server();
    // Three machines: three folders, with a journal each.
    let projects = [project(&server), project(&server), project(&server)];
    let schedules = ["a", "b", "c"];
    for project in &projects {
        // Long enough to be killed in.
        project.write(
            "seeds/tick.sql",
            "INSERT INTO ticks DEFAULT VALUES;\nSELECT pg_sleep(0.6);\n",
        );
        for name in schedules {
            project.write(
                &format!("schedules/{name}.toml"),
                "cron = \"*/2 * * * * *\"\njob = \"tick\"\noverlap = \"queue\"\n",
            );
        }
    }
    let mut daemons: Vec<Option<Running>> = projects
        .iter()
        .map(|project| Some(Running::begin(project)))
        .collect();
    wait_for("the first fires", || {
        fires(&server, "state = 'succeeded'") >= 3
    });
    let begun = Instant::now();
    let from = server.psql("app", "SELECT clock_timestamp()");
    let mut kills = 0;
    while begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1700 + 90 * kills));
        let victim = kills as usize % 3;
        let daemon = daemons[victim].take().expect("a daemon");
        let at_work = format!(
            "state = 'running' AND runs > 0 AND daemon LIKE '% {} %'",
            daemon.0.id()
        );
        // Each of them at work and, the next time, whatever it is doing.
        if kills / 3 % 2 == 0 {
            wait_long("the victim is at work", Duration::from_secs(30), || {
                fires(&server, &at_work) > 0
            });
        }
        daemon.kill();
        std::thread::sleep(Duration::from_millis(700));
        daemons[victim] = Some(Running::begin(&projects[victim]));
        kills += 1;
    }
    // No more of them: what was begun ends, and what a dead one has left is taken over. The last seconds' fires may have no row yet.
    let until = server.psql("app", "SELECT clock_timestamp() - interval '5 seconds'");
    wait_long("the end of all fires", Duration::from_secs(300), || {
        fires(&server, &format!("fire <= '{until}' AND state = 'running'")) == 0
    });
    for daemon in daemons.into_iter().flatten() {
        daemon.stop();
    }
    for name in schedules {
        let count = |what: &str| {
            let query = format!(
                "SELECT {what} FROM orchestrator.schedule_fires WHERE schedule = '{name}' AND fire > '{from}' AND fire <= '{until}'"
            );
            number(&server, &query)
        };
        // None lost: every second second of that time has its row, which has ended well.
        let seconds = format!(
            "SELECT floor(extract(epoch FROM '{until}'::timestamptz) / 2) - floor(extract(epoch FROM '{from}'::timestamptz) / 2)"
        );
        let expected = number(&server, &seconds);
        assert!(expected >= 25, "{expected} fires of {name}");
        assert_eq!(count("count(*)"), expected, "fires of {name}");
        assert_eq!(
            count("count(*) FILTER (WHERE state = 'succeeded')"),
            expected,
            "fires of {name} that succeeded"
        );
        assert!(
            count("count(DISTINCT daemon)") > 1,
            "one daemon alone answered for {name}"
        );
    }
    // None twice: of the runs of a fire one has succeeded.
    let twice = "SELECT count(*) FROM (SELECT actor, facts ->> 'fire' FROM orchestrator.deployment_log \
         WHERE trigger = 'schedule' AND status = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1) AS t";
    assert_eq!(number(&server, twice), 0);
    assert!(
        fires(&server, "attempt > 1") > 0,
        "no daemon was killed at work"
    );
}

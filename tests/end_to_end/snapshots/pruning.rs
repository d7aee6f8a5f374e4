//! Snapshots by rule: which stay and why, with whose consent, what a pin keeps, and what is told when a deletion fails.

use std::array;

use end_to_end::{Answer, Moto, PostgresServer, Project, RdsProxy, Version};
use serde_json::{Value, json};

use super::{cluster, created, instance, on_server, snapshot};
use crate::text;

/// What is different between an instance and a cluster: at the provider, and in the configuration.
struct Sort {
    name: &'static str,
    line: &'static str,
    make: fn(&Moto),
    describe: &'static str,
    identifier: &'static str,
    delete: &'static str,
    by_hand: (&'static str, &'static str),
}

const INSTANCE: Sort = Sort {
    name: "qconnect-prod",
    line: "instance = \"qconnect-prod\"",
    make: instance,
    describe: "DescribeDBSnapshots",
    identifier: "DBSnapshotIdentifier",
    delete: "DeleteDBSnapshot",
    by_hand: (
        "CreateDBSnapshot",
        "DBInstanceIdentifier=qconnect-prod&DBSnapshotIdentifier=by-hand",
    ),
};

const CLUSTER: Sort = Sort {
    name: "shop",
    line: "cluster = \"shop\"",
    make: cluster,
    describe: "DescribeDBClusterSnapshots",
    identifier: "DBClusterSnapshotIdentifier",
    delete: "DeleteDBClusterSnapshot",
    by_hand: (
        "CreateDBClusterSnapshot",
        "DBClusterIdentifier=shop&DBClusterSnapshotIdentifier=by-hand",
    ),
};

/// A server at the provider, and a project whose requests can be answered otherwise.
struct Stage {
    sort: &'static Sort,
    moto: Moto,
    proxy: RdsProxy,
    project: Project,
    _server: PostgresServer,
}

impl Stage {
    fn with(sort: &'static Sort) -> Self {
        let server = PostgresServer::start(Version::V15);
        let moto = Moto::start();
        (sort.make)(&moto);
        let proxy = RdsProxy::before(moto.address());
        let project = on_server(&server, sort.line, &proxy.endpoint());
        Self {
            sort,
            moto,
            proxy,
            project,
            _server: server,
        }
    }

    /// New snapshots, the oldest first.
    fn take<const N: usize>(&self) -> [String; N] {
        array::from_fn(|_| text(&created(&self.project)["id"]))
    }

    /// The names of the snapshots at the provider that it has not made by itself.
    fn there(&self) -> Vec<String> {
        let all = self.moto.rds(self.sort.describe, "SnapshotType=manual");
        let begin = format!("<{}>", self.sort.identifier);
        let mut names: Vec<String> = all
            .split(&begin)
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('<')?.0.to_owned()))
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    fn assert_there(&self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.there(), expected);
    }

    /// What the run of a command came to.
    fn result<const N: usize>(&self, arguments: [&str; N]) -> Value {
        let arguments = ["snapshot"].into_iter().chain(arguments);
        let fixed = ["--database", "source", "--output", "json"];
        let run = self.project.run(arguments.chain(fixed)).expect_code(0);
        run.json()["steps"][0]["result"].clone()
    }

    /// The record of the newest run.
    fn newest_record(&self) -> Value {
        let list = self.project.run(["log", "list", "--output", "json"]);
        let list = list.expect_code(0).json();
        let run = text(&list["runs"][0]["run_id"]);
        let shown = self.project.run(["log", "show", &run, "--output", "json"]);
        shown.expect_code(0).json()
    }

    fn no_rule(&self) -> String {
        format!(
            "no rule keeps it among the backups of {} of the kind manual",
            self.sort.name
        )
    }
}

/// As the plan tells it.
fn told<const N: usize>(decisions: [(&str, &str); N]) -> Value {
    let told = |(name, why)| json!({ "snapshot": name, "why": why });
    decisions.into_iter().map(told).collect()
}

fn prunes_by_rule(sort: &'static Sort) {
    let stage = Stage::with(sort);
    let ours = stage.take::<6>();
    let [pinned, failed_before, old, good, failed, unfinished] =
        ours.each_ref().map(String::as_str);
    stage.moto.rds(sort.by_hand.0, sort.by_hand.1);
    let pin = stage.result(["pin", pinned, "--reason", "before the audit"]);
    assert_eq!(
        pin,
        json!({ "id": pinned, "server": sort.name, "pinned": "before the audit" })
    );
    let statuses = [
        (failed_before, "failed"),
        (failed, "failed"),
        (unfinished, "creating"),
    ];
    let statuses = statuses.map(|(name, status)| (name.to_owned(), status));
    stage.proxy.answer(
        sort.describe,
        usize::MAX,
        Answer::Statuses(statuses.to_vec()),
    );

    // The newest one has its place by the rule, and is of no use: it takes none of a good one. What is not finished is nobody's to judge.
    let kept = told([
        (failed, "last 1: number 1"),
        (
            good,
            "last 1: number 1; the last good one; the last good one of its kind",
        ),
        (pinned, "pinned: before the audit"),
    ]);
    let no_rule = stage.no_rule();
    let doomed = told([(old, &no_rule), (failed_before, &no_rule)]);
    let planned = stage.result(["prune", "--keep-last", "1", "--dry-run"]);
    assert_eq!(
        planned,
        json!({ "server": sort.name, "kept": kept, "would_delete": doomed })
    );
    let refused = snapshot(&stage.project, ["prune", "--keep-last", "1"]).expect_code(4);
    for decision in [&kept, &doomed].into_iter().flat_map(Value::as_array) {
        for decision in decision {
            let line = format!(
                "{}: {}",
                text(&decision["snapshot"]),
                text(&decision["why"])
            );
            assert!(refused.stderr.contains(&line), "{line}: {}", refused.stderr);
        }
    }
    assert!(
        refused.stderr.contains("agree with --yes"),
        "{}",
        refused.stderr
    );
    assert_eq!(stage.there().len(), 7);

    let pruned = stage.result(["prune", "--keep-last", "1", "--yes"]);
    assert_eq!(
        pruned,
        json!({ "server": sort.name, "kept": kept, "deleted": doomed })
    );
    stage.assert_there(&[pinned, good, failed, unfinished, "by-hand"]);
    let record = stage.newest_record();
    assert_eq!(
        record["facts"]["plan"],
        json!({ "keep": kept, "delete": doomed })
    );
    // Again: nothing more, and no question.
    snapshot(&stage.project, ["prune", "--keep-last", "1"]).expect_code(0);
    stage.assert_there(&[pinned, good, failed, unfinished, "by-hand"]);

    // Nothing but the pin keeps it.
    let refused = snapshot(&stage.project, ["delete", old, pinned, "--yes"]).expect_code(1);
    assert!(refused.stderr.contains(old), "{}", refused.stderr);
    let refused = snapshot(&stage.project, ["delete", good, pinned, "--yes"]).expect_code(1);
    assert!(
        refused.stderr.contains("is pinned: before the audit"),
        "{}",
        refused.stderr
    );
    stage.assert_there(&[pinned, good, failed, unfinished, "by-hand"]);
    snapshot(&stage.project, ["unpin", pinned]).expect_code(0);
    let again = snapshot(&stage.project, ["unpin", pinned]).expect_code(1);
    assert!(again.stderr.contains("is not pinned"), "{}", again.stderr);
    snapshot(&stage.project, ["prune", "--keep-last", "1", "--yes"]).expect_code(0);
    stage.assert_there(&[good, failed, unfinished, "by-hand"]);
}

#[test]
fn snapshots_of_an_instance_are_pruned_by_rule_and_those_of_others_stay() {
    prunes_by_rule(&INSTANCE);
}

#[test]
fn snapshots_of_a_cluster_are_pruned_by_rule_and_those_of_others_stay() {
    prunes_by_rule(&CLUSTER);
}

#[test]
fn a_pin_is_a_tag_and_a_kind_is_pruned_by_itself() {
    let stage = Stage::with(&INSTANCE);
    let manual = stage.take::<2>();
    let nightly: [String; 2] = array::from_fn(|_| {
        let made = stage.result(["create", "--kind", "nightly"]);
        text(&made["id"])
    });
    let empty = snapshot(&stage.project, ["prune", "--yes"]).expect_code(2);
    assert!(
        empty.stderr.contains("keeps nothing by rule"),
        "{}",
        empty.stderr
    );

    let long = "x".repeat(257);
    for (reason, expected) in [
        ("before 2.0, until May", "the character ',' in it"),
        (" ", "without a reason"),
        (long.as_str(), "has 257 characters"),
    ] {
        let pin = ["pin", nightly[0].as_str(), "--reason", reason];
        let refused = snapshot(&stage.project, pin).expect_code(1);
        assert!(
            refused.stderr.contains(expected),
            "{expected}: {}",
            refused.stderr
        );
    }
    let missing = snapshot(&stage.project, ["pin", "nowhere", "--reason", "x"]).expect_code(1);
    assert!(
        missing.stderr.contains("snapshot list"),
        "{}",
        missing.stderr
    );
    let plain = snapshot(&stage.project, ["list"]).expect_code(0).stdout;
    assert!(!plain.contains("PINNED"), "{plain}");

    // By this program, and by hand in the console, where nobody asks for a reason.
    snapshot(
        &stage.project,
        ["pin", &nightly[0], "--reason", "until 2027-01-01: audit"],
    )
    .expect_code(0);
    let log = stage.project.read("DEPLOYMENT_LOG.md");
    let change = format!(
        "Pinned the snapshot {}: until 2027-01-01: audit",
        nightly[0]
    );
    assert!(log.contains(&change), "{log}");
    let arn = "ResourceName=arn:aws:rds:us-east-1:123456789012:snapshot";
    stage.moto.rds(
        "AddTagsToResource",
        &format!(
            "{arn}:{}&Tags.Tag.1.Key=orchestrator:pin&Tags.Tag.1.Value=",
            manual[0]
        ),
    );
    let listed = stage.project.run([
        "snapshot",
        "list",
        "--database",
        "source",
        "--output",
        "json",
    ]);
    let listed = listed.expect_code(0).json();
    let pin_of = |name: &str| {
        let all = listed["snapshots"].as_array().expect("a list");
        let found = all.iter().find(|found| found["id"] == name);
        found.expect("it is listed")["pinned"].clone()
    };
    assert_eq!(pin_of(&nightly[0]), "until 2027-01-01: audit");
    assert_eq!(pin_of(&manual[0]), "");
    assert_eq!(pin_of(&manual[1]), Value::Null);
    let shown = snapshot(&stage.project, ["list"]).expect_code(0).stdout;
    for expected in ["PINNED", "until 2027-01-01: audit", "yes"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let planned = stage.result(["prune", "--keep-last", "1", "--dry-run"]);
    assert_eq!(planned["would_delete"], json!([]));

    snapshot(&stage.project, ["unpin", &nightly[0]]).expect_code(0);
    snapshot(&stage.project, ["unpin", &manual[0]]).expect_code(0);
    let kind = ["prune", "--keep-last", "1", "--kind", "nightly", "--yes"];
    let pruned = stage.result(kind);
    assert_eq!(pruned["kept"].as_array().map(Vec::len), Some(1), "{pruned}");
    stage.assert_there(&[&manual[0], &manual[1], &nightly[1]]);

    // Pinned by somebody between the plan and the deletion: between the first look and the second.
    let describe = |answer| stage.proxy.answer(INSTANCE.describe, 1, answer);
    describe(Answer::Forwarded);
    describe(Answer::Rewritten("orchestrator:by<", "orchestrator:pin<"));
    let late = ["prune", "--keep-last", "1", "--kind", "manual", "--yes"];
    let late = snapshot(&stage.project, late).expect_code(3);
    assert!(
        late.stdout
            .contains("was pinned after the plan was made: it stays"),
        "{}",
        late.stdout
    );
    stage.assert_there(&[&manual[0], &manual[1], &nightly[1]]);

    let none = ["prune", "--keep-last", "1", "--kind", "nigthly", "--yes"];
    let none = snapshot(&stage.project, none).expect_code(3);
    assert!(
        none.stdout.contains("no snapshot of the kind nigthly"),
        "{}",
        none.stdout
    );
}

#[test]
fn nothing_is_deleted_that_nobody_was_shown() {
    let stage = Stage::with(&INSTANCE);
    let ours = stage.take::<3>();
    let all = ours.each_ref().map(String::as_str);
    let prune = ["prune", "--keep-last", "1"];

    // The look that would be shown is refused, and would not be a moment later: nobody is asked, and nothing runs.
    let denied = Answer::Error(403, "AccessDenied", "no");
    stage.proxy.answer(INSTANCE.describe, 1, denied);
    let failed = snapshot(&stage.project, prune).expect_code(4);
    assert!(
        failed.stderr.contains("rds:DescribeDBSnapshots"),
        "{}",
        failed.stderr
    );
    stage.assert_there(&all);

    // It finds nothing to delete, and a moment later there is something.
    let unfinished = ours[..2].iter().map(|name| (name.clone(), "creating"));
    stage
        .proxy
        .answer(INSTANCE.describe, 1, Answer::Statuses(unfinished.collect()));
    let pruned = stage.result(prune);
    assert_eq!(pruned["deleted"], json!([]), "{pruned}");
    assert_eq!(pruned["not_agreed"], json!([ours[1], ours[0]]), "{pruned}");
    stage.assert_there(&all);

    // In a job: an empty list allows nothing, and without one the policy is the operator's word.
    let config = stage.project.read("orchestrator.toml");
    let job = |agreed: &str| {
        let step = format!(
            "{{ plugin = \"snapshot\", database = \"source\", command = \"prune\", keep_last = 1{agreed} }}"
        );
        stage.project.write(
            "orchestrator.toml",
            &format!("{config}[jobs.tidy]\nsteps = [{step}]\n"),
        );
        stage.project.run(["run", "tidy"]).expect_code(0);
    };
    job(", agreed = []");
    stage.assert_there(&all);
    job(&format!(", agreed = [\"{}\", \"{}\"]", all[1], all[2]));
    stage.assert_there(&[all[0], all[2]]);
    job("");
    stage.assert_there(&[all[2]]);
}

#[test]
fn a_deletion_that_fails_leaves_a_true_record() {
    let stage = Stage::with(&INSTANCE);
    let ours = stage.take::<4>();
    let [first, second, third, newest] = ours.each_ref().map(String::as_str);
    let denied = Answer::Error(403, "AccessDenied", "no");
    stage.proxy.answer(INSTANCE.delete, 2, Answer::Forwarded);
    stage.proxy.answer(INSTANCE.delete, 1, denied.clone());
    let failed = snapshot(&stage.project, ["prune", "--keep-last", "1", "--yes"]).expect_code(1);
    stage.assert_there(&[first, newest]);
    let no_rule = stage.no_rule();
    for line in [
        format!("delete {first}: {no_rule}"),
        format!("keep {newest}: last 1: number 1"),
    ] {
        assert!(failed.stderr.contains(&line), "{line}: {}", failed.stderr);
    }
    let record = stage.newest_record();
    assert_eq!(text(&record["status"]), "failed");
    assert_eq!(
        text(&record["facts"]["change"]),
        format!("Deleted the snapshots {third}, {second}")
    );
    let doomed = [third, second, first].map(|name| (name, no_rule.as_str()));
    assert_eq!(record["facts"]["plan"]["delete"], told(doomed));

    // Those that were named, too.
    stage.proxy.answer(INSTANCE.delete, 1, Answer::Forwarded);
    stage.proxy.answer(INSTANCE.delete, 1, denied);
    snapshot(&stage.project, ["delete", first, newest, "--yes"]).expect_code(1);
    stage.assert_there(&[newest]);
    let record = stage.newest_record();
    assert_eq!(
        text(&record["facts"]["change"]),
        format!("Deleted the snapshots {first}")
    );
}

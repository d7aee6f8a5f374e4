//! A network and a server that misbehave between the program and its bucket: a run succeeds by trying again, or fails with what is
//! wrong and what to do, and never takes wrong bytes for right ones.

use std::time::Duration;

use end_to_end::{Fault, FaultyProxy, Moto, Outcome, PostgresServer, Project, Strike, Version};

use crate::{project_in_bucket, statuses};

const MIB: usize = 1 << 20;

/// A database, and a bucket behind a proxy.
struct Stage {
    server: PostgresServer,
    moto: Moto,
    proxy: FaultyProxy,
    project: Project,
}

impl Stage {
    fn new() -> Self {
        let server = PostgresServer::start(Version::V15);
        server.create_example("source");
        server.psql(
            "source",
            "CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 300000) i",
        );
        let moto = Moto::start();
        moto.create_bucket("backups");
        let proxy = FaultyProxy::start(moto.address());
        let project = project_in_bucket(&server, &proxy.endpoint());
        Self {
            server,
            moto,
            proxy,
            project,
        }
    }

    fn run(&self, arguments: &[&str], strikes: impl IntoIterator<Item = Strike>) -> Outcome {
        self.proxy.set(strikes);
        let outcome = self.project.run(arguments);
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!text.contains("the-secret-of-s3"), "a secret is printed");
        }
        outcome
    }

    /// A run that must succeed in spite of faults that must happen.
    fn survives(&self, arguments: &[&str], strikes: impl IntoIterator<Item = Strike>) {
        self.run(arguments, strikes).expect_code(0);
        assert!(
            self.proxy.struck() > 0,
            "no fault happened in {arguments:?}"
        );
    }

    /// A run that must fail, and say all of this.
    fn fails(
        &self,
        arguments: &[&str],
        strikes: impl IntoIterator<Item = Strike>,
        said: &[&str],
    ) -> Outcome {
        let outcome = self.run(arguments, strikes).expect_code(1);
        assert!(
            self.proxy.struck() > 0,
            "no fault happened in {arguments:?}"
        );
        for word in said.iter().chain(&["hint:"]) {
            assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
        }
        outcome
    }

    fn drop_target(&self) {
        self.server.psql("postgres", "DROP DATABASE target");
    }

    fn target_exists(&self) -> bool {
        let exists = "SELECT count(*) FROM pg_database WHERE datname = 'target'";
        self.server.psql("postgres", exists) == "1"
    }

    fn assert_same(&self) {
        let rows = "SELECT count(*), sum(hashtextextended(big::text, 0)) FROM big";
        assert_eq!(
            self.server.psql("source", rows),
            self.server.psql("target", rows)
        );
    }

    /// Objects and unfinished uploads, as the server knows them.
    fn stored(&self) -> (usize, usize) {
        let count = |question: &str, element: &str| {
            let answer = self.moto.request("GET", question, b"");
            assert_eq!(answer.status, 200);
            String::from_utf8_lossy(&answer.body)
                .matches(element)
                .count()
        };
        (
            count("/backups?list-type=2", "<Key>"),
            count("/backups?uploads", "<UploadId>"),
        )
    }

    /// Backs up without faults.
    fn good_backup(&self) {
        self.run(&CREATE, []).expect_code(0);
    }
}

const CREATE: [&str; 4] = ["backup", "create", "--database", "source"];
const VERIFY: [&str; 2] = ["backup", "verify"];
const RESTORE: [&str; 5] = ["restore", "latest", "--to", "target", "--create"];

/// The same fault in every third request, eight times.
fn strewn(fault: Fault) -> Vec<Strike> {
    (0..8).map(|n| Strike::new(fault).after(3 * n)).collect()
}

#[test]
fn what_passes_is_survived() {
    let stage = Stage::new();
    for fault in [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::HangUp,
        Fault::LoseAnswer,
        Fault::Delay(Duration::from_millis(300)),
    ] {
        eprintln!("{fault:?}");
        for arguments in [&CREATE[..], &VERIFY, &RESTORE] {
            stage.survives(arguments, strewn(fault));
        }
        stage.assert_same();
        stage.drop_target();
        assert_eq!(stage.stored().1, 0, "no upload is left after {fault:?}");
    }
    let cuts = |fault, method| [Strike::new(fault).on(method).times(3)];
    stage.survives(&CREATE, cuts(Fault::CutRequest(MIB), "PUT"));
    stage.survives(&VERIFY, cuts(Fault::CutResponse(MIB), "GET"));
    stage.survives(&RESTORE, cuts(Fault::CutResponse(MIB), "GET"));
    stage.assert_same();
    assert_eq!(stage.stored().1, 0);
    // Nobody has heard of the upload that the server began: the one who asked again has another.
    let begun = Strike::new(Fault::LoseAnswer).on("POST").at("?uploads");
    stage.survives(&CREATE, [begun]);
    assert_eq!(stage.stored().1, 0, "the upload that nobody knows of");
    let statuses = statuses(&stage.project, &stage.server);
    assert_eq!(statuses, ["succeeded"; 19]);
}

#[test]
fn what_stays_ends_the_run_and_is_cleaned_up_after() {
    let stage = Stage::new();
    let cases = [
        (Fault::Answer(503, "SlowDown"), 0),
        (Fault::HangUp, 12),
        (Fault::Answer(500, "InternalError"), 20),
    ];
    for (fault, after) in cases {
        let always = [Strike::new(fault).after(after).times(usize::MAX)];
        let outcome = stage.fails(&CREATE, always, &["s3://backups/team"]);
        eprintln!("{fault:?} after {after}: {}", outcome.stderr);
        let listed = stage.run(&["backup", "list"], []).expect_code(0);
        assert!(listed.stdout.contains("no backups"), "{}", listed.stdout);
        assert_eq!(stage.stored(), (0, 0), "the next start cleans up");
    }
    stage.good_backup();
    let always = || [Strike::new(Fault::HangUp).after(6).times(usize::MAX)];
    stage.fails(&VERIFY, always(), &["s3://backups/team"]);
    stage.fails(&RESTORE, always(), &["s3://backups/team"]);
    assert!(!stage.target_exists());
    stage.run(&VERIFY, []).expect_code(0);
    stage.run(&RESTORE, []).expect_code(0);
    stage.assert_same();
    assert_eq!(
        statuses(&stage.project, &stage.server),
        [
            "succeeded",
            "succeeded",
            "failed",
            "failed",
            "succeeded",
            "failed",
            "failed",
            "failed"
        ]
    );
}

#[test]
fn wrong_bytes_are_never_taken_for_right_ones() {
    let stage = Stage::new();
    stage.good_backup();
    // On the way down: each of them is found, the target is not begun, and the backup is as good as before.
    for (object, at) in [
        (".dat.gz", 200_000),
        ("toc.dat", 700),
        ("/manifest.json", 40),
    ] {
        for fault in [Fault::FlipResponse(at), Fault::ShortenResponse(at)] {
            let strike = || [Strike::new(fault).on("GET").at(object)];
            eprintln!("{fault:?} in {object}");
            stage.fails(&VERIFY, strike(), &[]);
            stage.fails(&RESTORE, strike(), &[object.trim_start_matches('/')]);
            assert!(!stage.target_exists(), "nothing was begun");
        }
    }
    // An answer that cannot be read is no empty answer.
    let listing = Strike::new(Fault::FlipResponse(40))
        .on("GET")
        .at("list-type");
    stage.fails(&VERIFY, [listing], &["is not one of S3"]);
    stage.run(&VERIFY, []).expect_code(0);
    // Also where nothing was read before: what had been created is dropped again.
    let unread = [
        "restore",
        "latest",
        "--to",
        "target",
        "--create",
        "--skip-verify",
    ];
    let flip = [Strike::new(Fault::FlipResponse(200_000))
        .on("GET")
        .at(".dat.gz")];
    stage.fails(&unread, flip, &["dropped again"]);
    assert!(!stage.target_exists());

    // On the way up, past a server that checks nothing: found when it is read.
    let flip = |object| [Strike::new(Fault::FlipRequest(500)).on("PUT").at(object)];
    for object in ["partNumber=1", "toc.dat"] {
        let created = stage.run(&CREATE, flip(object));
        assert_eq!(stage.proxy.struck(), 1);
        if created.code == 0 {
            stage.fails(
                &VERIFY,
                [Strike::new(Fault::Delay(Duration::ZERO))],
                &["1 of the"],
            );
            stage.fails(
                &RESTORE,
                [Strike::new(Fault::Delay(Duration::ZERO))],
                &["nothing was changed"],
            );
            assert!(!stage.target_exists());
        }
    }
    stage.good_backup();
    stage.run(&VERIFY, []).expect_code(0);
    stage.run(&RESTORE, []).expect_code(0);
    stage.assert_same();
    statuses(&stage.project, &stage.server);
}

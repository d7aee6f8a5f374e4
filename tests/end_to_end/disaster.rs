//! docs/disaster-recovery.md, command by command: what it says is what works.

use std::fs;
use std::process::{Command, Stdio};

use end_to_end::{Moto, PostgresServer, Project, Version, cache_folder, repository};

const PROGRAM: &str = env!("CARGO_BIN_EXE_orchestrator");

/// A block of commands of a page.
pub(crate) struct Block {
    /// What has to be the case before, when that changes.
    pub scene: Option<String>,
    /// It says that the command fails.
    pub fails: bool,
    pub commands: String,
}

pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut scene = None;
    let mut inside = false;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("<!-- scene: ") {
            scene = name.strip_suffix(" -->").map(str::to_owned);
        } else if line.starts_with("```sh") {
            inside = true;
            blocks.push(Block {
                scene: scene.take(),
                fails: line.ends_with(" fails"),
                commands: String::new(),
            });
        } else if line == "```" {
            inside = false;
        } else if inside && let Some(block) = blocks.last_mut() {
            block.commands += line;
            block.commands += "\n";
        }
    }
    blocks
}

/// Without the log, which grows with every run.
fn dump(server: &PostgresServer) -> String {
    server.pg_dump_with("app", &["--exclude-schema=orchestrator"])
}

/// The storage with two backups, the machine that made them, and what is left after the disaster.
struct World {
    moto: Moto,
    old: PostgresServer,
    new: PostgresServer,
    project: Project,
    good: String,
    before_the_mistake: String,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let moto = Moto::start();
        moto.create_bucket("backups");
        let old = PostgresServer::start(Version::V15);
        old.psql("postgres", "CREATE ROLE clerk");
        old.create_example("app");
        old.psql(
            "app",
            "ALTER TABLE \"Doctor\" OWNER TO clerk; ALTER TABLE \"User\" OWNER TO clerk",
        );
        let config = format!(
            "environment = \"production\"\n[databases.app]\nurl = \"{}\"\n[storage.main]\nurl = \"s3://backups/shop\"\n",
            old.url("app")
        );
        let mut project = Project::new(PROGRAM, &config);
        for (name, value) in Self::credentials(&moto) {
            project.set(name, &value);
        }
        let good = dump(&old);
        project.run(["backup", "create"]).expect_code(0);
        std::thread::sleep(std::time::Duration::from_millis(2100));
        let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        let before_the_mistake = old.psql("postgres", now);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        // The newest has one row more.
        old.psql(
            "app",
            "CREATE TABLE after_the_mistake AS SELECT i AS id FROM generate_series(1, 2000) i",
        );
        project.run(["backup", "create"]).expect_code(0);
        Self {
            moto,
            new: PostgresServer::start(Version::V15),
            old,
            project,
            good,
            before_the_mistake,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn credentials(moto: &Moto) -> [(&'static str, String); 4] {
        [
            ("AWS_ACCESS_KEY_ID", "any".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "anything".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", moto.endpoint()),
        ]
    }

    /// What the page says, as somebody types it on a machine where nothing else is.
    fn shell(&self, commands: &str) -> Command {
        let program = std::path::Path::new(PROGRAM).parent().expect("a folder");
        let tools = self.new.tool("psql");
        let tools = std::path::Path::new(tools.get_program())
            .parent()
            .expect("a folder")
            .to_owned();
        let path = [
            program.to_owned(),
            tools,
            cache_folder().join("moto/bin"),
            "/usr/bin".into(),
            "/bin".into(),
        ];
        let url = self.new.url("");
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("a path"))
            .env("HOME", self.folder.path())
            .env(
                "XDG_CACHE_HOME",
                std::env::temp_dir().join("orchestrator-tests-cache"),
            )
            .env("STORAGE", "s3://backups/shop")
            .env("BUCKET", "backups")
            .env("SERVER", url.trim_end_matches('/'))
            .env("BEFORE_THE_MISTAKE", &self.before_the_mistake)
            .envs(Self::credentials(&self.moto));
        command
    }

    fn set(&mut self, scene: &str) {
        match scene {
            "an empty server" => self.new = PostgresServer::start(Version::V15),
            "a wrong database" => {
                self.new.psql("app", "DROP TABLE \"Doctor\" CASCADE");
                self.new.psql("app", "CREATE TABLE only_here ()");
            }
            "a cut restore" => {
                self.new.psql("postgres", "DROP DATABASE app WITH (FORCE)");
                let command = "exec orchestrator restore \"$STORAGE\" --to \"$SERVER/app\" --create --skip-verify";
                let mut child = self
                    .shell(command)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .expect("bash starts");
                let begun = "SELECT true FROM orchestrator_restore.restore";
                while self.new.try_psql("app", begun) != Ok("t".to_owned()) {
                    assert_eq!(
                        child.try_wait().expect("a child"),
                        None,
                        "it ended too early"
                    );
                }
                child.kill().expect("the program runs");
                child.wait().expect("the program ends");
            }
            "a damaged object" => {
                self.new.psql("postgres", "DROP DATABASE app WITH (FORCE)");
                self.damage();
            }
            "a project" => {}
            other => panic!("the page has a scene that nobody sets: {other}"),
        }
    }

    /// One byte of the rows of one table of the newest backup.
    fn damage(&self) {
        let find = "aws s3 ls --recursive s3://backups/shop/ | awk '{ print $4 }' | grep '/manifest.json' | sort | tail -1";
        let output = self.shell(find).output().expect("bash starts");
        let manifest = String::from_utf8(output.stdout).expect("UTF-8");
        let manifest = manifest.trim();
        let text = self
            .moto
            .request("GET", &format!("/backups/{manifest}"), b"");
        let json: serde_json::Value = serde_json::from_slice(&text.body).expect("a manifest");
        let name = json["objects"]
            .as_array()
            .expect("objects")
            .iter()
            .find(|object| object["table"]["name"] == "after_the_mistake")
            .and_then(|object| object["name"].as_str())
            .expect("the table");
        let key = format!("/backups/{}", manifest.replace("manifest.json", name));
        let mut bytes = self.moto.request("GET", &key, b"").body;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert_eq!(self.moto.request("PUT", &key, &bytes).status, 200);
    }
}

#[test]
fn every_command_of_the_page_works() {
    let page =
        fs::read_to_string(repository().join("docs/disaster-recovery.md")).expect("the page");
    let blocks = blocks(&page);
    assert!(blocks.len() >= 11, "{} blocks", blocks.len());
    let mut world = World::new();
    let newest = dump(&world.old);
    let mut damaged = false;
    for block in blocks {
        let scene = block.scene.as_deref();
        if let Some(scene) = scene {
            // What was damaged is put back by whoever has a copy: here, by another backup.
            if damaged && scene == "an empty server" {
                world.project.run(["backup", "create"]).expect_code(0);
                damaged = false;
            }
            world.set(scene);
            damaged |= scene == "a damaged object";
        }
        let in_project = scene == Some("a project");
        let mut shell = world.shell(&block.commands);
        if in_project {
            shell.current_dir(world.project.path());
        }
        let output = shell.output().expect("bash starts");
        let said = format!(
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            block.commands,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.success(), !block.fails, "{said}");
        assert!(!said.contains(end_to_end::PASSWORD), "a password: {said}");
        let restores = block.commands.contains("--to \"$SERVER/app\"")
            || block.commands.contains("pg_restore");
        if !restores || block.commands.contains("--dry-run") {
            continue;
        }
        let restored = dump(&world.new);
        if block.commands.contains("--at") {
            assert!(restored == world.good, "{said}");
        } else if block.fails {
            assert!(
                said.contains("TABLE DATA public.after_the_mistake"),
                "{said}"
            );
            assert_eq!(
                world.new.psql("app", "SELECT count(*) FROM \"Doctor\""),
                "4"
            );
        } else {
            assert!(restored == newest, "{said}");
        }
    }
}

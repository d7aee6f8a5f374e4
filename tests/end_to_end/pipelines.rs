//! The examples of pipelines in docs/ci: what GitHub and GitLab take, and commands that run as they stand there.

use std::process::Command;

use end_to_end::{PostgresServer, Version, cache_folder, repository};
use serde_json::Value;

use crate::migrating::example;

const EXAMPLES: [(&str, &[&str]); 2] = [
    (
        "docs/ci/github-actions.yml",
        &["--builtin-schema", "vendor.github-workflows"],
    ),
    (
        "docs/ci/gitlab-ci.yml",
        &[
            "--builtin-schema",
            "vendor.gitlab-ci",
            "--data-transform",
            "gitlab-ci",
        ],
    ),
];

#[test]
fn the_examples_are_what_the_services_take() {
    let linter = cache_folder().join("lint/bin/check-jsonschema");
    for (file, flags) in EXAMPLES {
        let output = Command::new(&linter)
            .args(flags)
            .arg(repository().join(file))
            .output()
            .expect("check-jsonschema is installed: run `make setup`");
        assert!(output.status.success(), "{file}: {output:?}");
    }
}

/// The lines that call this program.
fn commands(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(file)).expect("an example");
    text.lines()
        .map(|line| {
            line.trim()
                .trim_start_matches("- ")
                .trim_start_matches("run: ")
        })
        .filter(|line| line.starts_with("orchestrator "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn their_commands_run_as_they_stand_there() {
    let server = PostgresServer::start(Version::V15);
    let program = env!("CARGO_BIN_EXE_orchestrator");
    let folder = std::path::Path::new(program).parent().expect("a folder");
    let path = std::env::var("PATH").expect("a path");
    for (file, _) in EXAMPLES {
        let project = example(&server);
        // A pipeline has an URL, and no configuration.
        std::fs::remove_file(project.path().join("orchestrator.toml")).expect("it was written");
        let commands = commands(file);
        assert_eq!(commands.len(), 2, "{file}: {commands:?}");
        for (command, environment) in commands.iter().zip(["staging", "production"]) {
            let output = Command::new("sh")
                .args(["-euc", command])
                .env("PATH", format!("{}:{path}", folder.display()))
                .env("HOME", project.path())
                .env("DATABASE_URL", server.url("source"))
                .env("ORCHESTRATOR_ENVIRONMENT", environment)
                .current_dir(project.path())
                .output()
                .expect("a shell");
            assert!(output.status.success(), "{file}, {command}: {output:?}");
        }
        let document: Value = serde_json::from_str(&project.read("deployment.json")).expect("JSON");
        assert_eq!(document["status"], "succeeded", "{document}");
        assert_eq!(document["environment"], "production", "{document}");
        let applied = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL";
        assert_eq!(server.psql("source", applied), "4");
        assert!(
            project
                .read("DEPLOYMENT_LOG.md")
                .contains("✅ Deployed successfully to production")
        );
        server.drop_database("source");
        server.drop_database("records");
    }
}

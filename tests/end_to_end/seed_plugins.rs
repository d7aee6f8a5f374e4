//! The example application's own plugins: rows by the SDK, and scenario 6; and a plugin of the first day of the contract.

use std::sync::OnceLock;

use builder::Plugin;
use end_to_end::{PostgresServer, Project, Version, repository};

use crate::migrating::{example, migrate};
use crate::text;

/// The plugins of seeds/plugins and tests/plugins/first-contract, built once.
fn built(name: &str) -> &'static Plugin {
    static PLUGINS: OnceLock<Vec<Plugin>> = OnceLock::new();
    let plugins = PLUGINS.get_or_init(|| {
        crate::hostile::built(&[
            "../../seeds/plugins/qconnect-rows",
            "../../seeds/plugins/booking",
            "first-contract",
        ])
    });
    let plugin = plugins.iter().find(|plugin| plugin.manifest.name == name);
    plugin.unwrap_or_else(|| panic!("no plugin {name}"))
}

/// A plugin of the project's configuration.
fn configure(project: &Project, name: &str, grants: &str) {
    let plugin = built(name);
    let file = format!("{name}.wasm");
    std::fs::write(project.path().join(&file), &plugin.component).expect("the plugin's file");
    let config = project.read("orchestrator.toml");
    let sha256 = &plugin.sha256;
    project.write(
        "orchestrator.toml",
        &format!(
            "{config}\n[plugins.{name}]\nfile = \"{file}\"\nsha256 = \"{sha256}\"\n{grants}\n"
        ),
    );
}

fn migrated(server: &PostgresServer) -> Project {
    let project = example(server);
    project.run(migrate(["deploy"])).expect_code(0);
    project
}

const ROWS: &str = "grants.databases.source.tables = { User = [\"select\", \"insert\", \"update\"], Doctor = [\"select\", \"insert\", \"update\"], \
                    Queue = [\"select\", \"insert\", \"update\"], Appointment = [\"select\", \"insert\", \"update\"], File = [\"select\", \"insert\", \"update\"] }";

fn seed(project: &Project, arguments: &[&str]) -> end_to_end::Outcome {
    let fixed = ["seed", "--database", "source", "--output", "json"];
    project.run(fixed.iter().chain(arguments))
}

fn summary(outcome: end_to_end::Outcome) -> String {
    let document = outcome.expect_code(0).json();
    text(&document["steps"][0]["result"]["summary"])
}

#[test]
fn a_plugin_writes_what_the_declared_set_does() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    configure(&project, "qconnect-rows", ROWS);
    let looked = seed(&project, &["qconnect-rows", "--dry-run"]);
    assert!(summary(looked).starts_with("User: 5 inserted · Doctor: 4 inserted"));
    assert_eq!(server.psql("source", "SELECT count(*) FROM \"User\""), "0");

    let first = seed(&project, &["qconnect-rows", "--param", "patients=3000"]);
    let first = summary(first);
    assert!(
        first.starts_with("User: 3005 inserted · Doctor: 4 inserted"),
        "{first}"
    );
    let written = "SELECT string_agg(xmin::text || phone, ',' ORDER BY email) FROM \"User\"";
    let before = server.psql("source", written);
    let second = summary(seed(
        &project,
        &["qconnect-rows", "--param", "patients=3000"],
    ));
    assert!(second.starts_with("User: 3005 unchanged · "), "{second}");
    assert_eq!(server.psql("source", written), before);

    let declared = std::fs::read_to_string(repository().join("seeds/qconnect.toml"));
    project.write(
        "seeds/qconnect.toml",
        &declared.expect("the example's seeds"),
    );
    let both = seed(&project, &["qconnect", "qconnect-rows"])
        .expect_code(0)
        .json();
    assert_eq!(
        text(&both["steps"][0]["result"]["summary"]),
        "User: 5 unchanged · Doctor: 4 unchanged · Queue: 4 unchanged · Appointment: 4 unchanged · File: 3 unchanged"
    );
    assert_eq!(text(&both["steps"][1]["plugin"]), "qconnect-rows");
    assert_eq!(server.psql("source", written), before);
    let listed = project
        .run(["seed", "--list", "--database", "source"])
        .expect_code(0)
        .stdout;
    assert!(
        listed.contains("FOR LOCAL") && listed.contains("qconnect-rows  plugin  yes"),
        "{listed}"
    );
    let failed = seed(&project, &["qconnect-rows", "--param", "patients=many"]).expect_code(2);
    assert!(failed.stderr.contains("patients"), "{}", failed.stderr);

    project
        .run(["mark", "production", "--database", "source"])
        .expect_code(0);
    let refused = seed(&project, &["qconnect-rows"]).expect_code(4);
    assert!(
        refused.stderr.contains("not meant for one"),
        "{}",
        refused.stderr
    );
}

/// Scenario 6.
#[test]
fn a_booking_is_whole_or_leaves_nothing() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    configure(&project, "qconnect-rows", ROWS);
    configure(
        &project,
        "booking",
        "grants.databases.source.tables = { User = [\"select\"], Doctor = [\"select\"], Queue = [\"select\", \"update\"], Appointment = [\"select\", \"insert\"] }\n\
         [jobs.book]\nsteps = [{ plugin = \"booking\", database = \"source\" }]",
    );
    seed(&project, &["qconnect-rows"]).expect_code(0);
    let booked = "SELECT \"currentNo\", (SELECT count(*) FROM \"Appointment\" a WHERE a.\"queueId\" = q.id) FROM \"Queue\" q ORDER BY id OFFSET 2 LIMIT 1";
    assert_eq!(server.psql("source", booked), "0|0");
    let run = |arguments: &[&str]| {
        let fixed = ["run", "book", "--output", "json"];
        let outcome = project.run(fixed.iter().chain(arguments)).expect_code(0);
        outcome.json()["steps"][0]["result"].clone()
    };
    assert_eq!(run(&["--dry-run"])["token"], 1);
    assert_eq!(server.psql("source", booked), "0|0");
    let result = run(&[]);
    assert_eq!(result["number_before"], 0);
    assert_eq!(result["number_after"], 1);
    assert_eq!(result["number_after_failure"], 1);
    assert!(text(&result["failed_booking"]).contains("Appointment_queueId_tokenNo_key"));
    assert_eq!(server.psql("source", booked), "1|1");
}

/// The contract is a promise: this plugin was written against its first version, and sees nothing of what came later.
#[test]
fn a_plugin_of_the_first_contract_still_runs() {
    for version in [Version::V13, Version::V18] {
        let server = PostgresServer::start(version);
        server.create_database("source");
        let project = crate::project(&server);
        configure(
            &project,
            "first-contract",
            "grants.databases.source.access = \"admin\"\ngrants.storage.main.rights = [\"read\", \"write\", \"delete\"]\n\
             [jobs.first]\nsteps = [{ plugin = \"first-contract\", database = \"source\", storage = \"main\" }]",
        );
        let outcome = project
            .run(["run", "first", "--output", "json"])
            .expect_code(3);
        let document = outcome.json();
        assert_eq!(text(&document["steps"][0]["result"]["all"]), "well");
        let warnings = document["warnings"].to_string();
        assert!(
            warnings.contains("a warning of the first contract"),
            "{warnings}"
        );
        assert!(
            project
                .read("DEPLOYMENT_LOG.md")
                .contains("**Change:** the first contract")
        );
        assert_eq!(server.psql("source", "SELECT count(*) FROM first"), "4");
    }
}

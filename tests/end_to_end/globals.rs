//! Roles: in a backup as pg_dumpall would write them, and created where they are missing.

use end_to_end::{PostgresServer, Version};

use crate::{back_up, project, statuses};

const ROLES: &str = r#"
    CREATE ROLE app LOGIN PASSWORD 'a secret of app' CONNECTION LIMIT 7 VALID UNTIL '2040-01-01 00:00:00+00';
    CREATE ROLE "Odd ""role; --" NOINHERIT CREATEDB CREATEROLE;
    CREATE ROLE readers BYPASSRLS REPLICATION;
    CREATE ROLE "two
lines" LOGIN SUPERUSER;
    SECURITY LABEL FOR tests ON ROLE app IS 'they are; \ labelled';
    COMMENT ON ROLE readers IS 'they read; it''s all they do \ ';
    ALTER ROLE app SET search_path = public, "Odd ""schema";
    ALTER ROLE app SET application_name = 'it''s; -- \ fine';
    GRANT readers TO app WITH ADMIN OPTION;
    GRANT pg_monitor TO readers;
    GRANT app TO "Odd ""role; --";
"#;

/// Since version 16 it counts who granted what, and how.
const GRANTS_OF_16: &str = r#"
    SET ROLE app;
    GRANT readers TO "two
lines" WITH INHERIT FALSE, SET FALSE;
    RESET ROLE;
"#;

fn roles(server: &PostgresServer) -> String {
    let output = server
        .tool("pg_dumpall")
        .args(["--roles-only", "--no-role-passwords"])
        .output()
        .expect("pg_dumpall starts");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // Random in each dump.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn roles_come_along_and_are_created_where_they_are_missing() {
    for version in [Version::V15, Version::V18] {
        let server = PostgresServer::start_with_labels(version);
        server.psql("postgres", ROLES);
        if version == Version::V18 {
            server.psql("postgres", GRANTS_OF_16);
        }
        server.create_example("source");
        server.psql(
            "source",
            r#"ALTER TABLE "User" OWNER TO app; GRANT SELECT ON "User" TO readers, "Odd ""role; --";
               CREATE POLICY own ON "User" TO "two
lines" USING (true)"#,
        );
        let project = project(&server);
        let folder = back_up(&project);
        let text = std::fs::read_to_string(folder.join("globals.sql")).expect("globals.sql");
        assert!(
            !text.contains("secret") && !text.contains("SCRAM"),
            "{text}"
        );

        // As it is, by psql: the way without this program.
        let by_hand = PostgresServer::start_with_labels(version);
        let text = text.replace("CREATE ROLE postgres;\n", "");
        by_hand.psql("postgres", &text);
        assert_eq!(roles(&server), roles(&by_hand));

        let other = PostgresServer::start_with_labels(version);
        other.psql(
            "postgres",
            "CREATE ROLE readers NOLOGIN; GRANT pg_monitor TO readers",
        );
        let url = other.url("target");
        let restore = ["restore", "latest", "--to", &url, "--create"];
        let outcome = project.run(restore).expect_code(1);
        assert!(
            outcome.stderr.contains("lacks roles") && outcome.stderr.contains("--globals"),
            "{}",
            outcome.stderr
        );
        let outcome = project
            .run(restore.iter().chain(&["--globals", "--output", "json"]))
            .expect_code(0)
            .json();
        let created = &outcome["steps"][0]["result"]["roles_created"];
        assert_eq!(created.as_array().map(Vec::len), Some(3), "{created}");
        assert_eq!(server.pg_dump("source"), other.pg_dump("target"));
        // The role that was there is as it was.
        let query = "SELECT rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'readers'";
        assert_eq!(other.psql("postgres", query), "f|f");
        other.psql("postgres", "ALTER ROLE readers BYPASSRLS REPLICATION");
        other.psql(
            "postgres",
            "COMMENT ON ROLE readers IS 'they read; it''s all they do \\ '",
        );
        assert_eq!(roles(&server), roles(&other));
        assert_eq!(
            statuses(&project, &server),
            ["succeeded", "failed", "succeeded"]
        );
    }
}

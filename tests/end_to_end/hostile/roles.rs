//! What a plugin does to a server whose operator is a superuser, when it was granted one table: the wall is a role of its own.

use super::{Stage, build, check_tries, failed};

/// A fact of each of these runs; the role is gone by then.
fn check_role(attack: &super::Attack) {
    let roles = &attack.document["facts"]["database-roles"];
    assert_eq!(roles[0]["made"], true, "{roles}");
}

#[test]
fn a_table_granted_is_a_table_and_nothing_else() {
    let plugins = build(&[
        "server-programs",
        "server-files",
        "loopback",
        "other-roles",
        "other-tables",
    ]);
    let granted = "databases.source.tables = { User = [\"select\", \"insert\"] }";
    let mut stage = Stage::new(&plugins, granted);
    let programs = stage.attack(
        "server-programs",
        &failed("must be superuser or have privileges of the pg_execute_server_program role"),
    );
    check_tries(
        &programs,
        &[
            (
                "a COPY in DO",
                "must be superuser or have privileges of the pg_execute_server_program role",
            ),
            (
                "a COPY from a program in DO",
                "must be superuser or have privileges",
            ),
            (
                "a plain COPY",
                "a plugin cannot run COPY as a plain statement",
            ),
            ("a function in C", "permission denied for language c"),
            ("an untrusted language", ""),
        ],
    );
    let files = stage.attack(
        "server-files",
        &failed("permission denied for function pg_read_file"),
    );
    check_tries(
        &files,
        &[
            (
                "pg_read_file",
                "permission denied for function pg_read_file",
            ),
            (
                "pg_read_binary_file",
                "permission denied for function pg_read_binary_file",
            ),
            ("pg_ls_dir", "permission denied for function pg_ls_dir"),
            (
                "pg_stat_file",
                "permission denied for function pg_stat_file",
            ),
            ("lo_import", "permission denied for function lo_import"),
            ("lo_export", "permission denied for function lo_export"),
            ("a COPY to a file", "must be superuser or have privileges"),
            ("a COPY from a file", "must be superuser or have privileges"),
            ("the log", "permission denied for function pg_ls_logdir"),
        ],
    );
    let loopback = stage.attack(
        "loopback",
        &failed("permission denied to create extension \"dblink\""),
    );
    check_tries(
        &loopback,
        &[
            ("dblink", "permission denied to create extension \"dblink\""),
            (
                "postgres_fdw",
                "permission denied to create extension \"postgres_fdw\"",
            ),
            (
                "a server",
                "permission denied to create foreign-data wrapper",
            ),
            (
                "a subscription",
                "must be superuser to create subscriptions",
            ),
        ],
    );
    let roles = stage.attack(
        "other-roles",
        &failed("permission denied to set role \"postgres\""),
    );
    check_tries(
        &roles,
        &[
            ("SET ROLE", "permission denied to set role \"postgres\""),
            (
                "SET SESSION AUTHORIZATION",
                "permission denied to set session authorization",
            ),
            ("RESET ROLE", "permission denied for table pg_authid"),
            ("set_config", "permission denied to set role \"postgres\""),
            (
                "a predefined role",
                "permission denied to set role \"pg_read_server_files\"",
            ),
            ("ALTER ROLE", "must be superuser to alter superuser"),
            ("GRANT", "must be superuser to alter superusers"),
            ("CREATE ROLE", "permission denied to create role"),
            (
                "the settings of others",
                "must be superuser to alter superusers",
            ),
        ],
    );
    let tables = stage.attack(
        "other-tables",
        &failed("permission denied for table Doctor"),
    );
    check_tries(
        &tables,
        &[
            ("another table", "permission denied for table Doctor"),
            ("another right", "permission denied for table User"),
            ("a lock", "permission denied for table User"),
            ("a new table", "permission denied for schema public"),
            ("a new schema", "permission denied for database source"),
            ("a trigger", "permission denied for table User"),
            ("the passwords", "permission denied for table pg_authid"),
            (
                "the sessions of others",
                "must be a superuser to terminate superuser process",
            ),
            (
                "triggers turned off",
                "permission denied to set parameter \"session_replication_role\"",
            ),
            (
                "the server",
                "permission denied to set parameter \"archive_command\"",
            ),
            ("the database", "must be owner of database source"),
        ],
    );
    for attack in [&programs, &files, &loopback, &roles, &tables] {
        check_role(attack);
    }
    let harm = std::path::Path::new("/tmp/harm");
    assert!(!harm.exists(), "a file of the server was written");
    stage.check_log();
}

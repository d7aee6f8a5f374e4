//! Becomes somebody else.

use attack::{attack, statements};

attack!(|parameters| statements(&parameters, &STATEMENTS));

const STATEMENTS: [(&str, &str); 9] = [
    ("SET ROLE", "SET ROLE postgres"),
    (
        "SET SESSION AUTHORIZATION",
        "SET SESSION AUTHORIZATION postgres",
    ),
    (
        "RESET ROLE",
        "DO $$ BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; PERFORM * FROM pg_authid; END $$",
    ),
    ("set_config", "SELECT set_config('role', 'postgres', false)"),
    ("a predefined role", "SET ROLE pg_read_server_files"),
    (
        "ALTER ROLE",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SUPERUSER', current_user); END $$",
    ),
    (
        "GRANT",
        "DO $$ BEGIN EXECUTE format('GRANT postgres TO %I', current_user); END $$",
    ),
    ("CREATE ROLE", "CREATE ROLE harm LOGIN"),
    (
        "the settings of others",
        "ALTER ROLE postgres SET search_path = harm",
    ),
];

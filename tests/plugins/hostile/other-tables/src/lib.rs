//! Touches what lies beside the table that it was granted.

use attack::{attack, statements};

attack!(|parameters| statements(&parameters, &STATEMENTS));

const STATEMENTS: [(&str, &str); 11] = [
    ("another table", r#"SELECT * FROM public."Doctor""#),
    ("another right", r#"DELETE FROM public."User""#),
    (
        "a lock",
        r#"DO $$ BEGIN LOCK TABLE public."User" IN ACCESS EXCLUSIVE MODE; END $$"#,
    ),
    ("a new table", "CREATE TABLE public.harm (id int)"),
    ("a new schema", "CREATE SCHEMA harm"),
    (
        "a trigger",
        r#"CREATE TRIGGER harm BEFORE UPDATE ON public."User" EXECUTE FUNCTION suppress_redundant_updates_trigger()"#,
    ),
    ("the passwords", "SELECT rolpassword FROM pg_authid"),
    (
        "the sessions of others",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ),
    (
        "triggers turned off",
        "SET session_replication_role = replica",
    ),
    ("the server", "ALTER SYSTEM SET archive_command = 'id'"),
    (
        "the database",
        "ALTER DATABASE source SET session_preload_libraries = 'harm'",
    ),
];

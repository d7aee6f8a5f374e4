//! Reads and writes files of the server.

use attack::{attack, statements};

attack!(|parameters| statements(&parameters, &STATEMENTS));

const STATEMENTS: [(&str, &str); 9] = [
    ("pg_read_file", "SELECT pg_read_file('/etc/passwd')"),
    (
        "pg_read_binary_file",
        "SELECT pg_read_binary_file('pg_hba.conf')",
    ),
    ("pg_ls_dir", "SELECT pg_ls_dir('/')"),
    ("pg_stat_file", "SELECT pg_stat_file('/etc/passwd')"),
    ("lo_import", "SELECT lo_import('/etc/passwd')"),
    ("lo_export", "SELECT lo_export(1, '/tmp/harm')"),
    (
        "a COPY to a file",
        r#"DO $$ BEGIN EXECUTE 'COPY public."User" TO ''/tmp/harm'''; END $$"#,
    ),
    (
        "a COPY from a file",
        "DO $$ BEGIN CREATE TEMPORARY TABLE lines (line text); EXECUTE 'COPY lines FROM ''/etc/passwd'''; END $$",
    ),
    ("the log", "SELECT pg_ls_logdir()"),
];

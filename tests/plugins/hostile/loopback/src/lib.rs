//! Connects from the server to itself.

use attack::{attack, statements};

attack!(|parameters| statements(&parameters, &STATEMENTS));

const STATEMENTS: [(&str, &str); 4] = [
    ("dblink", "CREATE EXTENSION dblink"),
    ("postgres_fdw", "CREATE EXTENSION postgres_fdw"),
    ("a server", "CREATE FOREIGN DATA WRAPPER harm"),
    (
        "a subscription",
        "CREATE SUBSCRIPTION harm CONNECTION 'host=127.0.0.1' PUBLICATION harm WITH (connect = false)",
    ),
];

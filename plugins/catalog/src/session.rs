//! What the reader needs of a connection, and the settings under which a dump runs.

use crate::version::ServerVersion;

/// Whatever the session's own error is; it comes back as the source of [`crate::Error::Query`].
pub type SessionError = Box<dyn std::error::Error + Send + Sync>;

/// One connection inside a REPEATABLE READ, READ ONLY transaction, with [`session_settings`] applied.
pub trait Session {
    /// Runs one SELECT without parameters, whose columns are all of type text, and hands over its rows one by one.
    fn for_each(
        &mut self,
        sql: &str,
        row: &mut dyn FnMut(Vec<Option<String>>),
    ) -> Result<(), SessionError>;

    /// Runs one statement that returns nothing: LOCK TABLE.
    fn execute(&mut self, sql: &str) -> Result<(), SessionError>;
}

/// The statements that a dumping session runs before its transaction begins, one by one (`setup_connection` in `pg_dump.c`).
/// `server_version_num` as the server reports it: 150018.
pub fn session_settings(server_version_num: u32) -> Vec<String> {
    let version = ServerVersion(server_version_num);
    // Timeouts first: they run already.
    let mut settings: Vec<String> = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    ]
    .map(|timeout| format!("SET {timeout} = 0"))
    .into();
    // New in 17.
    if version.at_least(17) {
        settings.insert(0, "SET transaction_timeout = 0".to_owned());
    }
    settings.extend([
        // A SQL_ASCII database holds bytes of any encoding: they must pass as they are.
        "SELECT pg_catalog.set_config('client_encoding', CASE pg_catalog.pg_encoding_to_char(encoding) \
         WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, false) \
         FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
            .to_owned(),
        "SELECT pg_catalog.set_config('search_path', '', false)".to_owned(),
    ]);
    let plain = [
        "standard_conforming_strings = on",
        "DateStyle = ISO",
        "IntervalStyle = postgres",
        "extra_float_digits = 3",
        "synchronize_seqscans = off",
        "quote_all_identifiers = off",
        "row_security = off",
    ];
    settings.extend(plain.iter().map(|setting| format!("SET {setting}")));
    // Added to every branch by its releases of August 2024: an unknown setting is no error here.
    settings.push(
        "SELECT pg_catalog.set_config(name, 'view, foreign-table', false) \
         FROM pg_catalog.pg_settings WHERE name = 'restrict_nonsystem_relation_kind'"
            .to_owned(),
    );
    settings
}

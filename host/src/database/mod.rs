//! Connections to PostgreSQL as libpq makes them: settings, passwords, TLS.

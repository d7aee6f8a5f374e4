//! The example application in a database of its own, for `orchestrator demo`.

mod server;

pub use server::PrivateServer;

/// The example application's migrations, by name, in their order.
pub const MIGRATIONS: [(&str, &str); 4] = [
    (
        "20251217083615_init_schema",
        include_str!("../../../migrations/20251217083615_init_schema/migration.sql"),
    ),
    (
        "20251217095346_add_user_phone",
        include_str!("../../../migrations/20251217095346_add_user_phone/migration.sql"),
    ),
    (
        "20251223120000_add_indexes",
        include_str!("../../../migrations/20251223120000_add_indexes/migration.sql"),
    ),
    (
        "20251223150000_add_user_password",
        include_str!("../../../migrations/20251223150000_add_user_password/migration.sql"),
    ),
];

/// Its 20 rows.
pub const SEED: &str = include_str!("../../../seeds/qconnect.sql");

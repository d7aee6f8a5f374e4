//! The example application in a database of its own, for `orchestrator demo`.

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

/// Which database they are for, as Prisma keeps it beside them.
pub const MIGRATION_LOCK: &str = include_str!("../../../migrations/migration_lock.toml");

/// Its 20 rows, declared.
pub const SEEDS: &str = include_str!("../../../seeds/qconnect.toml");

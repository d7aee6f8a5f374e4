//! Which objects are dumped, and which parts of them (the `selectDumpable*` rules of `pg_dump.c`).

use std::collections::HashMap;

use crate::model::{CatalogId, Extension, Namespace};

/// Owner of `public` in a fresh database since 15: the pseudo-role pg_database_owner.
const DATABASE_OWNER_ROLE: u32 = 6171;

/// The parts of an object that are dumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Components(u8);

impl Components {
    pub const NONE: Self = Self(0);
    pub const DEFINITION: Self = Self(1);
    pub const DATA: Self = Self(2);
    pub const COMMENT: Self = Self(4);
    pub const ACL: Self = Self(8);
    pub const ALL: Self = Self(15);

    /// At least one part.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// All parts of `part`.
    pub fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }

    /// The parts of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The parts of either.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without a part.
    pub fn without(self, part: Self) -> Self {
        Self(self.0 & !part.0)
    }
}

/// Decides for schemas: how much of the schema, and of what is in it.
pub fn schema(namespace: &mut Namespace) {
    let name: &str = &namespace.name;
    (namespace.dump, namespace.contents) = if name == "pg_catalog" {
        // Changed privileges on the server's own objects are the user's.
        (Components::ACL, Components::ACL)
    } else if name.starts_with("pg_") || name == "information_schema" {
        (Components::NONE, Components::NONE)
    } else if name == "public" {
        namespace.create = false;
        let whole = Components::ALL;
        let is_default = namespace.owner_oid == DATABASE_OWNER_ROLE;
        (
            if is_default {
                whole.without(Components::DEFINITION)
            } else {
                whole
            },
            whole,
        )
    } else {
        (Components::ALL, Components::ALL)
    };
}

/// Decides for extensions: those of initdb are everywhere, so only privileges on their members matter.
pub fn extension(oid: u32) -> Components {
    if CatalogId::new(0, oid).is_builtin() {
        Components::ACL
    } else {
        Components::ALL
    }
}

/// Answers which parts of an object are dumped, from the extension that it belongs to or else from its schema.
#[derive(Debug, Default)]
pub struct Selection {
    extensions: HashMap<u32, Components>,
    members: HashMap<CatalogId, u32>,
    schemas: HashMap<u32, Components>,
}

impl Selection {
    /// Learns the extensions and what belongs to them.
    pub fn new(extensions: &[Extension], members: &[(CatalogId, u32)]) -> Self {
        Self {
            extensions: extensions
                .iter()
                .map(|extension| (extension.oid, extension.dump))
                .collect(),
            members: members.iter().copied().collect(),
            schemas: HashMap::new(),
        }
    }

    /// Learns a schema.
    pub fn learn(&mut self, namespace: &Namespace) {
        self.schemas.insert(namespace.oid, namespace.contents);
    }

    /// Of a member of an extension: only changed privileges. `None` for anything else.
    pub fn of_member(&self, id: CatalogId) -> Option<Components> {
        let extension = self.members.get(&id)?;
        Some(
            self.extensions
                .get(extension)
                .copied()
                .unwrap_or_default()
                .and(Components::ACL),
        )
    }

    /// Of an object in a schema.
    pub fn of(&self, id: CatalogId, schema: u32) -> Components {
        self.of_member(id)
            .unwrap_or_else(|| self.schemas.get(&schema).copied().unwrap_or_default())
    }
}

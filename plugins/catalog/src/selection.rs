//! Which objects are dumped, and which parts of them (the `selectDumpable*` rules of `pg_dump.c`).

use std::collections::HashMap;

use crate::error::Error;
use crate::model::{CatalogId, Extension, Namespace, Relation};
use crate::patterns::Pattern;

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

/// Which tables are dumped, and of which the rows; empty for all. As pg_dump's options of these names: "tables" are views,
/// sequences and foreign tables too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Only these, with nothing but what belongs to them: neither schemas nor extensions, functions, types or large objects.
    pub tables: Vec<Pattern>,
    /// All but these.
    pub exclude_tables: Vec<Pattern>,
    /// Of these the definition alone.
    pub exclude_table_data: Vec<Pattern>,
    /// Definitions alone: no rows, no positions of sequences, no large objects.
    pub schema_only: bool,
    /// What the planner knows of the rows as well.
    pub statistics: bool,
}

impl Filters {
    /// Whether everything that is no table is dumped too.
    pub fn everything(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether large objects are dumped.
    pub fn large_objects(&self) -> bool {
        self.everything() && !self.schema_only
    }

    /// Whether the rows of a table are dumped, as far as the filters say.
    pub fn rows_of(&self, schema: &str, name: &str) -> bool {
        !self.schema_only && !any(&self.exclude_table_data, schema, name)
    }

    /// The patterns that fit none of these, by their schemas and names. An error when the tables to dump are given and there is
    /// none, as for pg_dump.
    pub fn without_match(&self, relations: &[Relation]) -> Result<Vec<String>, Error> {
        let idle = |patterns: &[Pattern]| -> Vec<String> {
            let fits = |pattern: &Pattern, relation: &Relation| {
                pattern.matches(&relation.schema, &relation.name)
            };
            let idle =
                |pattern: &&Pattern| !relations.iter().any(|relation| fits(pattern, relation));
            patterns
                .iter()
                .filter(idle)
                .map(|pattern| pattern.text().to_owned())
                .collect()
        };
        let mut without_match = idle(&self.tables);
        if !self.tables.is_empty() && without_match.len() == self.tables.len() {
            return Err(Error::NoTable(without_match.join(", ")));
        }
        without_match.extend(idle(&self.exclude_tables));
        without_match.extend(idle(&self.exclude_table_data));
        Ok(without_match)
    }
}

fn any(patterns: &[Pattern], schema: &str, name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(schema, name))
}

/// Decides for schemas: how much of the schema, and of what is in it.
fn schema(namespace: &mut Namespace, filters: &Filters) {
    let name: &str = &namespace.name;
    (namespace.dump, namespace.contents) = if !filters.everything() {
        namespace.create = name != "public";
        (Components::NONE, Components::NONE)
    } else if name == "pg_catalog" {
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
pub fn extension(oid: u32, filters: &Filters) -> Components {
    if !filters.everything() {
        Components::NONE
    } else if CatalogId::new(0, oid).is_builtin() {
        Components::ACL
    } else {
        Components::ALL
    }
}

/// Answers which parts of an object are dumped, from the extension that it belongs to or else from its schema.
#[derive(Debug)]
pub struct Selection<'a> {
    filters: &'a Filters,
    extensions: HashMap<u32, Components>,
    members: HashMap<CatalogId, u32>,
    schemas: HashMap<u32, Components>,
}

impl<'a> Selection<'a> {
    /// Learns the extensions and what belongs to them.
    pub fn new(
        filters: &'a Filters,
        extensions: &[Extension],
        members: &[(CatalogId, u32)],
    ) -> Self {
        Self {
            filters,
            extensions: extensions
                .iter()
                .map(|extension| (extension.oid, extension.dump))
                .collect(),
            members: members.iter().copied().collect(),
            schemas: HashMap::new(),
        }
    }

    /// Decides for a schema, and learns what it means for its contents.
    pub fn decide_schema(&mut self, namespace: &mut Namespace) {
        schema(namespace, self.filters);
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

    /// Of an object that is in no schema.
    pub fn of_global(&self, id: CatalogId) -> Components {
        self.of_member(id)
            .unwrap_or_else(|| extension(id.oid, self.filters))
    }

    /// Of a table, view or sequence.
    pub fn of_relation(&self, id: CatalogId, (oid, schema): (u32, &str), name: &str) -> Components {
        if let Some(member) = self.of_member(id) {
            return member;
        }
        let filters = self.filters;
        if any(&filters.exclude_tables, schema, name) {
            Components::NONE
        } else if filters.everything() {
            self.of(id, oid)
        } else if any(&filters.tables, schema, name) {
            Components::ALL
        } else {
            Components::NONE
        }
    }

    /// Of an object in a schema.
    pub fn of(&self, id: CatalogId, schema: u32) -> Components {
        self.of_member(id)
            .unwrap_or_else(|| self.schemas.get(&schema).copied().unwrap_or_default())
    }
}

//! What a catalog holds, typed: one file per class of object. Filled by `reading`, never changed afterwards.

mod access_method;
mod acl;
mod cast;
mod collation;
mod constraint;
mod conversion;
mod database;
mod event_trigger;
mod foreign;
mod function;
mod header;
mod identity;
mod index;
mod language;
mod large_object;
mod namespace;
mod operator;
mod planner_statistics;
mod policy;
mod relation;
mod replication;
mod rule;
mod sequence;
mod statistics;
mod text_search;
mod trigger;
mod types;

use std::collections::HashMap;
use std::sync::Arc;

pub use access_method::AccessMethod;
pub use acl::{Access, ColumnAccess, DefaultAccess};
pub use cast::Cast;
pub use collation::Collation;
pub use constraint::{Constrained, Constraint, ConstraintKind};
pub use conversion::Conversion;
pub use database::Database;
pub use event_trigger::EventTrigger;
pub use foreign::{ForeignDataWrapper, ForeignServer, UserMapping};
pub use function::{Aggregate, AggregateFinal, Function, FunctionDetails, Routine};
pub use header::Header;
pub use identity::{CatalogId, class};
pub use index::Index;
pub use language::{Language, Transform};
pub use large_object::LargeObjectMetadata;
pub use namespace::{Extension, Namespace};
pub use operator::{
    MemberFunction, MemberOperator, Members, Operator, OperatorClass, OperatorFamily,
};
pub use planner_statistics::{ColumnStatistics, Measured, PlannerStatistics};
pub use policy::Policy;
pub use relation::{Column, ColumnDefault, ForeignTable, NotNull, Relation, RelationKind};
pub use replication::{Publication, PublishedSchema, PublishedTable, Subscription};
pub use rule::Rule;
pub use sequence::Sequence;
pub use statistics::ExtendedStatistics;
pub use text_search::{Dictionary, Mapping, Parser, Template, TextSearchConfiguration};
pub use trigger::Trigger;
pub use types::{Attribute, BaseType, Domain, Range, Type, TypeKind};

use crate::selection::Filters;
use crate::version::ServerVersion;

/// What to read and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who locks the tables that are dumped.
    pub locks: Locks,
    /// Classes of objects that fail the dump although they could be dumped, as in CREATE and in lower case: `large object`.
    pub refused: Vec<String>,
    /// Which tables, and of which the rows.
    pub filters: Filters,
}

/// ACCESS SHARE on every table that is dumped, before its definition is read, so that nothing changes underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// By the reading session, whose snapshot is older than the locks then: a table that somebody empties, rewrites or
    /// replaces between the two looks empty.
    Take,
    /// By the server process of this id, which has called [`crate::lock`] before the reading session's snapshot was taken.
    HeldBy(i32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locks: Locks::Take,
            refused: Vec::new(),
            filters: Filters::default(),
        }
    }
}

/// A pg_depend row: `dependent` cannot exist without `referenced`. Columns count as their tables.
#[derive(Clone, Copy, Debug)]
pub struct Dependency {
    pub dependent: CatalogId,
    pub referenced: CatalogId,
    /// pg_depend.deptype
    pub kind: char,
}

/// What a label provider says of an object: pg_seclabel.
#[derive(Debug)]
pub struct SecurityLabel {
    /// The number of a column, or 0 for the whole object.
    pub part: i32,
    pub provider: String,
    pub label: String,
}

/// Everything that a dump of one database needs to know.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) version: ServerVersion,
    pub(crate) database: Database,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) extensions: Vec<Extension>,
    /// Members of extensions: the object, and the extension's OID.
    pub(crate) members: Vec<(CatalogId, u32)>,
    /// In the order of their OIDs.
    pub(crate) relations: Vec<Relation>,
    pub(crate) functions: Vec<Function>,
    pub(crate) types: Vec<Type>,
    pub(crate) languages: Vec<Language>,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) collations: Vec<Collation>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) access_methods: Vec<AccessMethod>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) operator_classes: Vec<OperatorClass>,
    pub(crate) operator_families: Vec<OperatorFamily>,
    pub(crate) conversions: Vec<Conversion>,
    pub(crate) parsers: Vec<Parser>,
    pub(crate) templates: Vec<Template>,
    pub(crate) dictionaries: Vec<Dictionary>,
    pub(crate) text_search_configurations: Vec<TextSearchConfiguration>,
    pub(crate) foreign_data_wrappers: Vec<ForeignDataWrapper>,
    pub(crate) foreign_servers: Vec<ForeignServer>,
    pub(crate) statistics: Vec<ExtendedStatistics>,
    /// Where they are asked for.
    pub(crate) planner_statistics: Vec<PlannerStatistics>,
    pub(crate) publications: Vec<Publication>,
    pub(crate) published_tables: Vec<PublishedTable>,
    pub(crate) published_schemas: Vec<PublishedSchema>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) event_triggers: Vec<EventTrigger>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) default_access: Vec<DefaultAccess>,
    pub(crate) large_objects: Vec<LargeObjectMetadata>,
    /// Referencing and referenced table, where the referenced one belongs to an extension.
    pub(crate) extension_foreign_keys: Vec<(u32, u32)>,
    /// A materialized view, and one that it reads, directly or through views.
    pub(crate) refresh_order: Vec<(u32, u32)>,
    pub(crate) dependencies: Vec<Dependency>,
    /// By object: pg_description's (objsubid, description), in that order.
    pub(crate) comments: HashMap<CatalogId, Vec<(i32, String)>>,
    /// By object: those on the whole of it first, then those on its columns.
    pub(crate) security_labels: HashMap<CatalogId, Vec<SecurityLabel>>,
    /// Patterns of filters that fit nothing.
    pub(crate) without_match: Vec<String>,
    /// pg_init_privs, without columns: what CREATE EXTENSION or initdb granted.
    pub(crate) initial_privileges: HashMap<CatalogId, Vec<String>>,
}

impl Catalog {
    /// The comment on a whole object.
    pub(crate) fn comment(&self, object: CatalogId) -> Option<&str> {
        let comments = self.comments.get(&object)?;
        comments
            .iter()
            .find(|(column, _)| *column == 0)
            .map(|(_, text)| text.as_str())
    }

    /// The relation of this OID.
    pub(crate) fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relation_index(oid).map(|at| &self.relations[at])
    }

    /// Where the relation of this OID stands in `relations`.
    pub(crate) fn relation_index(&self, oid: u32) -> Option<usize> {
        self.relations
            .binary_search_by_key(&oid, |relation| relation.oid)
            .ok()
    }
}

/// A name shared by many objects: a schema's, a role's.
pub type Name = Arc<str>;

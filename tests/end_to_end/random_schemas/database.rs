//! The state of the database that the steps have made so far: what later steps may refer to.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::choices::Choices;
use super::functions::Function;
use super::links::{Link, Links, Node};
use super::names::{self, identifier};
use super::objects::{Name, Namespace, Relation, RelationKind, Sequence};
use super::types::{COLLATION, Type, TypeKind, TypeUse, builtins};

/// What something is used for, and so what it needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// In a view's query.
    Query,
    /// In a materialized view's query.
    Matview,
    /// In a CHECK.
    Check,
    /// In a default.
    Default,
    /// In a generated column, or in a partition key.
    Generated,
    /// In a body that PostgreSQL has parsed.
    Parsed,
    /// In a body that is a text.
    Text,
    /// In an index, a trigger, a policy: all that is made after the data.
    Late,
}

/// Everything made so far, and the script that made it.
#[derive(Clone, Debug)]
pub struct Database {
    /// The server's major version.
    pub version: u32,
    script: String,
    /// Schemas; `public` is the first.
    pub schemas: Vec<Namespace>,
    /// Types; the built-in ones first.
    pub types: Vec<Type>,
    /// Tables and views.
    pub relations: Vec<Relation>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Sequences.
    pub sequences: Vec<Sequence>,
    /// Who depends on whom.
    pub links: Links,
    /// Named in texts: they keep their names.
    pinned: BTreeSet<Node>,
    next_id: i64,
}

impl Database {
    /// An empty database.
    pub fn new(version: u32) -> Self {
        Self {
            version,
            script: String::new(),
            schemas: vec![Namespace {
                key: 0,
                local: "public".to_owned(),
            }],
            types: builtins(),
            relations: Vec::new(),
            functions: Vec::new(),
            sequences: Vec::new(),
            links: Links::default(),
            pinned: BTreeSet::new(),
            next_id: 0,
        }
    }

    /// The script so far.
    pub fn into_script(self) -> String {
        self.script
    }

    /// Adds a statement.
    pub fn say(&mut self, statement: &str) {
        writeln!(self.script, "{statement};").expect("a longer string");
    }

    /// Another value for a column `id`.
    pub fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// A name for a new object, in any schema.
    pub fn new_name(&self, choices: &mut Choices, letter: &str, key: u16) -> Name {
        Name {
            schema: self.any_schema(choices),
            local: names::name(choices, letter, key),
        }
    }

    /// Any schema.
    pub fn any_schema(&self, choices: &mut Choices) -> usize {
        choices
            .of(self
                .schemas
                .iter()
                .enumerate()
                .map(|(at, schema)| (at, schema.key)))
            .unwrap_or(0)
    }

    /// A name as SQL has it.
    pub fn sql(&self, name: &Name) -> String {
        format!(
            "{}.{}",
            identifier(&self.schemas[name.schema].local),
            identifier(&name.local)
        )
    }

    /// A relation's name as SQL has it.
    pub fn relation(&self, at: usize) -> String {
        self.sql(&self.relations[at].name)
    }

    /// A type as SQL has it.
    pub fn type_sql(&self, ty: TypeUse) -> String {
        let of = &self.types[ty.at];
        let name = match (&of.kind, &of.name) {
            (TypeKind::Row(relation), _) => self.relation(*relation),
            (TypeKind::Builtin(builtin), _) => builtin.name.to_owned(),
            (_, Some(name)) => self.sql(name),
            (_, None) => unreachable!("only built-in types and row types have no name here"),
        };
        match name.strip_suffix(COLLATION) {
            Some(name) if ty.array => format!("{name}[]{COLLATION}"),
            None if ty.array => format!("{name}[]"),
            _ => name,
        }
    }

    /// What depends on a type depends on this.
    pub fn node_of(&self, ty: TypeUse) -> Option<Node> {
        match self.types[ty.at].kind {
            TypeKind::Builtin(_) => None,
            TypeKind::Row(relation) => Some(Node::Relation(relation)),
            _ => Some(Node::Type(ty.at)),
        }
    }

    /// Adds a relation; its number. The caller has linked it as the next one.
    pub fn add_relation(&mut self, mut relation: Relation) -> usize {
        let at = self.relations.len();
        relation.row = self.types.len();
        self.types.push(Type {
            key: relation.key,
            name: None,
            kind: TypeKind::Row(at),
            stored: false,
            contained: false,
            checked_later: false,
        });
        self.relations.push(relation);
        at
    }

    /// Any relation that meets a condition.
    pub fn any_relation(
        &self,
        choices: &mut Choices,
        fits: impl Fn(usize, &Relation) -> bool,
    ) -> Option<usize> {
        choices.of(self
            .relations
            .iter()
            .enumerate()
            .filter(|(at, relation)| fits(*at, relation))
            .map(|(at, relation)| (at, relation.key)))
    }

    /// Any plain or partitioned table.
    pub fn any_table(
        &self,
        choices: &mut Choices,
        fits: impl Fn(usize, &Relation) -> bool,
    ) -> Option<usize> {
        self.any_relation(choices, |at, relation| {
            relation.is_table() && fits(at, relation)
        })
    }

    /// The links that a use makes, and whether what is used must be pure.
    fn demands(&self, to: Node, how: Use) -> (&'static [Link], bool) {
        let executed = !matches!(to, Node::Type(_));
        match how {
            Use::Query if executed => (&[Link::Soft, Link::Calls], false),
            Use::Matview | Use::Parsed if executed => (&[Link::Hard, Link::Calls], false),
            Use::Text if executed => (&[Link::Calls], false),
            Use::Check => (&[Link::Soft], executed),
            Use::Default => (&[Link::Default], false),
            Use::Generated => (&[Link::Hard], executed),
            Use::Late => (&[], executed),
            Use::Query => (&[Link::Soft], false),
            Use::Matview | Use::Parsed => (&[Link::Hard], false),
            Use::Text => (&[], false),
        }
    }

    /// Whether an object may execute or read another one.
    pub fn admits(&self, from: Node, to: Node, how: Use) -> bool {
        let (links, pure) = self.demands(to, how);
        links.iter().all(|link| self.links.allows(from, to, *link))
            && (!pure || self.links.is_pure(to))
            && !(matches!(how, Use::Text | Use::Check | Use::Late) && self.links.is_late(to))
    }

    /// Notes that an object executes or reads another one.
    pub fn link(&mut self, from: Node, to: Node, how: Use) {
        let (links, pure) = self.demands(to, how);
        for link in links {
            self.links.add(from, to, *link);
        }
        if how == Use::Text {
            self.pinned.insert(to);
        }
        if pure {
            for called in self.links.called(to) {
                if let Node::Function(at) = called
                    && let Some(function) = self.functions.get_mut(at)
                {
                    function.evaluated = true;
                }
            }
        }
    }

    /// Whether an object may mention a type.
    pub fn admits_type(&self, from: Node, ty: TypeUse, how: Use) -> bool {
        // The CHECK of a domain that a composite or an array holds cannot be added; and while it is added to one that several tables have,
        // all of these are locked, in one order or another.
        let is_column = how == Use::Generated || matches!(from, Node::Type(_));
        if is_column && self.holds_checked(ty) {
            return false;
        }
        let link = match how {
            Use::Query | Use::Check => Link::Soft,
            Use::Default => Link::Default,
            Use::Text | Use::Late => {
                return self.node_of(ty).is_none_or(|to| !self.links.is_late(to));
            }
            Use::Matview | Use::Generated | Use::Parsed => Link::Hard,
        };
        self.node_of(ty)
            .is_none_or(|to| self.links.allows(from, to, link))
    }

    /// Notes that an object mentions a type.
    pub fn link_type(&mut self, from: Node, ty: TypeUse, how: Use) {
        let Some(to) = self.node_of(ty) else { return };
        if how == Use::Generated || matches!(from, Node::Type(_)) {
            self.mark_stored(ty);
            if ty.array || matches!(from, Node::Type(_)) {
                self.mark_contained(ty);
            }
        }
        match how {
            Use::Query | Use::Check => self.links.add(from, to, Link::Soft),
            Use::Default => self.links.add(from, to, Link::Default),
            Use::Matview | Use::Generated | Use::Parsed => self.links.add(from, to, Link::Hard),
            Use::Text => {
                self.pinned.insert(to);
            }
            Use::Late => {}
        }
    }

    /// Whether values of a type are, or have inside, such whose CHECK pg_dump may add at the very end.
    fn holds_checked(&self, ty: TypeUse) -> bool {
        let of = &self.types[ty.at];
        of.checked_later
            || match &of.kind {
                TypeKind::Row(relation) => self.relations[*relation]
                    .columns
                    .iter()
                    .any(|column| self.holds_checked(column.ty)),
                TypeKind::Composite(fields) => {
                    fields.iter().any(|(_, field)| self.holds_checked(*field))
                }
                TypeKind::Domain(over) => self.holds_checked(*over),
                _ => false,
            }
    }

    /// Whether at most one table has columns of the domain.
    pub fn is_used_once(&self, domain: usize) -> bool {
        let over = |ty: TypeUse| {
            ty.at == domain
                || matches!(self.types[ty.at].kind, TypeKind::Domain(over) if over.at == domain)
        };
        let users = self.relations.iter().filter(|relation| {
            relation.kind != RelationKind::View
                && relation.columns.iter().any(|column| over(column.ty))
        });
        users.clone().count() <= 1 && users.clone().all(|user| user.partitions.is_empty())
    }

    /// Notes that values of a type are inside others.
    fn mark_contained(&mut self, ty: TypeUse) {
        self.types[ty.at].contained = true;
        if let TypeKind::Domain(over) = self.types[ty.at].kind {
            self.mark_contained(over);
        }
    }

    /// Values of the type may be stored from here on.
    fn mark_stored(&mut self, ty: TypeUse) {
        match self.types[ty.at].kind.clone() {
            TypeKind::Row(relation) => {
                self.relations[relation].row_stored = true;
                for column in self.relations[relation].columns.clone() {
                    self.mark_contained(column.ty);
                }
            }
            TypeKind::Composite(fields) => {
                self.types[ty.at].stored = true;
                for (_, field) in fields {
                    self.mark_stored(field);
                }
            }
            TypeKind::Domain(over) => self.mark_stored(over),
            _ => {}
        }
    }

    /// Whether a text names the object.
    pub fn is_pinned(&self, node: Node) -> bool {
        self.pinned.contains(&node)
    }

    /// Whether the object is in the schema `public`; then it is to stay there.
    pub fn stays_in_public(&mut self, node: Node) -> bool {
        let is_public = self.name_of(node).is_some_and(|name| name.schema == 0);
        if is_public {
            self.pinned.insert(node);
        }
        is_public
    }

    fn name_of(&self, node: Node) -> Option<&Name> {
        match node {
            Node::Relation(at) => Some(&self.relations[at].name),
            Node::Type(at) => self.types[at].name.as_ref(),
            Node::Function(at) => Some(&self.functions[at].name),
        }
    }

    /// Whether a text names something in a schema.
    pub fn has_pinned(&self, schema: usize) -> bool {
        self.pinned.iter().any(|node| {
            self.name_of(*node)
                .is_some_and(|name| name.schema == schema)
        })
    }
}

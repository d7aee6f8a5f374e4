//! Collects entries, and writes what most classes have in common: comments, security labels and privileges.

use std::collections::{BTreeSet, HashMap};

use archive::{Entry, Section};

use super::access::{self, Privileges};
use crate::dump::TableData;
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::{Access, Catalog, CatalogId, Header, Name, Relation};
use crate::ordering::Graph;
use crate::selection::Components;

/// The entries so far.
pub struct Writer<'a> {
    pub catalog: &'a Catalog,
    pub entries: Vec<Entry>,
    pub tables: Vec<TableData>,
    /// Roles that the entries name.
    pub roles: BTreeSet<String>,
    /// Objects whose privileges cannot be read.
    pub unreadable: Vec<String>,
    /// By schema: dump id of the entry with its privileges.
    pub schema_access: HashMap<Name, u32>,
    /// Dump ids of the relations, in their order.
    relations: Vec<u32>,
    next_id: u32,
}

/// An object as COMMENT ON and GRANT name it, and as their entries are labelled.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// `TABLE`, or `TRIGGER t ON`
    pub kind: &'a str,
    /// Ready to print, but for the schema.
    pub name: &'a str,
    pub schema: Option<&'a str>,
    pub owner: &'a str,
    /// The entry that must come first.
    pub dump_id: u32,
}

impl Subject<'_> {
    /// As statements name it: `schema.name`.
    fn full_name(&self) -> String {
        match self.schema {
            Some(schema) => format!("{}.{}", quote_identifier(schema), self.name),
            None => self.name.to_owned(),
        }
    }
}

/// What stands for itself, or in a schema.
pub struct Standalone<'a> {
    /// `COLLATION`
    pub desc: &'a str,
    pub section: Section,
    pub definition: String,
    /// Empty for none: it goes with something else.
    pub drop_statement: String,
    /// As in COMMENT ON: the keyword, where it is another than `desc`.
    pub keyword: Option<&'a str>,
    /// As in COMMENT ON, ready to print but for the schema, where it is more than the name.
    pub identity: Option<String>,
    /// The label of the entry, where it is another than the name.
    pub tag: Option<String>,
}

impl<'a> Standalone<'a> {
    /// One that is known by its name, before the data.
    pub fn new(desc: &'a str, definition: String, drop_statement: String) -> Self {
        Self {
            desc,
            section: Section::PreData,
            definition,
            drop_statement,
            keyword: None,
            identity: None,
            tag: None,
        }
    }
}

/// What hangs on a relation and has its owner: a trigger, a rule, a policy.
pub struct PartOfRelation<'a> {
    /// `TRIGGER`
    pub desc: &'a str,
    pub id: CatalogId,
    pub name: &'a str,
    pub relation: &'a Relation,
    pub definition: String,
    pub drop_statement: String,
}

/// An entry of an object, with nothing but its essentials.
pub fn entry(
    dump_id: u32,
    id: CatalogId,
    desc: &str,
    section: Section,
    tag: impl Into<String>,
) -> Entry {
    Entry {
        catalog_oid: id.class,
        oid: id.oid,
        ..Entry::new(dump_id, desc, section, tag)
    }
}

/// The dump id of a node. There are far fewer nodes than 32-bit OIDs.
pub fn dump_id(position: usize) -> u32 {
    u32::try_from(position + 1).unwrap_or(u32::MAX)
}

impl<'a> Writer<'a> {
    /// A writer for the entries of a graph.
    pub fn new(catalog: &'a Catalog, graph: &Graph<'_>) -> Self {
        let relations = catalog
            .relations
            .iter()
            .map(|relation| graph.find(relation.id()).map_or(0, dump_id))
            .collect();
        Self {
            catalog,
            entries: Vec::new(),
            tables: Vec::new(),
            roles: BTreeSet::new(),
            unreadable: Vec::new(),
            schema_access: HashMap::new(),
            relations,
            next_id: dump_id(graph.nodes.len()),
        }
    }

    /// The dump id of a relation.
    pub fn relation_dump_id(&self, at: usize) -> u32 {
        self.relations[at]
    }

    /// A dump id for an entry that is no node of the graph.
    pub fn fresh_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub fn add(&mut self, entry: Entry) {
        if let Some(owner) = entry.owner.as_ref().filter(|owner| !owner.is_empty()) {
            self.roles.insert(owner.clone());
        }
        self.entries.push(entry);
    }

    /// The entry of what stands for itself, its comment and its privileges.
    pub fn add_standalone(
        &mut self,
        dump_id: u32,
        header: &Header,
        access: Option<(&str, &Access)>,
        object: Standalone<'_>,
    ) {
        if header.dump.has(Components::DEFINITION) {
            let tag = object.tag.unwrap_or_else(|| header.name.clone());
            self.add(Entry {
                definition: Some(object.definition),
                drop_statement: Some(object.drop_statement).filter(|sql| !sql.is_empty()),
                namespace: header.schema.as_deref().map(str::to_owned),
                owner: header.owner.as_deref().map(str::to_owned),
                ..entry(dump_id, header.id, object.desc, object.section, tag)
            });
        }
        let identity = object
            .identity
            .unwrap_or_else(|| quote_identifier(&header.name));
        let subject = Subject {
            kind: object.keyword.unwrap_or(object.desc),
            name: &identity,
            schema: header.schema.as_deref(),
            owner: header.owner.as_deref().unwrap_or_default(),
            dump_id,
        };
        if header.dump.has(Components::COMMENT) {
            self.annotate(subject, header.id);
        }
        if let Some((kind, access)) = access.filter(|_| header.dump.has(Components::ACL)) {
            let initial = self
                .catalog
                .initial_privileges
                .get(&header.id)
                .map(Vec::as_slice);
            self.access(Subject { kind, ..subject }, access, initial);
        }
    }

    /// The entry of what hangs on a relation, and its comment.
    pub fn add_part(&mut self, dump_id: u32, part: PartOfRelation<'_>) {
        let PartOfRelation {
            desc,
            id,
            name,
            relation,
            definition,
            drop_statement,
        } = part;
        let tag = format!("{} {name}", relation.name);
        self.add(Entry {
            definition: Some(definition),
            drop_statement: Some(drop_statement),
            namespace: Some(relation.schema.to_string()),
            owner: Some(relation.owner.to_string()),
            ..entry(dump_id, id, desc, Section::PostData, tag)
        });
        self.comment_on_part(desc, name, relation, dump_id, id);
    }

    /// The comment on what hangs on a relation, if it has one. It has no security labels.
    pub fn comment_on_part(
        &mut self,
        desc: &str,
        name: &str,
        relation: &Relation,
        dump_id: u32,
        id: CatalogId,
    ) {
        self.annotate(
            Subject {
                kind: &format!("{desc} {} ON", quote_identifier(name)),
                name: &quote_identifier(&relation.name),
                schema: Some(&relation.schema),
                owner: &relation.owner,
                dump_id,
            },
            id,
        );
    }

    /// The comment on an object and its security labels, if it has any.
    pub fn annotate(&mut self, subject: Subject<'_>, id: CatalogId) {
        if let Some(text) = self.catalog.comment(id) {
            self.comment_text(subject, text);
        }
        self.security_labels(subject, id);
    }

    /// The security labels on a whole object, if it has any.
    pub fn security_labels(&mut self, subject: Subject<'_>, id: CatalogId) {
        self.security_labels_of_parts(subject, id, |part| (part == 0).then(String::new));
    }

    /// The security labels on an object and its columns, in one entry. `column` gives what follows the object's name for a
    /// part of it, and nothing for the object itself.
    pub fn security_labels_of_parts(
        &mut self,
        subject: Subject<'_>,
        id: CatalogId,
        column: impl Fn(i32) -> Option<String>,
    ) {
        let catalog = self.catalog;
        let Some(labels) = catalog.security_labels.get(&id) else {
            return;
        };
        let Subject { kind, name, .. } = subject;
        let full_name = subject.full_name();
        let mut statements = String::new();
        for label in labels {
            let Some(column) = column(label.part) else {
                continue;
            };
            let kind = if label.part == 0 { kind } else { "COLUMN" };
            statements.push_str(&format!(
                "SECURITY LABEL FOR {} ON {kind} {full_name}{column} IS {};\n",
                quote_identifier(&label.provider),
                quote_literal(&label.label)
            ));
        }
        if !statements.is_empty() {
            let tag = format!("{kind} {name}");
            self.attachment(subject, "SECURITY LABEL", tag, statements, &[]);
        }
    }

    /// A comment; an empty one removes.
    pub fn comment_text(&mut self, subject: Subject<'_>, text: &str) {
        let Subject { kind, name, .. } = subject;
        let statement = format!(
            "COMMENT ON {kind} {} IS {};\n",
            subject.full_name(),
            quote_literal(text)
        );
        self.attachment(subject, "COMMENT", format!("{kind} {name}"), statement, &[]);
    }

    /// The privileges on an object, if they are not the default ones. Returns their entry's dump id.
    pub fn access(
        &mut self,
        subject: Subject<'_>,
        access: &Access,
        initial: Option<&[String]>,
    ) -> Option<u32> {
        let tag = format!("{} {}", subject.kind, subject.name);
        let base = initial.unwrap_or(&access.default);
        self.access_entry(subject, tag, access.acl.as_deref()?, base, None, &[])
    }

    /// The privileges on a column, after those on its table.
    pub fn column_access(
        &mut self,
        subject: Subject<'_>,
        column: &str,
        acl: &[String],
        base: &[String],
        after: Option<u32>,
    ) {
        let column = quote_identifier(column);
        let tag = format!("COLUMN {}.{column}", subject.name);
        self.access_entry(subject, tag, acl, base, Some(&column), after.as_slice());
    }

    fn access_entry(
        &mut self,
        subject: Subject<'_>,
        tag: String,
        acl: &[String],
        base: &[String],
        column: Option<&str>,
        after: &[u32],
    ) -> Option<u32> {
        let Subject {
            kind,
            schema,
            owner,
            ..
        } = subject;
        let privileges = Privileges {
            kind,
            object: Some(subject.full_name()),
            column,
            owner,
            prefix: "",
        };
        match access::statements(&privileges, acl, base, &mut self.roles) {
            Some(statements) if statements.is_empty() => None,
            Some(statements) => {
                let mut after = after.to_vec();
                // Another grantor than the owner must be let into the schema first: stock archives leave that to chance
                // in a parallel restore.
                if statements.contains("SET SESSION AUTHORIZATION ") {
                    after.extend(schema.and_then(|schema| self.schema_access.get(schema)));
                }
                Some(self.attachment(subject, "ACL", tag, statements, &after))
            }
            None => {
                self.unreadable.push(format!("{acl:?} on {tag}"));
                None
            }
        }
    }

    fn attachment(
        &mut self,
        subject: Subject<'_>,
        desc: &str,
        tag: String,
        definition: String,
        after: &[u32],
    ) -> u32 {
        let dump_id = self.fresh_id();
        let mut dependencies = vec![subject.dump_id];
        dependencies.extend_from_slice(after);
        self.add(Entry {
            definition: Some(definition),
            namespace: subject.schema.map(str::to_owned),
            owner: Some(subject.owner.to_owned()),
            dependencies,
            ..entry(dump_id, CatalogId::default(), desc, Section::None, tag)
        });
        dump_id
    }
}

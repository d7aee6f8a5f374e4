//! A catalog as a dump: the entries in order, and what whoever moves the data needs to know.

use std::collections::BTreeSet;

use archive::Entry;

use crate::error::Error;
use crate::identifiers::{qualified, quote_identifier};
use crate::model::{Catalog, Constrained, Relation};
use crate::ordering::{self, Graph, Object};
use crate::rendering::{self, Writer, dump_id};
use crate::selection::Components;

/// Everything that an archive of the database needs, but for the data.
#[derive(Clone, Debug)]
pub struct Dump {
    /// In the order of the table of contents, with dump ids and dependencies.
    pub entries: Vec<Entry>,
    /// The tables whose rows are dumped: one for each TABLE DATA entry, in their order.
    pub tables: Vec<TableData>,
    /// The large objects whose bytes are dumped.
    pub large_objects: Vec<LargeObject>,
    /// Dump id of the BLOBS entry, if there are large objects.
    pub large_objects_dump_id: Option<u32>,
    /// The extensions that a restore creates.
    pub extensions: Vec<InstalledExtension>,
    /// Names of the roles that the entries refer to: owners, grantees, and those of policies and settings.
    pub roles: BTreeSet<String>,
    /// Names of the tablespaces that the entries refer to.
    pub tablespaces: BTreeSet<String>,
    /// The database's name.
    pub database: String,
    /// The database's encoding: `UTF8`.
    pub encoding: String,
    /// The encoding of the entries and of COPY: UTF8, or SQL_ASCII where the database does not say what its bytes mean.
    pub client_encoding: String,
    /// What the user should know, in sentences.
    pub warnings: Vec<String>,
}

/// The rows of one table.
#[derive(Clone, Debug)]
pub struct TableData {
    /// Of its TABLE DATA entry.
    pub dump_id: u32,
    /// The table's OID.
    pub oid: u32,
    /// Unquoted.
    pub schema: String,
    /// Unquoted.
    pub name: String,
    /// The columns that are copied, unquoted; generated ones are not among them.
    pub columns: Vec<String>,
    /// `COPY s.t (a, b) TO stdout;`
    pub copy_out: String,
    /// `WHERE ...`, for a table whose rows are only partly the user's; then `copy_out` is a COPY of a query.
    pub condition: Option<String>,
    /// In the directory format, without the suffix of its compression.
    pub filename: String,
    /// The table belongs to an extension, which creates it.
    pub is_extension_configuration: bool,
    /// Bytes of the table itself, when the catalog was read.
    pub heap_bytes: u64,
    /// Bytes of its TOAST table.
    pub toast_bytes: u64,
    /// Pages of the table itself; 0 where its access method is not the heap, which alone is known to keep rows in pages.
    pub pages: u64,
    /// What the last ANALYZE counted; none if there was none.
    pub estimated_rows: Option<f64>,
}

impl TableData {
    /// A COPY of the rows in the pages from `first` up to but not including `end`; of all that follow without an `end`.
    /// `None` where only the whole can be copied: a COPY of a query, or a table without columns. Servers before 14 read the
    /// whole table for each such part.
    pub fn copy_out_pages(&self, first: u64, end: Option<u64>) -> Option<String> {
        if self.condition.is_some() || self.columns.is_empty() || self.pages == 0 {
            return None;
        }
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| quote_identifier(column))
            .collect();
        let end = end
            .map(|end| format!(" AND ctid < '({end},0)'"))
            .unwrap_or_default();
        let (columns, table) = (columns.join(", "), qualified(&self.schema, &self.name));
        Some(format!(
            "COPY (SELECT {columns} FROM ONLY {table} WHERE ctid >= '({first},0)'{end}) TO stdout;"
        ))
    }
}

/// A large object.
#[derive(Clone, Debug)]
pub struct LargeObject {
    /// What lo_open takes.
    pub oid: u32,
    /// In the directory format, without the suffix of its compression.
    pub filename: String,
}

/// An extension, as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledExtension {
    /// As in CREATE EXTENSION.
    pub name: String,
    /// A restore installs the target's own version, which may be another.
    pub version: String,
}

impl Catalog {
    /// Renders the entries and puts them in order.
    pub fn dump(&self) -> Result<Dump, Error> {
        let mut warnings = self.warnings_of_filters();
        let mut graph = ordering::build(self);
        let order = ordering::sort(self, &mut graph, &mut warnings);
        let mut writer = Writer::new(self, &graph);
        let client_encoding = if self.database.encoding == "SQL_ASCII" {
            "SQL_ASCII"
        } else {
            "UTF8"
        };
        rendering::beginning(&mut writer, client_encoding);
        for &position in &order {
            rendering::object(&mut writer, &graph, position)?;
        }
        let Writer {
            mut entries,
            tables,
            roles,
            unreadable,
            ..
        } = writer;
        if !unreadable.is_empty() {
            return Err(Error::unexpected("privileges", unreadable.join(", ")));
        }
        resolve_dependencies(&graph, &mut entries);
        let large_objects = self.large_objects.iter().map(|object| object.oid);
        Ok(Dump {
            tables,
            large_objects: large_objects
                .map(|oid| LargeObject {
                    oid,
                    filename: format!("blob_{oid}.dat"),
                })
                .collect(),
            large_objects_dump_id: entries
                .iter()
                .find(|entry| entry.desc == "BLOBS")
                .map(|entry| entry.dump_id),
            extensions: self.installed_extensions(),
            roles,
            tablespaces: entries
                .iter()
                .filter_map(|entry| entry.tablespace.clone())
                .filter(|name| !name.is_empty())
                .collect(),
            database: self.database.name.clone(),
            encoding: self.database.encoding.clone(),
            client_encoding: client_encoding.to_owned(),
            warnings,
            entries,
        })
    }
}

impl Catalog {
    /// What the filters leave dangling, or do not find.
    fn warnings_of_filters(&self) -> Vec<String> {
        let without_match = self.without_match.iter();
        let mut warnings: Vec<String> = without_match
            .map(|pattern| format!("no table fits {pattern}"))
            .collect();
        let is_dumped = |relation: &Relation| relation.dump.has(Components::DEFINITION);
        for constraint in &self.constraints {
            let (Constrained::Table(table), Some((referenced, _))) =
                (constraint.on, constraint.references)
            else {
                continue;
            };
            let table = &self.relations[table];
            let missing = self
                .relation(referenced)
                .filter(|relation| !is_dumped(relation));
            if let Some(referenced) = missing.filter(|_| is_dumped(table)) {
                warnings.push(format!(
                    "the foreign key {} of {} refers to {}, which is left out: a restore needs that table from elsewhere",
                    constraint.name,
                    table.qualified(),
                    referenced.qualified()
                ));
            }
        }
        warnings
    }

    fn installed_extensions(&self) -> Vec<InstalledExtension> {
        let created = self
            .extensions
            .iter()
            .filter(|extension| extension.dump.has(Components::DEFINITION));
        created
            .map(|extension| InstalledExtension {
                name: extension.name.clone(),
                version: extension.version.clone(),
            })
            .collect()
    }
}

/// Gives each entry its dependencies among the entries: what it depends on, or else what that depends on, and so on
/// (`BuildArchiveDependencies`). Entries that have dependencies already keep them as they are.
fn resolve_dependencies(graph: &Graph<'_>, entries: &mut [Entry]) {
    let mut is_entry = vec![false; graph.nodes.len()];
    let position = |entry: &Entry| {
        usize::try_from(entry.dump_id - 1)
            .ok()
            .filter(|&position| position < graph.nodes.len())
    };
    for position in entries.iter().filter_map(position) {
        is_entry[position] = true;
    }
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.dependencies.is_empty())
    {
        let Some(node) = position(entry) else {
            continue;
        };
        let mut seen = BTreeSet::from([node]);
        let mut pending: Vec<usize> = graph.nodes[node]
            .dependencies
            .iter()
            .rev()
            .copied()
            .collect();
        while let Some(dependency) = pending.pop() {
            if !seen.insert(dependency) {
                continue;
            }
            if is_entry[dependency] {
                entry.dependencies.push(dump_id(dependency));
            } else if !matches!(
                graph.nodes[dependency].object,
                Object::PreDataBoundary | Object::PostDataBoundary
            ) {
                // Everything depends on a boundary, or a boundary on it: beyond one nothing is meant.
                pending.extend(graph.nodes[dependency].dependencies.iter().rev());
            }
        }
    }
}

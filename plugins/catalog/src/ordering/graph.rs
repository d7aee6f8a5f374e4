//! The objects of a dump and what each depends on.

use std::collections::HashMap;

use crate::model::{Catalog, CatalogId, Constrained, Constraint};
use crate::selection::Components;

/// What a node stands for. Numbers are positions in the catalog's lists of that class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Namespace(usize),
    Language(usize),
    Collation(usize),
    Transform(usize),
    Extension(usize),
    /// Part of an extension, of a class that is not dumped on its own: it only leads to the extension.
    Member,
    Type(usize),
    /// The name alone of a base or range type, for its functions to refer to.
    ShellType(usize),
    Cast(usize),
    Function(usize),
    Aggregate(usize),
    AccessMethod(usize),
    Operator(usize),
    OperatorFamily(usize),
    OperatorClass(usize),
    Conversion(usize),
    Parser(usize),
    Template(usize),
    Dictionary(usize),
    TextSearchConfiguration(usize),
    ForeignDataWrapper(usize),
    /// With its user mappings.
    ForeignServer(usize),
    Relation(usize),
    TableAttach(usize),
    /// A relation's row type, an array or a multirange: never dumped, but depended on.
    AutomaticType(usize),
    /// The default of a column: the table, and the column's position.
    Default(usize, usize),
    PreDataBoundary,
    TableData(usize),
    SequenceSet(usize),
    Blob(usize),
    Blobs,
    PlannerStatistics(usize),
    PostDataBoundary,
    Constraint(usize),
    Index(usize),
    IndexAttach(usize),
    ExtendedStatistics(usize),
    Rule(usize),
    Trigger(usize),
    ForeignKey(usize),
    Policy(usize),
    /// ENABLE ROW LEVEL SECURITY of a table.
    RowSecurity(usize),
    Publication(usize),
    PublishedTable(usize),
    PublishedSchema(usize),
    Subscription(usize),
    DefaultAccess(usize),
    EventTrigger(usize),
    Refresh(usize),
}

/// An object, and the positions of the nodes that must come before it.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub object: Object,
    pub id: CatalogId,
    pub schema: Option<&'a str>,
    pub name: &'a str,
    pub dump: Components,
    pub dependencies: Vec<usize>,
    /// A default, constraint or rule that gets an entry of its own.
    pub separate: bool,
    /// A view whose query comes later, as a rule; or a function or materialized view that comes after the data.
    pub postponed: bool,
    /// The extensions that it is to be dropped with: ALTER ... DEPENDS ON EXTENSION.
    pub extensions: Vec<&'a str>,
}

/// All nodes. A node's position + 1 is its dump id.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    by_id: HashMap<CatalogId, usize>,
    defaults: HashMap<(usize, usize), usize>,
    /// Node and position of each.
    constraints: HashMap<Constrained, Vec<(usize, usize)>>,
    pub pre_data: usize,
    pub post_data: usize,
}

impl<'a> Graph<'a> {
    /// Adds an object that catalogs refer to by `id`.
    pub fn add(
        &mut self,
        object: Object,
        id: CatalogId,
        schema: Option<&'a str>,
        name: &'a str,
        dump: Components,
    ) -> usize {
        let position = self.nodes.len();
        self.nodes.push(Node {
            object,
            id,
            schema,
            name,
            dump,
            dependencies: Vec::new(),
            separate: false,
            postponed: false,
            extensions: Vec::new(),
        });
        if id.class != 0 {
            self.by_id.insert(id, position);
        }
        position
    }

    /// The node of an object.
    pub fn find(&self, id: CatalogId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Remembers the node of a column's default.
    pub fn learn_default(&mut self, table: usize, column: usize, node: usize) {
        self.defaults.insert((table, column), node);
    }

    /// Remembers the node of a constraint.
    pub fn learn_constraint(&mut self, on: Constrained, node: usize, constraint: usize) {
        self.constraints
            .entry(on)
            .or_default()
            .push((node, constraint));
    }

    /// The column's default has an entry of its own.
    pub fn has_separate_default(&self, table: usize, column: usize) -> bool {
        self.defaults
            .get(&(table, column))
            .is_some_and(|&node| self.nodes[node].separate)
    }

    /// The constraints that are printed with their table or domain.
    pub fn inline_constraints<'c>(
        &self,
        catalog: &'c Catalog,
        on: Constrained,
    ) -> Vec<&'c Constraint> {
        let all = self.constraints.get(&on).into_iter().flatten();
        all.filter(|&&(node, _)| !self.nodes[node].separate)
            .map(|&(_, at)| &catalog.constraints[at])
            .collect()
    }

    /// `node` must come after `dependency`.
    pub fn depend(&mut self, node: usize, dependency: usize) {
        self.nodes[node].dependencies.push(dependency);
    }

    /// `node` need not come after `dependency`.
    pub fn release(&mut self, node: usize, dependency: usize) {
        self.nodes[node]
            .dependencies
            .retain(|&known| known != dependency);
    }
}

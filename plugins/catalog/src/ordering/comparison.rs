//! The order before dependencies are looked at: by kind, schema, name, and what else tells objects of a class apart.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::graph::{Graph, Node, Object};
use crate::model::{Catalog, Constrained, Constraint};

/// Sorts positions of nodes. The result is the same for two databases with the same objects, whatever their OIDs.
pub fn sort(catalog: &Catalog, graph: &Graph<'_>, nodes: &mut [usize]) {
    let types = catalog
        .types
        .iter()
        .map(|ty| (ty.oid, (&*ty.schema, ty.name.as_str())))
        .collect();
    let comparison = Comparison { catalog, types };
    nodes.sort_by(|&one, &other| comparison.compare(&graph.nodes[one], &graph.nodes[other]));
}

/// Kinds in the order of a dump. Those of one section stand together.
fn priority(object: Object) -> u8 {
    match object {
        Object::Namespace(_) => 1,
        Object::Language(_) => 2,
        Object::Collation(_) => 3,
        Object::Transform(_) => 4,
        Object::Extension(_) => 5,
        Object::Member => 6,
        Object::Type(_) | Object::ShellType(_) => 7,
        Object::Cast(_) => 8,
        Object::Function(_) => 9,
        Object::Aggregate(_) => 10,
        Object::AccessMethod(_) => 11,
        Object::Operator(_) => 12,
        Object::OperatorFamily(_) | Object::OperatorClass(_) => 13,
        Object::Conversion(_) => 14,
        Object::Parser(_) => 15,
        Object::Template(_) => 16,
        Object::Dictionary(_) => 17,
        Object::TextSearchConfiguration(_) => 18,
        Object::ForeignDataWrapper(_) => 19,
        Object::ForeignServer(_) => 20,
        Object::Relation(_) => 21,
        Object::TableAttach(_) => 22,
        Object::AutomaticType(_) => 23,
        Object::Default(..) => 24,
        Object::Blob(_) => 25,
        Object::PreDataBoundary => 26,
        Object::TableData(_) => 27,
        Object::SequenceSet(_) => 28,
        Object::Blobs => 29,
        Object::PlannerStatistics(_) => 30,
        Object::PostDataBoundary => 31,
        Object::Constraint(_) => 32,
        Object::Index(_) => 33,
        Object::IndexAttach(_) => 34,
        Object::ExtendedStatistics(_) => 35,
        Object::Rule(_) => 36,
        Object::Trigger(_) => 37,
        Object::ForeignKey(_) => 38,
        Object::Policy(_) | Object::RowSecurity(_) => 39,
        Object::Publication(_) => 40,
        Object::PublishedTable(_) => 41,
        Object::PublishedSchema(_) => 42,
        Object::Subscription(_) => 43,
        // Privileges, event triggers and refreshes see the database as it will be used, so they come last.
        Object::DefaultAccess(_) => 44,
        Object::EventTrigger(_) => 45,
        Object::Refresh(_) => 46,
    }
}

struct Comparison<'a> {
    catalog: &'a Catalog,
    /// Schema and name by OID.
    types: HashMap<u32, (&'a str, &'a str)>,
}

impl Comparison<'_> {
    fn compare(&self, one: &Node<'_>, other: &Node<'_>) -> Ordering {
        let kinds = priority(one.object).cmp(&priority(other.object));
        // What has no schema comes after what has one.
        let schemas =
            || (one.schema.is_none(), one.schema).cmp(&(other.schema.is_none(), other.schema));
        let names = || one.name.cmp(other.name);
        let rest = || self.compare_within_kind(one.object, other.object);
        kinds
            .then_with(schemas)
            .then_with(names)
            .then_with(rest)
            .then_with(|| one.id.oid.cmp(&other.id.oid))
    }

    fn compare_within_kind(&self, one: Object, other: Object) -> Ordering {
        let table = |at: usize| self.catalog.relations[at].name.as_str();
        match (one, other) {
            (Object::Type(_), Object::ShellType(_))
            | (Object::OperatorClass(_), Object::OperatorFamily(_)) => Ordering::Less,
            (Object::ShellType(_), Object::Type(_))
            | (Object::OperatorFamily(_), Object::OperatorClass(_)) => Ordering::Greater,
            (Object::Function(one), Object::Function(other))
            | (Object::Aggregate(one), Object::Aggregate(other)) => {
                let arguments = |at: usize| &self.catalog.functions[at].argument_types;
                self.compare_types(arguments(one), arguments(other))
            }
            (Object::Operator(one), Object::Operator(other)) => {
                let [one, other] = [one, other].map(|at| &self.catalog.operators[at]);
                let kinds = other.kind.cmp(&one.kind);
                kinds.then_with(|| self.compare_types(&one.operands, &other.operands))
            }
            (Object::OperatorClass(one), Object::OperatorClass(other)) => {
                let classes = &self.catalog.operator_classes;
                classes[one].method.cmp(&classes[other].method)
            }
            (Object::OperatorFamily(one), Object::OperatorFamily(other)) => {
                let families = &self.catalog.operator_families;
                families[one].method.cmp(&families[other].method)
            }
            (Object::Collation(one), Object::Collation(other)) => {
                let collations = &self.catalog.collations;
                collations[one].encoding.cmp(&collations[other].encoding)
            }
            (Object::PublishedTable(one), Object::PublishedTable(other)) => {
                let tables = &self.catalog.published_tables;
                self.publication(tables[one].publication)
                    .cmp(self.publication(tables[other].publication))
            }
            (Object::PublishedSchema(one), Object::PublishedSchema(other)) => {
                let schemas = &self.catalog.published_schemas;
                self.publication(schemas[one].publication)
                    .cmp(self.publication(schemas[other].publication))
            }
            (Object::Default(_, one), Object::Default(_, other)) => one.cmp(&other),
            (
                Object::Policy(_) | Object::RowSecurity(_),
                Object::Policy(_) | Object::RowSecurity(_),
            ) => table(self.policy_table(one)).cmp(table(self.policy_table(other))),
            (Object::Rule(one), Object::Rule(other)) => {
                let rules = &self.catalog.rules;
                table(rules[one].relation).cmp(table(rules[other].relation))
            }
            (Object::Trigger(one), Object::Trigger(other)) => {
                let triggers = &self.catalog.triggers;
                table(triggers[one].table).cmp(table(triggers[other].table))
            }
            (Object::Constraint(one), Object::Constraint(other))
            | (Object::ForeignKey(one), Object::ForeignKey(other)) => {
                let constraints = &self.catalog.constraints;
                self.constrained(&constraints[one])
                    .cmp(&self.constrained(&constraints[other]))
            }
            (Object::DefaultAccess(one), Object::DefaultAccess(other)) => {
                let roles = &self.catalog.default_access;
                roles[one].role.cmp(&roles[other].role)
            }
            _ => Ordering::Equal,
        }
    }

    fn compare_types(&self, one: &[u32], other: &[u32]) -> Ordering {
        let name = |oid: &u32| self.types.get(oid).copied().unwrap_or_default();
        one.len()
            .cmp(&other.len())
            .then_with(|| one.iter().map(name).cmp(other.iter().map(name)))
    }

    fn publication(&self, at: usize) -> &str {
        &self.catalog.publications[at].header.name
    }

    fn policy_table(&self, object: Object) -> usize {
        match object {
            Object::Policy(at) => self.catalog.policies[at].table,
            Object::RowSecurity(at) => at,
            // Only asked about the two above.
            _ => 0,
        }
    }

    /// Domains before tables, as in the dump.
    fn constrained(&self, constraint: &Constraint) -> (bool, &str) {
        match constraint.on {
            Constrained::Domain(at) => (false, &self.catalog.types[at].name),
            Constrained::Table(at) => (true, &self.catalog.relations[at].name),
        }
    }
}

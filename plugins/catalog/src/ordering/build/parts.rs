//! Nodes of what belongs to tables and domains: indexes, constraints, triggers, rules, policies; and default privileges.

use super::{Builder, UNRECORDED};
use crate::model::{CatalogId, Constrained, ConstraintKind, RelationKind, class};
use crate::ordering::graph::Object;
use crate::selection::Components;

impl Builder<'_> {
    pub fn indexes(&mut self) {
        let catalog = self.catalog;
        for (at, index) in catalog.indexes.iter().enumerate() {
            let table = &catalog.relations[index.table];
            let id = CatalogId::new(class::RELATION, index.oid);
            let node = self.graph.add(
                Object::Index(at),
                id,
                Some(&table.schema),
                &index.name,
                table.dump,
            );
            self.indexes.push(node);
        }
        for (at, index) in catalog.indexes.iter().enumerate() {
            let table = &catalog.relations[index.table];
            let Some(parent) = index.parent_position.filter(|_| table.is_partition) else {
                continue;
            };
            let node = self.graph.add(
                Object::IndexAttach(at),
                UNRECORDED,
                Some(&table.schema),
                &index.name,
                table.dump,
            );
            // The tables, too, so that nothing else happens to them meanwhile.
            for dependency in [
                self.indexes[at],
                self.indexes[parent],
                self.relations[index.table],
                self.relations[catalog.indexes[parent].table],
            ] {
                self.graph.depend(node, dependency);
            }
            self.attached
                .entry(index.parent)
                .or_default()
                .push((node, index.oid));
        }
    }

    pub fn constraints(&mut self) {
        let catalog = self.catalog;
        for (at, constraint) in catalog.constraints.iter().enumerate() {
            let (whole, schema, dump) = match constraint.on {
                Constrained::Table(table) => {
                    let relation = &catalog.relations[table];
                    (Some(self.relations[table]), &relation.schema, relation.dump)
                }
                Constrained::Domain(domain) => {
                    let ty = &catalog.types[domain];
                    (
                        self.graph.find(CatalogId::new(class::TYPE, ty.oid)),
                        &ty.schema,
                        ty.dump,
                    )
                }
            };
            let is_key = constraint.kind == ConstraintKind::ForeignKey;
            let object = if is_key {
                Object::ForeignKey(at)
            } else {
                Object::Constraint(at)
            };
            let id = CatalogId::new(class::CONSTRAINT, constraint.oid);
            let node = self
                .graph
                .add(object, id, Some(schema), &constraint.name, dump);
            self.graph.nodes[node].separate = constraint.separate;
            self.graph.learn_constraint(constraint.on, node, at);
            if let Some(whole) = whole.filter(|_| !constraint.separate) {
                self.graph.depend(whole, node);
            }
            if let Some((referenced, index)) = constraint.references {
                self.depend_on_attached(node, index);
                let of = match constraint.on {
                    Constrained::Table(table) => Some(table),
                    Constrained::Domain(_) => None,
                };
                for table in of.into_iter().chain(catalog.relation_index(referenced)) {
                    self.depend_on_all_attached(node, table);
                }
            }
        }
    }

    /// A foreign key to a partitioned table needs its index whole.
    fn depend_on_attached(&mut self, key: usize, index: u32) {
        let mut parents = vec![index];
        while let Some(parent) = parents.pop() {
            for &(attach, child) in self.attached.get(&parent).into_iter().flatten() {
                self.graph.nodes[key].dependencies.push(attach);
                parents.push(child);
            }
        }
    }

    /// A new key is checked by reading both tables, which locks all of their indexes; to attach one takes it exclusively, and the two in
    /// parallel end in a deadlock. pg_dump leaves that to chance.
    fn depend_on_all_attached(&mut self, key: usize, table: usize) {
        let catalog = self.catalog;
        if catalog.relations[table].kind != RelationKind::PartitionedTable {
            return;
        }
        for index in catalog.indexes.iter().filter(|index| index.table == table) {
            self.depend_on_attached(key, index.oid);
        }
    }

    pub fn parts_of_tables(&mut self) {
        let catalog = self.catalog;
        for (at, trigger) in catalog.triggers.iter().enumerate() {
            let table = &catalog.relations[trigger.table];
            let id = CatalogId::new(class::TRIGGER, trigger.oid);
            self.graph.add(
                Object::Trigger(at),
                id,
                Some(&table.schema),
                &trigger.name,
                table.dump,
            );
        }
        for (at, rule) in catalog.rules.iter().enumerate() {
            let (table, id) = (
                &catalog.relations[rule.relation],
                CatalogId::new(class::REWRITE, rule.oid),
            );
            let node = self.graph.add(
                Object::Rule(at),
                id,
                Some(&table.schema),
                &rule.name,
                table.dump,
            );
            let relation = self.relations[rule.relation];
            self.graph.nodes[node].separate = !rule.is_view_query;
            // What a view's query depends on must come before the view.
            if rule.is_view_query {
                self.graph.depend(relation, node);
            } else {
                self.graph.depend(node, relation);
            }
        }
        for (at, table) in catalog.relations.iter().enumerate() {
            if table.row_security && table.kind.is_table() && table.dump.has(Components::DEFINITION)
            {
                let id = CatalogId::new(0, table.oid);
                self.graph.add(
                    Object::RowSecurity(at),
                    id,
                    Some(&table.schema),
                    &table.name,
                    table.dump,
                );
            }
        }
        for (at, policy) in catalog.policies.iter().enumerate() {
            let table = &catalog.relations[policy.table];
            let id = CatalogId::new(class::POLICY, policy.oid);
            self.graph.add(
                Object::Policy(at),
                id,
                Some(&table.schema),
                &policy.name,
                table.dump,
            );
        }
        for (at, default) in catalog.default_access.iter().enumerate() {
            let dump = if default.dump {
                Components::ALL
            } else {
                Components::NONE
            };
            let id = CatalogId::new(class::DEFAULT_ACL, default.oid);
            self.graph.add(
                Object::DefaultAccess(at),
                id,
                default.schema.as_deref(),
                &default.object_type,
                dump,
            );
        }
    }
}

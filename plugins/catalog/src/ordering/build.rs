//! Makes the graph: a node for every object, also for those that only lead to others, and the dependencies that the catalogs
//! do not record.

use std::collections::HashMap;

use super::graph::{Graph, Object};
use crate::model::{Catalog, CatalogId, Constrained, ConstraintKind, RelationKind, TypeKind, class};
use crate::selection::Components;

/// The catalog's graph, boundaries included.
pub fn build(catalog: &Catalog) -> Graph<'_> {
    let mut builder = Builder { catalog, graph: Graph::default(), relations: Vec::new(), indexes: Vec::new(), attached: HashMap::new() };
    builder.containers();
    builder.relations();
    builder.functions_and_types();
    builder.indexes();
    builder.constraints();
    builder.parts_of_tables();
    builder.data();
    builder.recorded();
    builder.boundaries();
    builder.graph
}

struct Builder<'a> {
    catalog: &'a Catalog,
    graph: Graph<'a>,
    /// Nodes of the relations, and of the indexes, in their order.
    relations: Vec<usize>,
    indexes: Vec<usize>,
    /// By partitioned index: what attaches the others to it, and those.
    attached: HashMap<u32, Vec<(usize, u32)>>,
}

const UNRECORDED: CatalogId = CatalogId { class: 0, oid: 0 };

impl<'a> Builder<'a> {
    fn containers(&mut self) {
        let catalog = self.catalog;
        for (at, extension) in catalog.extensions.iter().enumerate() {
            let id = CatalogId::new(class::EXTENSION, extension.oid);
            self.graph.add(Object::Extension(at), id, None, &extension.name, extension.dump);
        }
        for (at, namespace) in catalog.namespaces.iter().enumerate() {
            let id = CatalogId::new(class::NAMESPACE, namespace.oid);
            self.graph.add(Object::Namespace(at), id, None, &namespace.name, namespace.dump);
        }
        for (at, language) in catalog.languages.iter().enumerate() {
            let id = CatalogId::new(class::LANGUAGE, language.oid);
            self.graph.add(Object::Language(at), id, None, &language.name, language.dump);
        }
    }

    fn relations(&mut self) {
        let catalog = self.catalog;
        for (at, relation) in catalog.relations.iter().enumerate() {
            let node = self.graph.add(Object::Relation(at), relation.id(), Some(&relation.schema), &relation.name, relation.dump);
            self.relations.push(node);
        }
        for (at, relation) in catalog.relations.iter().enumerate() {
            let (table, schema, dump) = (self.relations[at], Some(&*relation.schema), relation.dump);
            if !dump.has(Components::DEFINITION) {
                continue;
            }
            if relation.is_partition {
                let attach = self.graph.add(Object::TableAttach(at), UNRECORDED, schema, &relation.name, dump);
                self.graph.depend(attach, table);
                self.graph.depend(attach, self.relations[relation.parents[0]]);
            }
            for (column, default) in relation.columns.iter().enumerate().filter_map(|(n, c)| Some((n, c.default.as_ref()?))) {
                let id = if default.oid == 0 { UNRECORDED } else { CatalogId::new(class::ATTRDEF, default.oid) };
                let node = self.graph.add(Object::Default(at, column), id, schema, &relation.name, dump);
                self.graph.nodes[node].separate = default.separate;
                self.graph.learn_default(at, column, node);
                if !default.separate {
                    self.graph.depend(table, node);
                } else if default.oid == 0 {
                    self.graph.depend(node, table);
                }
            }
        }
    }

    fn functions_and_types(&mut self) {
        let catalog = self.catalog;
        for (at, function) in catalog.functions.iter().enumerate() {
            let object = if function.kind == 'a' { Object::Aggregate(at) } else { Object::Function(at) };
            let id = CatalogId::new(class::PROC, function.oid);
            self.graph.add(object, id, Some(&function.schema), &function.name, function.dump);
        }
        for (at, ty) in catalog.types.iter().enumerate() {
            let id = CatalogId::new(class::TYPE, ty.oid);
            if id.is_builtin() && ty.access.acl.is_none() {
                continue;
            }
            let object = if matches!(ty.kind, TypeKind::Automatic) { Object::AutomaticType(at) } else { Object::Type(at) };
            self.graph.add(object, id, Some(&ty.schema), &ty.name, ty.dump);
            if matches!(ty.kind, TypeKind::Range(_)) {
                // Dumped only if a loop needs it.
                self.graph.add(Object::ShellType(at), UNRECORDED, Some(&ty.schema), &ty.name, Components::NONE);
            }
        }
    }

    fn indexes(&mut self) {
        let catalog = self.catalog;
        for (at, index) in catalog.indexes.iter().enumerate() {
            let table = &catalog.relations[index.table];
            let id = CatalogId::new(class::RELATION, index.oid);
            let node = self.graph.add(Object::Index(at), id, Some(&table.schema), &index.name, table.dump);
            self.indexes.push(node);
        }
        for (at, index) in catalog.indexes.iter().enumerate() {
            let table = &catalog.relations[index.table];
            let Some(parent) = index.parent_position.filter(|_| table.is_partition) else { continue };
            let node = self.graph.add(Object::IndexAttach(at), UNRECORDED, Some(&table.schema), &index.name, table.dump);
            // The tables, too, so that nothing else happens to them meanwhile.
            for dependency in [
                self.indexes[at],
                self.indexes[parent],
                self.relations[index.table],
                self.relations[catalog.indexes[parent].table],
            ] {
                self.graph.depend(node, dependency);
            }
            self.attached.entry(index.parent).or_default().push((node, index.oid));
        }
    }

    fn constraints(&mut self) {
        let catalog = self.catalog;
        for (at, constraint) in catalog.constraints.iter().enumerate() {
            let (whole, schema, dump) = match constraint.on {
                Constrained::Table(table) => {
                    let relation = &catalog.relations[table];
                    (Some(self.relations[table]), &relation.schema, relation.dump)
                }
                Constrained::Domain(domain) => {
                    let ty = &catalog.types[domain];
                    (self.graph.find(CatalogId::new(class::TYPE, ty.oid)), &ty.schema, ty.dump)
                }
            };
            let is_key = constraint.kind == ConstraintKind::ForeignKey;
            let object = if is_key { Object::ForeignKey(at) } else { Object::Constraint(at) };
            let id = CatalogId::new(class::CONSTRAINT, constraint.oid);
            let node = self.graph.add(object, id, Some(schema), &constraint.name, dump);
            self.graph.nodes[node].separate = constraint.separate;
            self.graph.learn_constraint(constraint.on, node, at);
            if let Some(whole) = whole.filter(|_| !constraint.separate) {
                self.graph.depend(whole, node);
            }
            if let Some((_, index)) = constraint.references {
                self.depend_on_attached(node, index);
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

    fn parts_of_tables(&mut self) {
        let catalog = self.catalog;
        for (at, trigger) in catalog.triggers.iter().enumerate() {
            let table = &catalog.relations[trigger.table];
            let id = CatalogId::new(class::TRIGGER, trigger.oid);
            self.graph.add(Object::Trigger(at), id, Some(&table.schema), &trigger.name, table.dump);
        }
        for (at, rule) in catalog.rules.iter().enumerate() {
            let (table, id) = (&catalog.relations[rule.relation], CatalogId::new(class::REWRITE, rule.oid));
            let node = self.graph.add(Object::Rule(at), id, Some(&table.schema), &rule.name, table.dump);
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
            if table.row_security && table.kind.is_table() && table.dump.has(Components::DEFINITION) {
                let id = CatalogId::new(0, table.oid);
                self.graph.add(Object::RowSecurity(at), id, Some(&table.schema), &table.name, table.dump);
            }
        }
        for (at, policy) in catalog.policies.iter().enumerate() {
            let table = &catalog.relations[policy.table];
            let id = CatalogId::new(class::POLICY, policy.oid);
            self.graph.add(Object::Policy(at), id, Some(&table.schema), &policy.name, table.dump);
        }
        for (at, default) in catalog.default_access.iter().enumerate() {
            let dump = if default.dump { Components::ALL } else { Components::NONE };
            let id = CatalogId::new(class::DEFAULT_ACL, default.oid);
            self.graph.add(Object::DefaultAccess(at), id, default.schema.as_deref(), &default.object_type, dump);
        }
    }

    fn data(&mut self) {
        let catalog = self.catalog;
        let mut by_relation = HashMap::new();
        for (at, relation) in catalog.relations.iter().enumerate().filter(|(_, relation)| relation.data.is_some()) {
            let object = match relation.kind {
                RelationKind::MaterializedView => Object::Refresh(at),
                RelationKind::Sequence => Object::SequenceSet(at),
                _ => Object::TableData(at),
            };
            let id = CatalogId::new(0, relation.oid);
            let node = self.graph.add(object, id, Some(&relation.schema), &relation.name, Components::ALL);
            self.graph.depend(node, self.relations[at]);
            by_relation.insert(relation.oid, node);
        }
        for (one, other) in catalog.refresh_order.iter().chain(&catalog.extension_foreign_keys) {
            if let Some((&one, &other)) = by_relation.get(one).zip(by_relation.get(other)) {
                self.graph.depend(one, other);
            }
        }
        for (at, object) in catalog.large_objects.iter().enumerate() {
            let id = CatalogId::new(class::LARGE_OBJECT, object.oid);
            self.graph.add(Object::LargeObject(at), id, None, &object.name, Components::ALL);
        }
        if !catalog.large_objects.is_empty() {
            self.graph.add(Object::LargeObjectData, UNRECORDED, None, "BLOBS", Components::ALL);
        }
    }

    /// What pg_depend says. Members of extensions depend on the extension alone: it makes them, in its own order.
    fn recorded(&mut self) {
        let catalog = self.catalog;
        let mut is_member = vec![false; self.graph.nodes.len()];
        for (member, extension) in &catalog.members {
            let Some(extension) = self.graph.find(CatalogId::new(class::EXTENSION, *extension)) else { continue };
            let node = self.graph.find(*member).unwrap_or_else(|| {
                is_member.push(true);
                self.graph.add(Object::Member, *member, None, "", Components::NONE)
            });
            is_member[node] = true;
            self.graph.depend(node, extension);
        }
        for dependency in &catalog.dependencies {
            let found = self.graph.find(dependency.dependent).zip(self.graph.find(dependency.referenced));
            let Some((node, referenced)) = found.filter(|&(node, _)| !is_member[node]) else { continue };
            if dependency.kind == 'x' && let Object::Extension(at) = self.graph.nodes[referenced].object {
                self.graph.nodes[node].extensions.push(&catalog.extensions[at].name);
            }
            // A composite type's columns belong to its pg_class row, which pg_depend has depend on the type.
            let reversed = dependency.kind == 'i'
                && matches!(self.graph.nodes[node].object, Object::Relation(_))
                && matches!(self.graph.nodes[referenced].object, Object::Type(_));
            if reversed {
                self.graph.depend(referenced, node);
            } else {
                self.graph.depend(node, referenced);
            }
        }
    }

    /// Keeps the sections apart.
    fn boundaries(&mut self) {
        let objects = self.graph.nodes.len();
        let pre_data = self.graph.add(Object::PreDataBoundary, UNRECORDED, None, "PRE-DATA BOUNDARY", Components::NONE);
        let post_data = self.graph.add(Object::PostDataBoundary, UNRECORDED, None, "POST-DATA BOUNDARY", Components::NONE);
        (self.graph.pre_data, self.graph.post_data) = (pre_data, post_data);
        self.graph.depend(post_data, pre_data);
        for node in 0..objects {
            match self.graph.nodes[node].object {
                Object::TableData(_) | Object::SequenceSet(_) | Object::LargeObjectData => {
                    self.graph.depend(node, pre_data);
                    self.graph.depend(post_data, node);
                }
                Object::Rule(_) | Object::Constraint(_) | Object::ForeignKey(_) => {
                    if self.graph.nodes[node].separate {
                        self.graph.depend(node, post_data);
                    }
                }
                Object::Index(_)
                | Object::IndexAttach(_)
                | Object::Trigger(_)
                | Object::Policy(_)
                | Object::RowSecurity(_)
                | Object::DefaultAccess(_)
                | Object::Refresh(_) => self.graph.depend(node, post_data),
                _ => self.graph.depend(pre_data, node),
            }
        }
    }
}

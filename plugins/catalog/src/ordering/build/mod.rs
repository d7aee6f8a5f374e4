//! Makes the graph: a node for every object, also for those that only lead to others, and the dependencies that the catalogs
//! do not record.

mod links;
mod parts;

use std::collections::HashMap;

use super::graph::{Graph, Object};
use crate::model::{Catalog, CatalogId, Header, Measured, RelationKind, TypeKind, class};
use crate::selection::Components;

/// The catalog's graph, boundaries included.
pub fn build(catalog: &Catalog) -> Graph<'_> {
    let mut builder = Builder {
        catalog,
        graph: Graph::default(),
        relations: Vec::new(),
        indexes: Vec::new(),
        attached: HashMap::new(),
        rows: HashMap::new(),
    };
    builder.containers();
    builder.relations();
    builder.functions_and_types();
    builder.others();
    builder.indexes();
    builder.constraints();
    builder.parts_of_tables();
    builder.data();
    builder.planner_statistics();
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
    /// By relation: the node of its rows, positions or refresh.
    rows: HashMap<u32, usize>,
}

const UNRECORDED: CatalogId = CatalogId { class: 0, oid: 0 };

impl<'a> Builder<'a> {
    fn containers(&mut self) {
        let catalog = self.catalog;
        for (at, extension) in catalog.extensions.iter().enumerate() {
            let id = CatalogId::new(class::EXTENSION, extension.oid);
            self.graph.add(
                Object::Extension(at),
                id,
                None,
                &extension.name,
                extension.dump,
            );
        }
        for (at, namespace) in catalog.namespaces.iter().enumerate() {
            let id = CatalogId::new(class::NAMESPACE, namespace.oid);
            self.graph.add(
                Object::Namespace(at),
                id,
                None,
                &namespace.name,
                namespace.dump,
            );
        }
    }

    /// What stands for itself, before the data and after it.
    fn others(&mut self) {
        let catalog = self.catalog;
        fn headers<'a, T>(
            objects: &'a [T],
            header: fn(&'a T) -> &'a Header,
        ) -> impl Iterator<Item = &'a Header> {
            objects.iter().map(header)
        }
        self.add_all(
            headers(&catalog.languages, |each| &each.header),
            Object::Language,
        );
        self.add_all(
            headers(&catalog.collations, |each| &each.header),
            Object::Collation,
        );
        self.add_all(
            headers(&catalog.transforms, |each| &each.header),
            Object::Transform,
        );
        self.add_all(headers(&catalog.casts, |each| &each.header), Object::Cast);
        self.add_all(
            headers(&catalog.access_methods, |each| &each.header),
            Object::AccessMethod,
        );
        self.add_all(
            headers(&catalog.operators, |each| &each.header),
            Object::Operator,
        );
        self.add_all(
            headers(&catalog.operator_families, |each| &each.header),
            Object::OperatorFamily,
        );
        self.add_all(
            headers(&catalog.operator_classes, |each| &each.header),
            Object::OperatorClass,
        );
        self.add_all(
            headers(&catalog.conversions, |each| &each.header),
            Object::Conversion,
        );
        self.add_all(
            headers(&catalog.parsers, |each| &each.header),
            Object::Parser,
        );
        self.add_all(
            headers(&catalog.templates, |each| &each.header),
            Object::Template,
        );
        self.add_all(
            headers(&catalog.dictionaries, |each| &each.header),
            Object::Dictionary,
        );
        self.add_all(
            headers(&catalog.text_search_configurations, |each| &each.header),
            Object::TextSearchConfiguration,
        );
        self.add_all(
            headers(&catalog.foreign_data_wrappers, |each| &each.header),
            Object::ForeignDataWrapper,
        );
        self.add_all(
            headers(&catalog.foreign_servers, |each| &each.header),
            Object::ForeignServer,
        );
        self.add_all(
            headers(&catalog.statistics, |each| &each.header),
            Object::ExtendedStatistics,
        );
        self.add_all(
            headers(&catalog.publications, |each| &each.header),
            Object::Publication,
        );
        self.add_all(
            headers(&catalog.published_tables, |each| &each.header),
            Object::PublishedTable,
        );
        self.add_all(
            headers(&catalog.published_schemas, |each| &each.header),
            Object::PublishedSchema,
        );
        self.add_all(
            headers(&catalog.subscriptions, |each| &each.header),
            Object::Subscription,
        );
        self.add_all(
            headers(&catalog.event_triggers, |each| &each.header),
            Object::EventTrigger,
        );
    }

    fn add_all(&mut self, headers: impl Iterator<Item = &'a Header>, object: fn(usize) -> Object) {
        for (at, header) in headers.enumerate() {
            let schema = header.schema.as_deref();
            self.graph
                .add(object(at), header.id, schema, &header.name, header.dump);
        }
    }

    fn relations(&mut self) {
        let catalog = self.catalog;
        for (at, relation) in catalog.relations.iter().enumerate() {
            let node = self.graph.add(
                Object::Relation(at),
                relation.id(),
                Some(&relation.schema),
                &relation.name,
                relation.dump,
            );
            self.relations.push(node);
        }
        for (at, relation) in catalog.relations.iter().enumerate() {
            let (table, schema, dump) =
                (self.relations[at], Some(&*relation.schema), relation.dump);
            if !dump.has(Components::DEFINITION) {
                continue;
            }
            if relation.is_partition {
                let attach = self.graph.add(
                    Object::TableAttach(at),
                    UNRECORDED,
                    schema,
                    &relation.name,
                    dump,
                );
                self.graph.depend(attach, table);
                self.graph
                    .depend(attach, self.relations[relation.parents[0]]);
            }
            for (column, default) in relation
                .columns
                .iter()
                .enumerate()
                .filter_map(|(n, c)| Some((n, c.default.as_ref()?)))
            {
                let id = if default.oid == 0 {
                    UNRECORDED
                } else {
                    CatalogId::new(class::ATTRDEF, default.oid)
                };
                let node = self.graph.add(
                    Object::Default(at, column),
                    id,
                    schema,
                    &relation.name,
                    dump,
                );
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
            let object = if function.kind == 'a' {
                Object::Aggregate(at)
            } else {
                Object::Function(at)
            };
            let id = CatalogId::new(class::PROC, function.oid);
            self.graph.add(
                object,
                id,
                Some(&function.schema),
                &function.name,
                function.dump,
            );
        }
        for (at, ty) in catalog.types.iter().enumerate() {
            let id = CatalogId::new(class::TYPE, ty.oid);
            if id.is_builtin() && ty.access.acl.is_none() {
                continue;
            }
            let object = if matches!(ty.kind, TypeKind::Automatic) {
                Object::AutomaticType(at)
            } else {
                Object::Type(at)
            };
            self.graph
                .add(object, id, Some(&ty.schema), &ty.name, ty.dump);
            if matches!(ty.kind, TypeKind::Range(_) | TypeKind::Base(_)) {
                // Dumped only if a loop needs it.
                self.graph.add(
                    Object::ShellType(at),
                    UNRECORDED,
                    Some(&ty.schema),
                    &ty.name,
                    Components::NONE,
                );
            }
        }
    }

    fn data(&mut self) {
        let catalog = self.catalog;
        for (at, relation) in catalog
            .relations
            .iter()
            .enumerate()
            .filter(|(_, relation)| relation.data.is_some())
        {
            let object = match relation.kind {
                RelationKind::MaterializedView => Object::Refresh(at),
                RelationKind::Sequence => Object::SequenceSet(at),
                _ => Object::TableData(at),
            };
            let id = CatalogId::new(0, relation.oid);
            let node = self.graph.add(
                object,
                id,
                Some(&relation.schema),
                &relation.name,
                Components::ALL,
            );
            self.graph.depend(node, self.relations[at]);
            self.rows.insert(relation.oid, node);
        }
        for (one, other) in catalog
            .refresh_order
            .iter()
            .chain(&catalog.extension_foreign_keys)
        {
            if let Some((&one, &other)) = self.rows.get(one).zip(self.rows.get(other)) {
                self.graph.depend(one, other);
            }
        }
        for (at, object) in catalog.large_objects.iter().enumerate() {
            let id = CatalogId::new(class::LARGE_OBJECT, object.oid);
            self.graph
                .add(Object::Blob(at), id, None, &object.name, Components::ALL);
        }
        if !catalog.large_objects.is_empty() {
            self.graph
                .add(Object::Blobs, UNRECORDED, None, "BLOBS", Components::ALL);
        }
    }

    fn planner_statistics(&mut self) {
        let catalog = self.catalog;
        for (at, statistics) in catalog.planner_statistics.iter().enumerate() {
            let object = Object::PlannerStatistics(at);
            match statistics.of {
                Measured::Relation(of) => {
                    let relation = &catalog.relations[of];
                    let (schema, name) = (Some(&*relation.schema), &relation.name);
                    let node = self
                        .graph
                        .add(object, UNRECORDED, schema, name, Components::ALL);
                    self.graph.depend(node, self.relations[of]);
                    // In parallel, rows that come after their statistics would take them away again: a parallel pg_restore empties each table
                    // first. pg_dump leaves that to chance, but for materialized views.
                    if let Some(&rows) = self.rows.get(&relation.oid) {
                        self.graph.depend(node, rows);
                    }
                }
                Measured::Index(of) => {
                    let index = &catalog.indexes[of];
                    let schema = Some(&*catalog.relations[index.table].schema);
                    let node =
                        self.graph
                            .add(object, UNRECORDED, schema, &index.name, Components::ALL);
                    self.graph.depend(node, self.indexes[of]);
                    if let Some(constraint) = index.constraint {
                        let oid = catalog.constraints[constraint].oid;
                        let id = CatalogId::new(class::CONSTRAINT, oid);
                        let constraint = self.graph.find(id);
                        self.graph.nodes[node].dependencies.extend(constraint);
                    }
                }
            }
        }
    }
}

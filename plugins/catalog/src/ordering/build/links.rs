//! Dependencies: those that pg_depend records, and the boundaries of the sections.

use super::{Builder, UNRECORDED};
use crate::model::{CatalogId, class};
use crate::ordering::graph::Object;
use crate::selection::Components;

impl Builder<'_> {
    /// What pg_depend says. Members of extensions depend on the extension, which makes them in its own order, and on their
    /// schema alone.
    pub fn recorded(&mut self) {
        let catalog = self.catalog;
        let mut is_member = vec![false; self.graph.nodes.len()];
        for (member, extension) in &catalog.members {
            let Some(extension) = self
                .graph
                .find(CatalogId::new(class::EXTENSION, *extension))
            else {
                continue;
            };
            let node = self.graph.find(*member).unwrap_or_else(|| {
                is_member.push(true);
                self.graph
                    .add(Object::Member, *member, None, "", Components::NONE)
            });
            is_member[node] = true;
            self.graph.depend(node, extension);
        }
        for dependency in &catalog.dependencies {
            let found = self
                .graph
                .find(dependency.dependent)
                .zip(self.graph.find(dependency.referenced));
            let Some((node, referenced)) = found else {
                continue;
            };
            if is_member[node]
                && !matches!(self.graph.nodes[referenced].object, Object::Namespace(_))
            {
                continue;
            }
            if dependency.kind == 'x'
                && let Object::Extension(at) = self.graph.nodes[referenced].object
            {
                self.graph.nodes[node]
                    .extensions
                    .push(&catalog.extensions[at].name);
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
    pub fn boundaries(&mut self) {
        let objects = self.graph.nodes.len();
        let pre_data = self.graph.add(
            Object::PreDataBoundary,
            UNRECORDED,
            None,
            "PRE-DATA BOUNDARY",
            Components::NONE,
        );
        let post_data = self.graph.add(
            Object::PostDataBoundary,
            UNRECORDED,
            None,
            "POST-DATA BOUNDARY",
            Components::NONE,
        );
        (self.graph.pre_data, self.graph.post_data) = (pre_data, post_data);
        self.graph.depend(post_data, pre_data);
        for node in 0..objects {
            match self.graph.nodes[node].object {
                Object::TableData(_) | Object::SequenceSet(_) | Object::Blobs => {
                    self.graph.depend(node, pre_data);
                    self.graph.depend(post_data, node);
                }
                Object::Rule(_) | Object::Constraint(_) | Object::ForeignKey(_) => {
                    if self.graph.nodes[node].separate {
                        self.graph.depend(node, post_data);
                    }
                }
                Object::PlannerStatistics(at)
                    if !self.catalog.planner_statistics[at]
                        .of
                        .comes_after_data(&self.catalog.relations) =>
                {
                    self.graph.depend(node, pre_data);
                    self.graph.depend(post_data, node);
                }
                Object::PlannerStatistics(_)
                | Object::Index(_)
                | Object::IndexAttach(_)
                | Object::Trigger(_)
                | Object::Policy(_)
                | Object::RowSecurity(_)
                | Object::ExtendedStatistics(_)
                | Object::Publication(_)
                | Object::PublishedTable(_)
                | Object::PublishedSchema(_)
                | Object::Subscription(_)
                | Object::DefaultAccess(_)
                | Object::EventTrigger(_)
                | Object::Refresh(_) => self.graph.depend(node, post_data),
                _ => self.graph.depend(pre_data, node),
            }
        }
    }
}

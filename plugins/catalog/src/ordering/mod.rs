//! The order of a dump: objects sorted by kind and name, then moved as little as possible so that everything comes after
//! what it depends on, with the loops that PostgreSQL allows taken apart (`pg_dump_sort.c`).

mod build;
mod comparison;
mod graph;
mod loops;
mod repairs;
mod topology;

pub use build::build;
pub use graph::{Graph, Node, Object};

use crate::model::Catalog;

/// Puts `graph` in order: the positions of its nodes. Loops that no rule takes apart are broken anywhere, with a warning.
pub fn sort(catalog: &Catalog, graph: &mut Graph<'_>, warnings: &mut Vec<String>) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..graph.nodes.len()).collect();
    comparison::sort(catalog, graph, &mut nodes);
    loop {
        match topology::sort(graph, &nodes) {
            Ok(sorted) => return sorted,
            Err(stuck) => loops::repair(catalog, graph, &stuck, warnings),
        }
    }
}

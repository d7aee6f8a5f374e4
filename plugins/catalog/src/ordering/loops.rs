//! Finds loops among the nodes that a topological sort could not place, and has each taken apart.

use super::graph::Graph;
use super::repairs;
use crate::model::Catalog;

/// Takes apart as many loops as do not touch: repairing one may repair another that overlaps it.
pub fn repair(
    catalog: &Catalog,
    graph: &mut Graph<'_>,
    stuck: &[usize],
    warnings: &mut Vec<String>,
) {
    let mut search = Search::new(graph.nodes.len());
    for &start in stuck {
        search.processed[start] |= match search.find(graph, start) {
            Some(found) => {
                repairs::apply(catalog, graph, &found, warnings);
                for node in found {
                    search.processed[node] = true;
                }
                true
            }
            None => true,
        };
    }
}

/// A depth-first search for a way from a node back to itself, without recursion: a chain of dependencies can be long.
struct Search {
    /// In a loop that was found already, or in none.
    processed: Vec<bool>,
    /// The start (+ 1) that has no way back from here.
    failed: Vec<usize>,
    on_path: Vec<bool>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Self {
            processed: vec![false; nodes],
            failed: vec![0; nodes],
            on_path: vec![false; nodes],
        }
    }

    fn find(&mut self, graph: &Graph<'_>, start: usize) -> Option<Vec<usize>> {
        // Nodes on the way, each with the next of its dependencies to try.
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut candidate = Some(start);
        let found = loop {
            if let Some(node) = candidate.take()
                && !self.processed[node]
                && self.failed[node] != start + 1
                && !self.on_path[node]
            {
                path.push((node, 0));
                self.on_path[node] = true;
                if graph.nodes[node].dependencies.contains(&start) {
                    break Some(path.iter().map(|&(node, _)| node).collect());
                }
            }
            let Some((node, next)) = path.last_mut() else {
                break None;
            };
            if let Some(&dependency) = graph.nodes[*node].dependencies.get(*next) {
                *next += 1;
                candidate = Some(dependency);
            } else {
                self.failed[*node] = start + 1;
                self.on_path[*node] = false;
                path.pop();
            }
        };
        for (node, _) in path {
            self.on_path[node] = false;
        }
        found
    }
}

//! A topological sort that moves as little as possible (Knuth's, with a heap in place of his queue).

use std::collections::BinaryHeap;

use super::graph::Graph;

/// `order`, with every node after its dependencies. Works from the end: the last node that nothing else waits for comes
/// last. Fails with the nodes that are in a loop or lead to one, in the order of the graph.
pub fn sort(graph: &Graph<'_>, order: &[usize]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waiting = vec![0_usize; graph.nodes.len()];
    let mut rank = vec![0_usize; graph.nodes.len()];
    for (at, &node) in order.iter().enumerate() {
        rank[node] = at;
        for &dependency in &graph.nodes[node].dependencies {
            waiting[dependency] += 1;
        }
    }
    let mut ready: BinaryHeap<usize> = (0..order.len())
        .filter(|&at| waiting[order[at]] == 0)
        .collect();
    let mut sorted = Vec::with_capacity(order.len());
    while let Some(at) = ready.pop() {
        let node = order[at];
        sorted.push(node);
        for &dependency in &graph.nodes[node].dependencies {
            waiting[dependency] -= 1;
            if waiting[dependency] == 0 {
                ready.push(rank[dependency]);
            }
        }
    }
    if sorted.len() < order.len() {
        return Err((0..graph.nodes.len())
            .filter(|&node| waiting[node] > 0)
            .collect());
    }
    sorted.reverse();
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::CatalogId;
    use crate::ordering::graph::Object;
    use crate::selection::Components;

    fn graph(edges: &[(usize, usize)], nodes: usize) -> Graph<'static> {
        let mut graph = Graph::default();
        for _ in 0..nodes {
            graph.add(
                Object::Member,
                CatalogId::default(),
                None,
                "",
                Components::NONE,
            );
        }
        for &(node, dependency) in edges {
            graph.depend(node, dependency);
        }
        graph
    }

    #[test]
    fn only_what_must_move_moves() {
        assert_eq!(
            sort(&graph(&[(1, 3)], 5), &[0, 1, 2, 3, 4]),
            Ok(vec![0, 3, 1, 2, 4])
        );
    }

    #[test]
    fn a_loop_is_reported() {
        assert_eq!(
            sort(&graph(&[(0, 1), (1, 0), (2, 0)], 3), &[0, 1, 2]),
            Err(vec![0, 1])
        );
    }

    proptest! {
        #[test]
        fn dependencies_come_first(edges in proptest::collection::vec((0_usize..30, 0_usize..30), 0..80)) {
            let edges: Vec<_> = edges.into_iter().filter(|(node, dependency)| node > dependency).collect();
            let order: Vec<usize> = (0..30).rev().collect();
            let sorted = sort(&graph(&edges, 30), &order).unwrap();
            let rank = |node| sorted.iter().position(|&other| other == node).unwrap();
            for (node, dependency) in edges {
                prop_assert!(rank(dependency) < rank(node));
            }
        }
    }
}

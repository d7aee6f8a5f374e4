//! How each kind of loop is taken apart: by forgetting a dependency that the rendered SQL does not have, or by moving a part
//! of an object into an entry of its own (`repairDependencyLoop` in `pg_dump_sort.c`).

use super::graph::{Graph, Object};
use crate::model::{Catalog, Constrained, ConstraintKind, RelationKind};
use crate::selection::Components;

/// Takes the loop apart; each of its nodes depends on the next, the last on the first.
pub fn apply(
    catalog: &Catalog,
    graph: &mut Graph<'_>,
    nodes: &[usize],
    warnings: &mut Vec<String>,
) {
    let repaired = match *nodes {
        [node] => alone(graph, node),
        [one, other] => pair(catalog, graph, one, other) || pair(catalog, graph, other, one),
        _ => many(catalog, graph, nodes),
    };
    if !repaired {
        let names: Vec<String> = nodes.iter().map(|&node| describe(graph, node)).collect();
        warnings.push(format!(
            "no rule takes apart the dependency loop of {}: it was broken anywhere",
            names.join(", ")
        ));
        graph.release(nodes[0], nodes[1 % nodes.len()]);
    }
}

fn describe(graph: &Graph<'_>, node: usize) -> String {
    let node = &graph.nodes[node];
    format!(
        "{:?} {}.{}",
        node.object,
        node.schema.unwrap_or_default(),
        node.name
    )
}

/// A column that depends on another of the same table.
fn alone(graph: &mut Graph<'_>, node: usize) -> bool {
    let is_table = matches!(graph.nodes[node].object, Object::Relation(_));
    if is_table {
        graph.release(node, node);
    }
    is_table
}

/// What CREATE makes in one statement needs no order within.
fn pair(catalog: &Catalog, graph: &mut Graph<'_>, whole: usize, part: usize) -> bool {
    match (graph.nodes[whole].object, graph.nodes[part].object) {
        (Object::Type(ty), Object::Function(_)) => {
            graph.release(part, whole);
            let dump = graph.nodes[part].dump;
            let shell = graph
                .nodes
                .iter()
                .position(|node| node.object == Object::ShellType(ty));
            if let Some(shell) = shell {
                graph.depend(part, shell);
                if dump.any() {
                    graph.nodes[shell].dump = dump.or(Components::DEFINITION);
                }
            }
            true
        }
        (Object::Index(parent), Object::Index(child))
            if catalog.indexes[child].parent == catalog.indexes[parent].oid =>
        {
            graph.release(whole, part);
            true
        }
        _ if is_part(catalog, graph, whole, part) => {
            graph.release(part, whole);
            true
        }
        _ => false,
    }
}

/// `part` is printed with `whole`: the query of a view, a default or CHECK of a table, a constraint of a domain.
fn is_part(catalog: &Catalog, graph: &Graph<'_>, whole: usize, part: usize) -> bool {
    match (graph.nodes[whole].object, graph.nodes[part].object) {
        (Object::Relation(view), Object::Rule(rule)) => {
            catalog.rules[rule].is_view_query && catalog.rules[rule].relation == view
        }
        (Object::Relation(table), Object::Constraint(constraint)) => {
            let constraint = &catalog.constraints[constraint];
            constraint.kind == ConstraintKind::Check && constraint.on == Constrained::Table(table)
        }
        (Object::Relation(table), Object::Default(of, _)) => table == of,
        (Object::Type(ty), Object::Constraint(constraint)) => {
            catalog.constraints[constraint].on == Constrained::Domain(ty)
        }
        _ => false,
    }
}

/// A longer loop: a part gets an entry of its own after the whole, or something waits until after the data.
fn many(catalog: &Catalog, graph: &mut Graph<'_>, nodes: &[usize]) -> bool {
    let is_view = |whole: usize| matches!(graph.nodes[whole].object, Object::Relation(at) if catalog.relations[at].kind == RelationKind::View);
    let pairs = || {
        nodes
            .iter()
            .flat_map(|&whole| nodes.iter().map(move |&part| (whole, part)))
    };
    let part_of = |wanted: fn(Object) -> bool, whole_too: &dyn Fn(usize) -> bool| {
        pairs().find(|&(whole, part)| {
            wanted(graph.nodes[part].object)
                && whole_too(whole)
                && is_part(catalog, graph, whole, part)
        })
    };

    if let Some((view, rule)) = part_of(|part| matches!(part, Object::Rule(_)), &is_view) {
        graph.nodes[view].postponed = true;
        separate(graph, view, rule, true);
        return true;
    }
    if let Some((boundary, next)) = crossing(catalog, graph, nodes) {
        graph.release(boundary, next);
        let moves = match graph.nodes[next].object {
            Object::Function(_) => true,
            Object::Relation(at) => catalog.relations[at].kind == RelationKind::MaterializedView,
            _ => false,
        };
        graph.nodes[next].postponed |= moves;
        return true;
    }
    let of_table = |whole: usize| matches!(graph.nodes[whole].object, Object::Relation(_));
    if let Some((table, check)) = part_of(|part| matches!(part, Object::Constraint(_)), &of_table) {
        separate(graph, table, check, true);
        return true;
    }
    if let Some((table, default)) = part_of(|part| matches!(part, Object::Default(..)), &of_table) {
        separate(graph, table, default, false);
        return true;
    }
    if let Some((domain, check)) = part_of(|part| matches!(part, Object::Constraint(_)), &|_| true)
    {
        separate(graph, domain, check, true);
        return true;
    }
    false
}

/// Where a loop with a materialized view or a function in it crosses the boundary before the data: the boundary, and what it
/// waits for.
fn crossing(catalog: &Catalog, graph: &Graph<'_>, nodes: &[usize]) -> Option<(usize, usize)> {
    let movable = |&node: &usize| match graph.nodes[node].object {
        Object::Relation(at) => catalog.relations[at].kind == RelationKind::MaterializedView,
        object => matches!(object, Object::Function(_)),
    };
    nodes.iter().find(|node| movable(node))?;
    let at = nodes.iter().position(|&node| node == graph.pre_data)?;
    Some((nodes[at], nodes[(at + 1) % nodes.len()]))
}

/// Gives `part` an entry of its own after `whole`, and after the data where it must be.
fn separate(graph: &mut Graph<'_>, whole: usize, part: usize, after_data: bool) {
    graph.release(whole, part);
    graph.nodes[part].separate = true;
    graph.depend(part, whole);
    if after_data {
        let boundary = graph.post_data;
        graph.depend(part, boundary);
    }
}

//! Who depends on whom, as far as a restore can bring it back: pg_dump can break a loop only where a part of an object can be made later
//! (a view's query, a column's default, a CHECK).

use std::collections::{BTreeMap, BTreeSet};

/// An object that others depend on; the index of it among its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A relation, and its row type.
    Relation(usize),
    /// A type that is no row type of a relation.
    Type(usize),
    /// A function.
    Function(usize),
}

/// What one object needs another for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It cannot be made without.
    Hard,
    /// A column's default, which pg_dump can make later, but before the data.
    Default,
    /// A view's query or a CHECK, which pg_dump can make at the very end.
    Soft,
    /// It is executed, or read, when the first one is.
    Calls,
}

/// All links, and what must hold of them.
#[derive(Clone, Debug, Default)]
pub struct Links {
    forth: BTreeMap<Node, Vec<(Node, Link)>>,
    back: BTreeMap<Node, Vec<(Node, Link)>>,
    /// What needs a key: it is made after the data.
    keyed: BTreeSet<Node>,
    matviews: BTreeSet<Node>,
}

impl Links {
    /// The relation is a materialized view: such ones and functions can be made after the data.
    pub fn set_matview(&mut self, node: Node) {
        self.matviews.insert(node);
    }

    /// The object needs a key, so it can only be made after the data.
    pub fn set_keyed(&mut self, node: Node) {
        self.keyed.insert(node);
    }

    /// Adds a link that is allowed.
    pub fn add(&mut self, from: Node, to: Node, link: Link) {
        self.forth.entry(from).or_default().push((to, link));
        self.back.entry(to).or_default().push((from, link));
    }

    /// Whether the object is made after the data.
    pub fn is_late(&self, node: Node) -> bool {
        !self
            .keyed
            .is_disjoint(&closure(&self.forth, node, Link::Hard))
    }

    /// Whether executing it reads or calls no other object but functions.
    pub fn is_pure(&self, node: Node) -> bool {
        self.called(node)
            .iter()
            .all(|called| matches!(called, Node::Function(_)))
    }

    /// All that it executes and reads, itself included.
    pub fn called(&self, node: Node) -> BTreeSet<Node> {
        closure(&self.forth, node, Link::Calls)
    }

    /// Whether all stays restorable with this link.
    pub fn allows(&self, from: Node, to: Node, link: Link) -> bool {
        match link {
            Link::Hard => {
                let needed = closure(&self.forth, to, Link::Hard);
                !needed.contains(&from)
                    && (!self.is_late(to)
                        || self.may_be_late(from) && !self.is_after_matview(from, &needed))
            }
            Link::Default => !self.is_late(to),
            Link::Soft => true,
            Link::Calls => {
                let callers = closure(&self.back, from, Link::Calls);
                let called = self.called(to);
                let early = matches!(from, Node::Function(_)) && !self.is_late(from);
                let is_circle = called.contains(&from);
                let is_too_late = early && called.iter().any(|called| self.is_late(*called));
                !is_circle && !is_too_late && !self.is_hidden_refresh(&callers, &called)
            }
        }
    }

    /// Whether the object and all that needs it can be made after the data.
    pub fn may_be_late(&self, node: Node) -> bool {
        closure(&self.back, node, Link::Hard).iter().all(|node| {
            (matches!(node, Node::Function(_)) || self.matviews.contains(node))
                && self.back.get(node).is_none_or(|links| {
                    links.iter().all(|(by, link)| match link {
                        Link::Default => false,
                        Link::Calls => !matches!(by, Node::Function(_)),
                        Link::Hard | Link::Soft => true,
                    })
                })
        })
    }

    /// pg_dump moves a function after the data for the sake of a key, but not for that of a materialized view that it moved there.
    fn is_after_matview(&self, from: Node, needed: &BTreeSet<Node>) -> bool {
        let needing = closure(&self.back, from, Link::Hard);
        needing.iter().any(|node| matches!(node, Node::Function(_)))
            && !(self.matviews.is_disjoint(&needing) && self.matviews.is_disjoint(needed))
    }

    /// pg_dump refreshes materialized views in the order of what their queries read; what functions read it does not see.
    fn is_hidden_refresh(&self, callers: &BTreeSet<Node>, called: &BTreeSet<Node>) -> bool {
        let is_function = |node: &&Node| matches!(node, Node::Function(_));
        if self.matviews.is_disjoint(callers) || self.matviews.is_disjoint(called) {
            return false;
        }
        callers.iter().any(|node| is_function(&node))
            || called
                .iter()
                .filter(is_function)
                .any(|function| !self.matviews.is_disjoint(&self.called(*function)))
    }
}

fn closure(links: &BTreeMap<Node, Vec<(Node, Link)>>, start: Node, along: Link) -> BTreeSet<Node> {
    let mut found = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for (next, link) in links.get(&node).into_iter().flatten() {
            if *link == along && found.insert(*next) {
                open.push(*next);
            }
        }
    }
    found
}

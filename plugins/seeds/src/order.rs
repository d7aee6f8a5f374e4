//! Parents before children.

/// A table of a set, and where its rows refer to: places in the same list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its foreign keys to tables of the list.
    pub references: Vec<Reference>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it is called.
    pub name: String,
    /// The place of the table that it leads to.
    pub to: usize,
    /// Its columns may be NULL, until there is what they refer to.
    pub nullable: bool,
}

/// A table to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In the list that was given.
    pub at: usize,
    /// Names of references to rows that are written later: they are left out first, and written when all tables have their rows.
    pub later: Vec<String>,
}

/// The order in which tables are written: as they are listed, but parents first. Where references go in a circle, one of it is left for later, as
/// are references of a table to itself.
pub fn order(nodes: &[Node]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut left: Vec<usize> = (0..nodes.len()).collect();
    while !left.is_empty() {
        let waits = |at: usize, other: &usize| *other != at && left.contains(other);
        let is_free = |at: &usize| {
            let mut references = nodes[*at].references.iter();
            !references.any(|reference| waits(*at, &reference.to))
        };
        // In a circle, the one that can do without what it waits for, and waits for the least; of those the one that is listed first.
        let next = left.iter().copied().find(is_free).or_else(|| {
            left.iter().copied().min_by_key(|at| {
                let references = nodes[*at].references.iter();
                let waiting = references.filter(|reference| waits(*at, &reference.to));
                waiting.fold((0, 0), |(needed, all), reference| {
                    (needed + usize::from(!reference.nullable), all + 1)
                })
            })
        });
        let Some(at) = next else { break };
        let later = nodes[at]
            .references
            .iter()
            .filter(|reference| left.contains(&reference.to))
            .map(|reference| reference.name.clone())
            .collect();
        left.retain(|other| *other != at);
        places.push(Place { at, later });
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// References that may be NULL, but those to a place of 10 and more: to that less 10.
    fn ordered(references: &[&[usize]]) -> Vec<(usize, Vec<String>)> {
        let node = |targets: &&[usize]| Node {
            references: targets
                .iter()
                .map(|target| Reference {
                    name: format!("to{}", target % 10),
                    to: target % 10,
                    nullable: *target < 10,
                })
                .collect(),
        };
        let nodes: Vec<Node> = references.iter().map(node).collect();
        let places = order(&nodes).into_iter();
        places.map(|place| (place.at, place.later)).collect()
    }

    #[test]
    fn parents_come_first_and_the_rest_stays() {
        let plain = |at| (at, Vec::new());
        assert_eq!(
            ordered(&[&[2], &[0], &[], &[]]),
            [plain(2), plain(0), plain(1), plain(3)]
        );
    }

    #[test]
    fn circles_leave_a_reference_for_later() {
        assert_eq!(
            ordered(&[&[1], &[0, 2], &[]]),
            [(2, vec![]), (0, vec!["to1".to_owned()]), (1, vec![])]
        );
        // What cannot be NULL waits: the other one is written first.
        assert_eq!(ordered(&[&[11], &[0]])[0], (1, vec!["to0".to_owned()]));
        assert_eq!(ordered(&[&[0]]), [(0, vec!["to0".to_owned()])]);
    }
}

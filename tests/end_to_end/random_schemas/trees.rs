//! Tables that have their columns from elsewhere: by inheritance, as partitions, of a type, like another table.

use super::choices::Choices;
use super::database::{Database, Use};
use super::links::Node;
use super::names::{identifier, name};
use super::objects::{Column, Name, Relation, RelationKind};
use super::types::{TypeKind, TypeUse};

impl Database {
    /// `CREATE TABLE … INHERITS`, from one table or two, with columns of its own and repeated ones.
    pub fn create_child(&mut self, choices: &mut Choices, key: u16) {
        let fits = |table: &Relation| {
            table.kind == RelationKind::Table && !table.whole_row && !table.typed
                // Computed columns and identities would have to be the same.
                && !table.live().any(|(_, column)| column.generated)
        };
        let Some(first) = self.any_table(choices, |_, table| fits(table)) else {
            return;
        };
        let mut parents = vec![first];
        if choices.chance(40) {
            let second = self.any_table(choices, |at, table| {
                at != first
                    && fits(table)
                    && !self.family(first).contains(&at)
                    && !self.family(at).contains(&first)
            });
            parents.extend(second);
        }
        let node = Node::Relation(self.relations.len());
        let own_name = self.new_name(choices, "ch", key);
        let mut relation = Relation::new(key, own_name, RelationKind::Table);
        for parent in &parents {
            for (_, column) in self.relations[*parent].live() {
                match relation
                    .columns
                    .iter_mut()
                    .find(|other| other.name == column.name)
                {
                    // Two parents' defaults may differ.
                    Some(other) if other.default || column.default => return,
                    Some(other) => other.not_null |= column.not_null,
                    None => {
                        let mut column = column.clone();
                        column.refers_to = None;
                        relation.columns.push(column);
                    }
                }
            }
        }
        for column in relation.columns.clone() {
            self.link_type(node, column.ty, Use::Generated);
        }
        for parent in &parents {
            self.links
                .add(node, Node::Relation(*parent), super::links::Link::Hard);
        }
        let mut list = Vec::new();
        if choices.chance(40) {
            list.push(format!("id bigint DEFAULT {key}"));
            relation.columns[0].default = true;
        }
        if choices.chance(60)
            && let Some(ty) =
                self.any_type(choices, |ty| self.admits_type(node, ty, Use::Generated))
        {
            self.link_type(node, ty, Use::Generated);
            let column = Column::new(name(choices, "o", key), ty);
            list.push(format!(
                "{} {}",
                identifier(&column.name),
                self.type_sql(ty)
            ));
            relation.columns.push(column);
        }
        let of: Vec<String> = parents
            .iter()
            .map(|parent| self.relation(*parent))
            .collect();
        self.say(&format!(
            "CREATE TABLE {} ({}) INHERITS ({})",
            self.sql(&relation.name),
            list.join(", "),
            of.join(", ")
        ));
        // A column that a parent got after that would come before those of its own when restored.
        let has_own = list.iter().any(|column| !column.starts_with("id "));
        for parent in parents.iter().filter(|_| has_own || parents.len() > 1) {
            self.relations[*parent].fixed = true;
        }
        relation.parents.clone_from(&parents);
        let at = self.add_relation(relation);
        for parent in parents {
            self.relations[parent].children.push(at);
        }
    }

    /// A partitioned table and its partitions: some made as such, some attached with another order of columns.
    // Not by the hash of an enum: its values' hashes differ after a restore.
    pub fn create_partitioned(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Relation(self.relations.len());
        let own_name = self.new_name(choices, "pt", key);
        let mut relation = Relation::new(key, own_name, RelationKind::Partitioned);
        let list = self.new_columns(choices, node, key, &mut relation);
        let (how, bounds): (_, &[&str]) = choices.pick(&[
            (
                "RANGE (id)",
                &[
                    "FROM (MINVALUE) TO (5)",
                    "FROM (5) TO (40)",
                    "FROM (40) TO (MAXVALUE)",
                ] as &[&str],
            ),
            (
                "HASH (id)",
                &[
                    "WITH (modulus 2, remainder 0)",
                    "WITH (modulus 4, remainder 1)",
                    "WITH (modulus 4, remainder 3)",
                ],
            ),
            ("LIST (id)", &["IN (1, 3, 5)", "IN (2, 4, NULL)", "DEFAULT"]),
            ("RANGE (id)", &["FROM (1) TO (20)", "DEFAULT"]),
        ]);
        let table = self.sql(&relation.name);
        self.say(&format!(
            "CREATE TABLE {table} ({}) PARTITION BY {how}",
            list.join(", ")
        ));
        for (number, bound) in bounds.iter().enumerate() {
            let part = Name {
                schema: self.any_schema(choices),
                local: name(choices, &format!("part{number}_"), key),
            };
            let part_sql = self.sql(&part);
            let bound = if *bound == "DEFAULT" {
                (*bound).to_owned()
            } else {
                format!("FOR VALUES {bound}")
            };
            match choices.below(4) {
                1 => {
                    let mut own = list.clone();
                    own.reverse();
                    if choices.chance(50) {
                        own.insert(0, "dropped integer".to_owned());
                    }
                    self.say(&format!("CREATE TABLE {part_sql} ({})", own.join(", ")));
                    if own.len() > list.len() {
                        self.say(&format!("ALTER TABLE {part_sql} DROP COLUMN dropped"));
                    }
                    self.say(&format!(
                        "ALTER TABLE {table} ATTACH PARTITION {part_sql} {bound}"
                    ));
                }
                2 => {
                    self.say(&format!("CREATE TABLE {part_sql} PARTITION OF {table} {bound} PARTITION BY HASH (id)"));
                    for remainder in 0..2 {
                        let leaf = Name {
                            schema: self.any_schema(choices),
                            local: name(choices, &format!("leaf{number}{remainder}_"), key),
                        };
                        let leaf_sql = self.sql(&leaf);
                        self.say(&format!(
                            "CREATE TABLE {leaf_sql} PARTITION OF {part_sql} FOR VALUES WITH (modulus 2, remainder {remainder})"
                        ));
                        relation.partitions.push(leaf);
                    }
                }
                _ => {
                    let check = if choices.chance(30) {
                        format!(" (CONSTRAINT \"Own {key}\" CHECK (id IS NOT NULL))")
                    } else {
                        String::new()
                    };
                    self.say(&format!(
                        "CREATE TABLE {part_sql} PARTITION OF {table}{check} {bound}"
                    ));
                }
            }
            relation.partitions.push(part);
        }
        self.add_relation(relation);
    }

    /// `CREATE TABLE … OF` a composite type.
    pub fn create_typed_table(&mut self, choices: &mut Choices, key: u16) {
        let node = Node::Relation(self.relations.len());
        let composites = self
            .types
            .iter()
            .enumerate()
            .filter_map(|(at, ty)| match &ty.kind {
                TypeKind::Composite(fields) => Some(((at, fields.clone()), ty.key)),
                _ => None,
            });
        let Some((at, fields)) = choices.of(composites) else {
            return;
        };
        let ty = TypeUse { at, array: false };
        self.link_type(node, ty, Use::Generated);
        let name = self.new_name(choices, "t", key);
        let mut relation = Relation::new(key, name, RelationKind::Table);
        relation.typed = true;
        relation.fixed = true;
        relation.columns = fields
            .into_iter()
            .map(|(name, ty)| Column::new(name, ty))
            .collect();
        self.say(&format!(
            "CREATE TABLE {} OF {}",
            self.sql(&relation.name),
            self.type_sql(ty)
        ));
        self.add_relation(relation);
    }

    /// `CREATE TABLE … (LIKE … INCLUDING ALL)`.
    pub fn create_like(&mut self, choices: &mut Choices, key: u16) {
        // From 18 on the copy's NOT NULL has the name of the other table's: which of them gets it, depends on their order.
        if self.version >= 18 {
            return;
        }
        let Some(of) = self.any_table(choices, |_, table| {
            !table.whole_row && table.kind == RelationKind::Table && !table.typed
        }) else {
            return;
        };
        let node = Node::Relation(self.relations.len());
        let name = Name {
            schema: self.any_schema(choices),
            local: name(choices, "t", key),
        };
        let mut relation = Relation::new(key, name, RelationKind::Table);
        relation.columns = self.relations[of]
            .columns
            .iter()
            .filter(|column| !column.dropped)
            .cloned()
            .collect();
        if relation.columns.iter().any(|column| column.generated) {
            return;
        }
        for column in &mut relation.columns {
            column.refers_to = None;
            column.default = false;
        }
        for column in &relation.columns {
            self.link_type(node, column.ty, Use::Generated);
        }
        self.say(&format!(
            "CREATE TABLE {} (LIKE {} INCLUDING STORAGE INCLUDING COMMENTS INCLUDING STATISTICS)",
            self.sql(&relation.name),
            self.relation(of)
        ));
        self.add_relation(relation);
    }
}

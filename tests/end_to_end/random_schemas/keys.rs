//! Keys, references, exclusions, indexes, and what leans on them.

use super::choices::Choices;
use super::database::{Database, Use};
use super::links::Node;
use super::names::{identifier, name};
use super::objects::{Column, RelationKind};
use super::types::{BIGINT, TypeUse};

impl Database {
    /// `PRIMARY KEY` or `UNIQUE`.
    pub fn add_key(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_table(choices, |_, table| {
            table.has_id() && (!table.keyed || table.unique.is_none())
        }) else {
            return;
        };
        let constraint = name(choices, "pk", key);
        let id = identifier(&self.relations[at].columns[0].name);
        let table = self.relation(at);
        let nulls = if self.version >= 15 && choices.chance(20) {
            " NULLS NOT DISTINCT"
        } else {
            ""
        };
        let include = self.include(choices, at);
        let constraint_sql = identifier(&constraint);
        if !self.relations[at].keyed && choices.chance(70) {
            self.relations[at].keyed = true;
            self.say(&format!(
                "ALTER TABLE {table} ADD CONSTRAINT {constraint_sql} PRIMARY KEY ({id}){include}"
            ));
        } else if self.relations[at].unique.is_none()
            && self.relations[at].kind == RelationKind::Table
        {
            let with = choices.pick(&["", "", " WITH (fillfactor=50)"]);
            self.say(&format!("ALTER TABLE {table} ADD CONSTRAINT {constraint_sql} UNIQUE{nulls} ({id}){include}{with}"));
            self.relations[at].unique = Some(constraint);
        }
    }

    fn include(&mut self, choices: &mut Choices, at: usize) -> String {
        let column = self.relations[at].any_column(choices, |column| {
            [BIGINT, super::types::TEXT].contains(&column.ty)
                && column.name != "id"
                && !column.generated
        });
        let Some(column) = column.filter(|_| choices.chance(15)) else {
            return String::new();
        };
        self.relations[at].columns[column].used = true;
        format!(
            " INCLUDE ({})",
            identifier(&self.relations[at].columns[column].name)
        )
    }

    /// `ADD FOREIGN KEY`, mostly in a column of its own; tables refer to each other in circles and to themselves.
    pub fn add_reference(&mut self, choices: &mut Choices, key: u16) {
        let Some(from) = self.any_table(choices, |_, table| {
            table.has_id() && !table.fixed && table.children.is_empty() && table.parents.is_empty()
        }) else {
            return;
        };
        let Some(to) = self.any_table(choices, |at, table| {
            table.keyed && (!table.unlogged || self.relations[from].unlogged || at == from)
        }) else {
            return;
        };
        let column = name(choices, "ref", key);
        let mut new = Column::new(column.clone(), BIGINT);
        new.refers_to = Some(to);
        new.used = true;
        self.relations[from].columns.push(new);
        let (from_sql, to_sql) = (self.relation(from), self.relation(to));
        self.say(&format!(
            "ALTER TABLE {from_sql} ADD COLUMN {} bigint",
            identifier(&column)
        ));
        let mut options = choices.pick(&["", " MATCH FULL", ""]).to_owned();
        options += choices.pick(&[
            "",
            " ON DELETE CASCADE",
            " ON DELETE SET NULL",
            " ON UPDATE CASCADE ON DELETE SET DEFAULT",
            " ON DELETE RESTRICT",
        ]);
        if self.version >= 15 && choices.chance(15) {
            options = format!(" ON DELETE SET NULL ({})", identifier(&column));
        }
        options += choices.pick(&["", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED", ""]);
        let partitioned = self.relations[from].kind == RelationKind::Partitioned;
        let any_partitioned = partitioned || self.relations[to].kind == RelationKind::Partitioned;
        if choices.chance(15) && (!any_partitioned) {
            options += " NOT VALID";
        } else if self.version >= 18 && choices.chance(10) && !any_partitioned {
            options += " NOT ENFORCED";
        }
        let id = identifier(&self.relations[to].columns[0].name);
        self.say(&format!(
            "ALTER TABLE {from_sql} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {to_sql} ({id}){options}",
            identifier(&name(choices, "fk", key)),
            identifier(&column)
        ));
    }

    /// `EXCLUDE`, by other words that the values of `id` differ.
    pub fn add_exclusion(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_table(choices, |_, table| {
            table.has_id() && table.kind == RelationKind::Table
        }) else {
            return;
        };
        let id = identifier(&self.relations[at].columns[0].name);
        let what = match choices.below(3) {
            0 => format!("btree ({id} WITH =)"),
            1 => format!("gist (int8range({id}, {id}, '[]'::text) WITH &&)"),
            _ => format!("hash ({id} WITH =)"),
        };
        let options = choices.pick(&["", " WHERE (true)", " DEFERRABLE INITIALLY DEFERRED"]);
        self.say(&format!(
            "ALTER TABLE {} ADD CONSTRAINT {} EXCLUDE USING {what}{options}",
            self.relation(at),
            identifier(&name(choices, "ex", key))
        ));
    }

    /// `CREATE INDEX`, on columns or on functions of them or of the row.
    pub fn create_index(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_relation(choices, |_, relation| {
            relation.is_table() || (relation.kind == RelationKind::Matview)
        }) else {
            return;
        };
        let node = Node::Relation(at);
        let index = identifier(&name(choices, "i", key));
        let alone = self.relations[at].kind == RelationKind::Table
            && self.family(at).len() == 1
            && self.relations[at].parents.is_empty();
        let row = TypeUse {
            at: self.relations[at].row,
            array: false,
        };
        let mut what = None;
        if alone && choices.chance(40) {
            let value = format!("{}.*", identifier(&self.relations[at].name.local));
            what = self.number_of(choices, node, Use::Late, &value, row);
            if what.is_some() {
                self.relations[at].whole_row = true;
                self.relations[at].row_used = true;
            }
        }
        let column = self.relations[at].any_column(choices, |column| !column.generated);
        if let Some(column) = column
            && what.is_none()
        {
            let Column { name, ty, .. } = self.relations[at].columns[column].clone();
            let value = identifier(&name);
            self.relations[at].columns[column].used = true;
            let call = if choices.chance(60) {
                self.number_of(choices, node, Use::Late, &value, ty)
            } else {
                None
            };
            // Labels that a value added to an enum later stands between would sort in another order.
            what = Some(call.unwrap_or_else(|| {
                if self.is_ordered(ty) && !ty.array {
                    format!(
                        "{value}{}",
                        choices.pick(&["", " DESC", " DESC NULLS LAST"])
                    )
                } else {
                    format!("({value} IS NULL)")
                }
            }));
        }
        let Some(what) = what else { return };
        let tail = choices.pick(&["", "", " WITH (fillfactor=60)", " WHERE (1 = 1)"]);
        self.say(&format!(
            "CREATE INDEX {index} ON {} ({what}){tail}",
            self.relation(at)
        ));
        if choices.chance(20)
            && what.contains('(')
            && self.relations[at].kind != RelationKind::Partitioned
            && !what.starts_with("(\"")
        {
            let schema = identifier(&self.schemas[self.relations[at].name.schema].local);
            self.say(&format!("COMMENT ON INDEX {schema}.{index} IS 'an index'"));
        } else if choices.chance(20)
            && self.relations[at].kind != RelationKind::Partitioned
            && !tail.contains("WHERE")
        {
            self.say(&format!(
                "ALTER TABLE {} CLUSTER ON {index}",
                self.relation(at)
            ));
        }
    }

    /// `REPLICA IDENTITY`.
    pub fn set_replica_identity(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) = self.any_table(choices, |_, table| table.kind == RelationKind::Table) else {
            return;
        };
        let mut how = choices.pick(&["FULL", "NOTHING"]).to_owned();
        if self.relations[at]
            .columns
            .first()
            .is_some_and(|column| column.not_null)
            && let Some(unique) = &self.relations[at].unique
        {
            how = format!("USING INDEX {}", identifier(unique));
        }
        self.say(&format!(
            "ALTER TABLE {} REPLICA IDENTITY {how}",
            self.relation(at)
        ));
    }

    /// `CREATE STATISTICS`.
    pub fn create_statistics(&mut self, choices: &mut Choices, key: u16) {
        let Some(at) = self.any_relation(choices, |_, relation| {
            relation.is_table() || relation.kind == RelationKind::Matview
        }) else {
            return;
        };
        let node = Node::Relation(at);
        let columns: Vec<usize> = self.relations[at]
            .live()
            .filter(|(_, column)| self.is_ordered(column.ty) && !column.generated)
            .map(|(at, _)| at)
            .take(3)
            .collect();
        let mut list: Vec<String> = columns
            .iter()
            .map(|column| identifier(&self.relations[at].columns[*column].name))
            .collect();
        for column in &columns {
            self.relations[at].columns[*column].used = true;
        }
        let first = columns
            .first()
            .copied()
            .filter(|_| self.version >= 14 && choices.chance(60));
        if let Some(first) = first {
            let Column { name, ty, .. } = self.relations[at].columns[first].clone();
            if let Some(call) = self.number_of(choices, node, Use::Late, &identifier(&name), ty) {
                list.push(format!("({call})"));
            }
        }
        if list.len() < 2 {
            return;
        }
        let kinds = choices.pick(&["", " (ndistinct)", " (dependencies, mcv)"]);
        let statistics = self.new_name(choices, "st", key);
        self.say(&format!(
            "CREATE STATISTICS {}{kinds} ON {} FROM {}",
            self.sql(&statistics),
            list.join(", "),
            self.relation(at)
        ));
    }
}

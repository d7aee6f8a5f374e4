//! Rows, and values of all types.

use super::choices::Choices;
use super::database::Database;
use super::names::{constant, identifier, text};
use super::objects::RelationKind;
use super::types::{BIGINT, TEXT, TypeKind, TypeUse};

impl Database {
    /// `INSERT`.
    pub fn insert(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) = self.any_table(choices, |_, _| true) else {
            return;
        };
        let columns: Vec<usize> = self.relations[at]
            .live()
            .filter(|(_, column)| !column.generated)
            .map(|(at, _)| at)
            .collect();
        if columns.is_empty() {
            return;
        }
        let mut rows = Vec::new();
        for _ in 0..=choices.below(6) {
            let mut id = None;
            let mut values = Vec::new();
            for column in &columns {
                let column = self.relations[at].columns[*column].clone();
                let value =
                    if column.name == "id" && column.ty == BIGINT && self.relations[at].has_id() {
                        let new = self.new_id();
                        id = Some(new);
                        new.to_string()
                    } else if let Some(to) = column.refers_to {
                        let ids = &self.relations[to].ids;
                        if ids.is_empty() || choices.chance(20) {
                            "NULL".to_owned()
                        } else {
                            choices.pick(ids).to_string()
                        }
                    } else if column.default && choices.chance(40) {
                        "DEFAULT".to_owned()
                    } else {
                        self.value(choices, column.ty, column.not_null)
                    };
                values.push(value);
            }
            rows.push(format!("({})", values.join(", ")));
            self.relations[at].ids.extend(id);
        }
        let names: Vec<String> = columns
            .iter()
            .map(|column| identifier(&self.relations[at].columns[*column].name))
            .collect();
        self.relations[at].filled = true;
        self.say(&format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {}",
            self.relation(at),
            names.join(", "),
            rows.join(", ")
        ));
    }

    /// A value of a type, as an expression.
    pub fn value(&self, choices: &mut Choices, ty: TypeUse, not_null: bool) -> String {
        let sql = self.cast_sql(ty);
        if !not_null && choices.chance(15) {
            return format!("NULL::{sql}");
        }
        if ty.array {
            let of = TypeUse { array: false, ..ty };
            let values: Vec<String> = (0..choices.below(4))
                .map(|_| self.value(choices, of, false))
                .collect();
            return format!("ARRAY[{}]::{sql}", values.join(", "));
        }
        match &self.types[ty.at].kind {
            TypeKind::Builtin(builtin) if builtin.values.is_empty() => constant(&text(choices)),
            TypeKind::Builtin(builtin) => {
                format!("{}::{sql}", constant(choices.pick(builtin.values)))
            }
            TypeKind::Enum(labels) => format!("{}::{sql}", constant(&choices.pick(labels))),
            TypeKind::Domain(over) => format!("({})::{sql}", self.value(choices, *over, not_null)),
            TypeKind::Base => format!("{}::{sql}", constant(&text(choices))),
            TypeKind::Range(over) => {
                let bound = match &self.types[over.at].kind {
                    TypeKind::Enum(labels) => labels[0].clone(),
                    TypeKind::Builtin(_) if *over == TEXT => text(choices),
                    TypeKind::Builtin(builtin) => choices.pick(builtin.values).to_owned(),
                    _ => return format!("'empty'::{sql}"),
                };
                let quoted = bound.replace('\\', "\\\\").replace('"', "\\\"");
                let range = choices
                    .pick(&["empty", "(,)", "[@,@]", "[@,)", "(,@]"])
                    .replace('@', &format!("\"{quoted}\""));
                format!("{}::{sql}", constant(&range))
            }
            TypeKind::Composite(fields) => {
                let values: Vec<String> = fields
                    .iter()
                    .map(|(_, ty)| self.value(choices, *ty, false))
                    .collect();
                format!("ROW({})::{sql}", values.join(", "))
            }
            TypeKind::Row(relation) => {
                let values: Vec<String> = self.relations[*relation]
                    .live()
                    .map(|(_, column)| self.value(choices, column.ty, false))
                    .collect();
                format!("ROW({})::{sql}", values.join(", "))
            }
        }
    }

    /// Rows that go and come again: what a table holds lies in another order than it came.
    pub fn update(&mut self, choices: &mut Choices, _key: u16) {
        let Some(at) = self.any_table(choices, |_, table| {
            table.filled && table.has_id() && table.kind == RelationKind::Table
        }) else {
            return;
        };
        let Some(column) = self.relations[at].any_column(choices, |column| {
            !column.generated && column.refers_to.is_none() && column.name != "id"
        }) else {
            return;
        };
        let column = self.relations[at].columns[column].clone();
        let value = self.value(choices, column.ty, column.not_null);
        self.say(&format!(
            "UPDATE ONLY {} SET {} = {value} WHERE id % 3 = 0",
            self.relation(at),
            identifier(&column.name)
        ));
    }
}

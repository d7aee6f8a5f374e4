//! What the rows of a table look like: which columns they give, and how they name the rows that they refer to.

use serde_json::{Map, Value};

use super::relation::{Reference, Relation};
use crate::Error;

/// A row: columns by their names.
pub type Row = Map<String, Value>;

/// Rows of one shape are written by one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Columns that get a value as it stands, in the order of their names.
    pub columns: Vec<String>,
    /// References, in the order of the names that the rows have for them.
    pub parents: Vec<Parent>,
}

/// A reference by key: a row of another table, named by columns of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    /// The name in the row.
    pub name: String,
    /// The foreign key.
    pub reference: Reference,
    /// The table that it leads to.
    pub table: Relation,
    /// How the row there is named; `None` where there is none: NULL.
    pub by: Option<Shape>,
}

/// Where tables come from: the catalog, or a test.
pub(super) trait Relations {
    /// The table with this OID.
    fn relation(&self, oid: u32) -> Result<Relation, Error>;
}

impl Shape {
    /// The shape of a row of a table; fails when the table has no such columns.
    pub fn of(row: &Row, table: &Relation, relations: &impl Relations) -> Result<Self, Error> {
        let mut shape = Self {
            columns: Vec::new(),
            parents: Vec::new(),
        };
        for (name, value) in row {
            let column = table.column(name);
            let is_plain = match value {
                Value::Object(_) => column.is_some_and(|column| column.takes_objects),
                _ => column.is_some(),
            };
            if is_plain {
                shape.columns.push(name.clone());
                continue;
            }
            let reference = table
                .reference(name)
                .ok_or_else(|| no_column(name, value, table))?;
            let parent = relations.relation(reference.parent)?;
            let by = match value {
                Value::Null => None,
                Value::Object(by) if by.is_empty() => {
                    return Err(Error::invalid_input(format!(
                        "{name:?} names no row of {}: it is empty",
                        parent.name
                    )));
                }
                Value::Object(by) => Some(
                    Self::of(by, &parent, relations)
                        .map_err(|error| error.while_doing(format_args!("{name:?}")))?,
                ),
                _ => {
                    return Err(Error::invalid_input(format!(
                        "{name:?} is a reference to {}: it is a set of columns that name a row there",
                        parent.name
                    ))
                    .hint(example(name, &parent)));
                }
            };
            shape.parents.push(Parent {
                name: name.clone(),
                reference: reference.clone(),
                table: parent,
                by,
            });
        }
        shape.once(table)?;
        Ok(shape)
    }

    /// The columns of the table that rows of this shape give a value.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().map(String::as_str);
        let parents = self
            .parents
            .iter()
            .flat_map(|parent| parent.reference.columns.iter().map(String::as_str));
        columns.chain(parents)
    }

    /// Each column gets one value.
    fn once(&self, table: &Relation) -> Result<(), Error> {
        let mut seen: Vec<&str> = Vec::new();
        for column in self.targets() {
            if seen.contains(&column) {
                return Err(Error::invalid_input(format!(
                    "the column {column:?} of {} is given twice: as it is, and by a reference",
                    table.name
                )));
            }
            seen.push(column);
        }
        Ok(())
    }

    /// The columns that names stand for: a column, or a reference's.
    pub fn columns_of(&self, names: &[String], table: &Relation) -> Result<Vec<String>, Error> {
        let mut columns = Vec::new();
        for name in names {
            let parent = self.parents.iter().find(|parent| parent.name == *name);
            match (parent, table.column(name), table.reference(name)) {
                (Some(parent), _, _) => columns.extend(parent.reference.columns.iter().cloned()),
                (None, Some(_), _) => columns.push(name.clone()),
                (None, None, Some(reference)) => columns.extend(reference.columns.iter().cloned()),
                (None, None, None) => return Err(no_column(name, &Value::Null, table)),
            }
        }
        Ok(columns)
    }
}

fn no_column(name: &str, value: &Value, table: &Relation) -> Error {
    let error = match (value, table.column(name)) {
        (Value::Object(_), Some(_)) => Error::invalid_input(format!(
            "the column {name:?} of {} is no reference, and takes no set of values",
            table.name
        )),
        _ => Error::invalid_input(format!("{} has no column {name:?}", table.name)),
    };
    error.hint(format!("it has: {}", table.known_names()))
}

fn example(name: &str, parent: &Relation) -> String {
    let key = parent.keys.iter().rev().find_map(|key| key.first());
    format!(
        "as in {name} = {{ {} = … }}",
        key.map_or("name", String::as_str)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::seed::relation::tests::appointment;

    /// Users (1) and queues (3), by the example's names.
    pub struct Example;

    impl Relations for Example {
        fn relation(&self, oid: u32) -> Result<Relation, Error> {
            let mut table = appointment();
            table.oid = oid;
            table.name = if oid == 1 { "User" } else { "Queue" }.to_owned();
            table.sql = format!("public.\"{}\"", table.name);
            table.columns.truncate(1);
            let mut email = table.columns[0].clone();
            email.name = "email".to_owned();
            table.columns.push(email);
            table.keys = vec![vec!["id".to_owned()], vec!["email".to_owned()]];
            table.references.clear();
            Ok(table)
        }
    }

    pub fn shape(row: Value) -> Result<Shape, Error> {
        let row = row.as_object().expect("an object");
        Shape::of(row, &appointment(), &Example)
    }

    #[test]
    fn objects_are_references_unless_the_column_takes_them() {
        let shape = shape(json!({"tokenNo": 1, "user": {"email": "a"}, "notes": {"a": 1}}))
            .expect("a shape");
        assert_eq!(shape.columns, ["notes", "tokenNo"]);
        assert_eq!(
            shape.targets().collect::<Vec<_>>(),
            ["notes", "tokenNo", "userId"]
        );
        let named = ["tokenNo".to_owned(), "user".to_owned(), "queue".to_owned()];
        assert_eq!(
            shape.columns_of(&named, &appointment()).expect("columns"),
            ["tokenNo", "userId", "queueId"]
        );
    }

    #[test]
    fn what_the_table_does_not_have_is_told() {
        for (row, expected) in [
            (
                json!({"tokenNr": 1}),
                "Appointment has no column \"tokenNr\"",
            ),
            (
                json!({"tokenNo": {"a": 1}}),
                "the column \"tokenNo\" of Appointment is no reference",
            ),
            (
                json!({"user": "alice"}),
                "\"user\" is a reference to User: it is a set of columns",
            ),
            (json!({"user": {}}), "it is empty"),
            (
                json!({"user": {"mail": 1}}),
                "\"user\": User has no column \"mail\"",
            ),
            (
                json!({"userId": 1, "user": {"email": "a"}}),
                "the column \"userId\" of Appointment is given twice",
            ),
        ] {
            let error = shape(row).expect_err(expected);
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }
}

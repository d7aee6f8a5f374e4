//! Rows that a file declares.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A row: columns by their names; an object is a reference by key.
pub type Row = Map<String, Value>;

/// A file of declared rows, as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    pub description: Option<String>,
    #[serde(default)]
    pub production: bool,
    #[serde(default)]
    pub environments: Vec<String>,
    pub tables: Vec<Table>,
}

/// Rows of a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name as the catalog has it, with its schema where that is not the database's own: `User`, `sales.Order`.
    pub table: String,
    /// What finds a row that is there already; left out, a unique key of the table that the rows give.
    pub key: Option<Vec<String>>,
    /// What a row is called: `{name} ({email})`.
    pub label: Option<String>,
    /// The rows.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Rows in a file below the folder of seeds instead: CSV with a header, or NDJSON.
    pub file: Option<String>,
}

impl Declared {
    /// What is wrong with it, beyond what its format says.
    pub fn check(&mut self) -> Result<(), String> {
        for table in &mut self.tables {
            let name = &table.table;
            if name.is_empty() {
                return Err("a table has no name".to_owned());
            }
            if table.key.as_ref().is_some_and(Vec::is_empty) {
                return Err(format!(
                    "the key of {name} is empty: it names the columns that find a row"
                ));
            }
            match (&table.file, table.rows.is_empty()) {
                (Some(_), false) => {
                    return Err(format!("{name} has rows, and a file of rows: one of them"));
                }
                (Some(file), true) => check_path(file, name)?,
                (None, _) => {}
            }
            for (at, row) in table.rows.iter_mut().enumerate() {
                if row.is_empty() {
                    return Err(format!("row {} of {name} is empty", at + 1));
                }
                for (column, value) in row.iter_mut() {
                    plain(value).map_err(|problem| {
                        format!("row {} of {name}, {column}: {problem}", at + 1)
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn check_path(file: &str, table: &str) -> Result<(), String> {
    let is_below = !file.starts_with('/')
        && file
            .split('/')
            .all(|part| !part.is_empty() && part != ".." && part != ".");
    if !is_below {
        return Err(format!(
            "{table}: {file:?} is no path below the folder of seeds, as data/users.csv is"
        ));
    }
    Ok(())
}

/// What the TOML reader makes of dates, and numbers that JSON cannot carry.
fn plain(value: &mut Value) -> Result<(), String> {
    /// How the crate `toml` hands a date to other types than its own.
    const DATE: &str = "$__toml_private_datetime";
    match value {
        Value::Object(map) => {
            if let Some(date) = map.get(DATE) {
                *value = date.clone();
                return Ok(());
            }
            map.values_mut().try_for_each(plain)
        }
        Value::Array(items) => items.iter_mut().try_for_each(plain),
        // Beyond 2^53 a number that went through a float may have lost digits: never silently.
        Value::Number(number)
            if !number.is_i64()
                && !number.is_u64()
                && number
                    .as_f64()
                    .is_some_and(|float| float.abs() >= 9_007_199_254_740_992.0) =>
        {
            Err(format!(
                "{number} has more digits than are kept: write it as a text, in quotes"
            ))
        }
        _ => Ok(()),
    }
}

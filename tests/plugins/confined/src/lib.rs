//! Tries statements, to see which of them the database lets it run.

use orchestrator_sdk::postgres::{self, Connection, Target, Value};
use orchestrator_sdk::{Error, ErrorKind, Operation, files};
use serde::Deserialize;
use serde_json::json;

struct Confined;

#[derive(Deserialize)]
struct Parameters {
    database: String,
    second: Option<String>,
    folder: Option<String>,
    sql: String,
    ending: String,
}

impl Operation for Confined {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<serde_json::Value, Error> {
        let mut read = Vec::new();
        if let Some(folder) = &parameters.folder {
            let folder = files::open(folder)?;
            let entries = folder.entries()?;
            for (path, text) in folder.texts(&entries)? {
                read.push(json!([path, text]));
            }
        }
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        let mut answers = Vec::new();
        for statement in parameters.sql.lines() {
            answers.push(match run(&connection, statement) {
                Ok(rows) => json!(rows),
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) => json!({"sqlstate": error.sqlstate, "message": error.message}),
            });
        }
        let role = connection.server().user;
        let second = match &parameters.second {
            Some(database) => Some(postgres::connect(database, Target::Database)?.server().user),
            None => None,
        };
        match parameters.ending.as_str() {
            "trap" => panic!("this plugin panics"),
            "fail" => Err(Error::conflict("this plugin fails")),
            _ => Ok(
                json!({"role": role, "second": second, "answers": answers, "files": read, "dry_run": dry_run}),
            ),
        }
    }
}

/// The cells of all rows, as text.
fn run(connection: &Connection, statement: &str) -> Result<Vec<String>, Error> {
    let mut cells = Vec::new();
    connection.query(statement, &[])?.for_each(|row| {
        cells.extend(row.values().iter().map(|value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        }));
        Ok(())
    })?;
    Ok(cells)
}

orchestrator_sdk::export!(Confined);

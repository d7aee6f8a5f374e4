//! What a restored database is asked before it is removed again, and what a drill tells of it.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use archive::layout::BackupFolder;
use archive::manifest::Filters;
use orchestrator_sdk::postgres::{Connection, Isolation, TransactionOptions, Value};
use orchestrator_sdk::{Error, run};
use serde::Deserialize;
use serde_json::{Number, Value as Json, json};

use crate::parameters::Parameters;
use crate::report::Report;

/// A question and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// What the record calls it.
    pub name: String,
    /// One statement that reads.
    pub sql: String,
    /// The first column of the first row is this.
    pub expect: Option<Json>,
    /// It is a number, and not less.
    pub at_least: Option<Number>,
    /// It is a number, and not more.
    pub at_most: Option<Number>,
}

/// Refuses queries that would prove nothing.
pub fn check(queries: &[Query]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for query in queries {
        let wrong = if query.name.trim().is_empty() {
            "has no name"
        } else if !names.insert(&query.name) {
            "is there twice"
        } else if query.sql.trim().is_empty() {
            "has no sql"
        } else if query.expect.is_none() && query.at_least.is_none() && query.at_most.is_none() {
            "expects nothing"
        } else if matches!(query.expect, Some(Json::Array(_) | Json::Object(_))) {
            "expects more than one value"
        } else {
            continue;
        };
        return Err(Error::invalid_input(format!("the query {:?} {wrong}", query.name))
            .hint("write { name = \"users\", sql = \"SELECT count(*) FROM users\", at_least = 1 }, or expect, or at_most"));
    }
    Ok(())
}

/// Asks all of them in one transaction that cannot write. All that is not as expected is told together.
pub fn ask(connection: &Connection, queries: &[Query], report: &mut Report) -> Result<u64, Error> {
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::RepeatableRead,
        read_only: true,
        snapshot: None,
    })?;
    // The restore's own sessions find nothing without its schema; whoever writes a query finds what the database's users do.
    transaction.execute("SET LOCAL search_path TO DEFAULT", &[])?;
    let mut told = Vec::new();
    let mut wrong = Vec::new();
    for query in queries {
        let answer = transaction
            .query(&query.sql, &[])
            .and_then(|rows| rows.first())
            .map_err(|error| {
                error.while_doing(format_args!(
                    "asking the restored database {:?}",
                    query.name
                ))
            })?;
        let answer = answer
            .and_then(|row| row.as_row().values().first().map(shown))
            .unwrap_or(Json::Null);
        let misses = misses(query, &answer);
        told.push(json!({ "name": query.name, "sql": query.sql, "result": answer, "ok": misses.is_none() }));
        wrong.extend(misses.map(|misses| format!("{}: {misses}", query.name)));
    }
    if !queries.is_empty() {
        run::fact("verification", &told)?;
    }
    report.queries = queries.len();
    if wrong.is_empty() {
        return Ok(queries.len() as u64);
    }
    Err(Error::conflict(format!(
        "the restored database does not answer {} of {} queries as expected: {}",
        wrong.len(),
        queries.len(),
        wrong.join("; ")
    ))
    .hint("look at that part of the backup with `orchestrator backup show`, and at the query; the backup itself was left as it is"))
}

/// What is wrong with an answer.
fn misses(query: &Query, answer: &Json) -> Option<String> {
    if let Some(expected) = &query.expect
        && !is_same(expected, answer)
    {
        return Some(format!("{answer} and not {expected}"));
    }
    let misses = |limit: &Option<Number>, wrong, said| {
        let limit = limit.as_ref()?;
        match compare(answer, limit) {
            None => Some(format!("{answer} is no number")),
            Some(order) if order == wrong => Some(format!("{answer} and not {said} {limit}")),
            Some(_) => None,
        }
    };
    misses(&query.at_least, Ordering::Less, "at least")
        .or_else(|| misses(&query.at_most, Ordering::Greater, "at most"))
}

/// Numbers that PostgreSQL tells as texts (numeric) are numbers, too.
fn is_same(expected: &Json, answer: &Json) -> bool {
    match expected {
        Json::Number(expected) => compare(answer, expected) == Some(Ordering::Equal),
        Json::String(expected) => match answer {
            Json::String(answer) => answer == expected,
            Json::Null => false,
            other => expected.as_str() == other.to_string().as_str(),
        },
        other => other == answer,
    }
}

/// How an answer lies to a number; `None` when it is none. Whole numbers are compared exactly: the larger ones of `bigint` are no floats.
fn compare(answer: &Json, limit: &Number) -> Option<Ordering> {
    let (answer, limit) = (digits(answer)?, limit.to_string());
    match (whole(&answer), whole(&limit)) {
        (Some(answer), Some(limit)) => Some(answer.cmp(&limit)),
        _ => {
            let finite = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
            finite(&answer)?.partial_cmp(&finite(&limit)?)
        }
    }
}

/// The text of a number, or of what may be one.
fn digits(answer: &Json) -> Option<String> {
    match answer {
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// `3`, and `3.00` as numeric tells it.
fn whole(text: &str) -> Option<i128> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    match fraction.bytes().all(|digit| digit == b'0') {
        true => number.parse().ok(),
        false => None,
    }
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Bytes(bytes) => json!(format!("{} bytes", bytes.len())),
    }
}

/// The fact that the backup was proven: all of the database is in it but for what was left out by name, and all of it was restored, answered, and
/// was compared. Of archives of others there is no such fact.
pub fn tell(
    parameters: &Parameters,
    filters: Option<&Filters>,
    report: &Report,
) -> Result<(), Error> {
    let mut parts = parameters.prefix().rsplitn(3, '/');
    let (Some(id), Some(database), Some(filters)) = (parts.next(), parts.next(), filters) else {
        return Ok(());
    };
    let Ok(folder) = BackupFolder::parse(&format!("{database}/{id}")) else {
        return Ok(());
    };
    let (Some(seconds), Some(compared)) = (report.recovered, &report.compared) else {
        return Ok(());
    };
    if filters.is_choice() {
        run::warn(&format!(
            "{} came back as it was, and proves nothing of {}: it holds {}",
            folder.id,
            folder.database,
            chosen(filters)
        ));
        return Ok(());
    }
    // What was not compared has been warned of.
    if compared.not_compared > 0 {
        return Ok(());
    }
    let begun = i64::try_from(report.begun() / 1000).unwrap_or(i64::MAX);
    let mut proven = json!({
        "backup": folder.id.to_string(),
        "database": folder.database,
        "storage": parameters.storage,
        "seconds": seconds,
        "backup_age_seconds": begun.saturating_sub(folder.id.created().unix_seconds()),
        "tables": compared.tables,
        "rows": compared.rows,
        "large_objects": compared.large_objects,
        "queries": report.queries,
    });
    let left_out = [&filters.exclude_tables[..], &filters.exclude_table_data].concat();
    if !left_out.is_empty() && compared.rows == 0 {
        run::warn(&format!(
            "{} came back as it was, and proves nothing of {}: it holds no rows, and was taken without {}",
            folder.id,
            folder.database,
            left_out.join(", ")
        ));
        return Ok(());
    }
    if !left_out.is_empty() {
        proven["left_out"] = left_out.into();
    }
    run::fact("proven", &proven)
}

/// What a backup of a choice holds, in words.
fn chosen(filters: &Filters) -> String {
    let what = match (filters.schema_only, filters.data_only) {
        (true, _) => "definitions alone",
        (_, true) => "data alone",
        _ => "some tables alone",
    };
    match filters.tables.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {}", filters.tables.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: Json) -> Query {
        serde_json::from_value(json).expect("a query")
    }

    #[test]
    fn answers_are_held_against_what_is_expected() {
        for (expectation, answer, said) in [
            (json!({"expect": 3}), json!(3), None),
            (json!({"expect": 3}), json!("3.0"), None),
            (json!({"expect": "3"}), json!(3), None),
            (json!({"expect": true}), json!(true), None),
            (json!({"expect": "true"}), json!(true), None),
            (
                json!({"expect": 9_007_199_254_740_993_i64}),
                json!(9_007_199_254_740_992_i64),
                Some("9007199254740992 and not 9007199254740993"),
            ),
            (
                json!({"expect": 9_007_199_254_740_993_i64}),
                json!("9007199254740993.00"),
                None,
            ),
            (
                json!({"at_least": 9_007_199_254_740_993_i64}),
                json!(9_007_199_254_740_992_i64),
                Some("9007199254740992 and not at least 9007199254740993"),
            ),
            (json!({"at_most": 2.5}), json!("2.50"), None),
            (json!({"expect": 0.5}), json!("0.50"), None),
            (json!({"at_least": 1, "at_most": 3}), json!(3), None),
            (json!({"expect": 3}), json!(4), Some("4 and not 3")),
            (
                json!({"expect": "x"}),
                Json::Null,
                Some("null and not \"x\""),
            ),
            (
                json!({"at_least": 5}),
                json!(4),
                Some("4 and not at least 5"),
            ),
            (
                json!({"at_most": 5}),
                json!("6.5"),
                Some("\"6.5\" and not at most 5"),
            ),
            (
                json!({"at_most": 5}),
                json!("NaN"),
                Some("\"NaN\" is no number"),
            ),
            (
                json!({"at_least": 5}),
                Json::Null,
                Some("null is no number"),
            ),
        ] {
            let mut whole = expectation.clone();
            whole["name"] = json!("q");
            whole["sql"] = json!("SELECT 1");
            assert_eq!(
                misses(&query(whole), &answer).as_deref(),
                said,
                "{expectation} {answer}"
            );
        }
    }

    #[test]
    fn a_choice_is_named() {
        let tables = Filters {
            tables: vec!["logs".to_owned(), "public.User".to_owned()],
            ..Filters::default()
        };
        assert_eq!(chosen(&tables), "some tables alone: logs, public.User");
        let schema = Filters {
            schema_only: true,
            ..Filters::default()
        };
        assert_eq!(chosen(&schema), "definitions alone");
    }

    #[test]
    fn queries_that_prove_nothing_are_refused() {
        let good = json!({"name": "q", "sql": "SELECT 1", "expect": 1});
        assert!(check(&[query(good.clone())]).is_ok());
        let bad = [
            json!({"name": "", "sql": "SELECT 1", "expect": 1}),
            json!({"name": "q", "sql": " ", "expect": 1}),
            json!({"name": "q", "sql": "SELECT 1"}),
            json!({"name": "q", "sql": "SELECT 1", "expect": [1]}),
        ];
        for bad in bad {
            assert!(check(&[query(bad.clone())]).is_err(), "{bad}");
        }
        assert!(check(&[query(good.clone()), query(good)]).is_err());
    }
}

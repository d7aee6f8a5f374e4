//! The host's deployment log: the backup's rows join those of the target, and neither side loses one.

use archive::Entry;
use archive::identifiers::qualified;
use orchestrator_sdk::postgres::{Step, quote_identifier};
use orchestrator_sdk::streams::ByteSource;

use crate::selection::{DEPLOYMENT_LOG, OWN_SCHEMA};

/// Holds the backup's rows until the end of the transaction.
const INCOMING: &str = "pg_temp.incoming_deployment_log";

/// The columns of the COPY statement; `None` when it is not one that pg_dump writes.
pub fn columns(entry: &Entry) -> Option<Vec<String>> {
    let statement = entry.copy_statement.as_deref()?;
    let list = statement.split_once(" (")?.1.split_once(") FROM stdin")?.0;
    let mut columns = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, after) = one_name(rest)?;
        columns.push(name);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(columns)
}

/// An atomic script that merges the rows. The COPY is its second step.
pub fn merge(entry: &Entry, rows: ByteSource) -> Option<Vec<Step>> {
    let names: Vec<String> = columns(entry)?
        .iter()
        .map(|name| quote_identifier(name))
        .collect();
    let names = names.join(", ");
    let log = qualified(OWN_SCHEMA, DEPLOYMENT_LOG);
    Some(vec![
        Step::Statement(format!(
            "CREATE TEMPORARY TABLE {} (LIKE {log}) ON COMMIT DROP",
            INCOMING.trim_start_matches("pg_temp.")
        )),
        Step::CopyIn((format!("COPY {INCOMING} ({names}) FROM stdin"), rows)),
        Step::Statement(format!(
            "INSERT INTO {log} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {INCOMING} ON CONFLICT DO NOTHING"
        )),
    ])
}

/// One identifier from the beginning, and what follows it.
fn one_name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.peek().is_some_and(|next| next.1 == '"') {
            characters.next();
            name.push('"');
        } else {
            return Some((name, &quoted[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    #[test]
    fn columns_are_read_from_the_copy_statement() {
        let mut log = entry(1, "TABLE DATA", OWN_SCHEMA, DEPLOYMENT_LOG, &[]);
        log.copy_statement = Some(
            "COPY orchestrator.deployment_log (run_id, \"a, \"\"b\"\" (c\", started) FROM stdin;\n"
                .to_owned(),
        );
        assert_eq!(columns(&log).unwrap(), ["run_id", "a, \"b\" (c", "started"]);
        log.copy_statement =
            Some("COPY orchestrator.deployment_log (\"open) FROM stdin;\n".to_owned());
        assert_eq!(columns(&log), None);
        log.copy_statement = None;
        assert_eq!(columns(&log), None);
    }
}

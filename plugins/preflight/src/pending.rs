//! The folder and the history: what a deployment would apply, and whether it may.

use std::collections::BTreeSet;

use history::{History, Session, folder};
use migrations::plan::{self, Options, Refusal};
use migrations::{Folder, State};
use orchestrator_sdk::Error;
use sql::{Strings, TokenKind, Tokens};

use crate::Parameters;
use crate::check::Check;

/// What is pending.
pub struct Pending {
    pub checks: Vec<Check>,
    /// By name, in the order in which they would be applied.
    pub migrations: Vec<String>,
    /// Every name in their scripts, as the catalog has it: tables among them.
    pub names_in_scripts: BTreeSet<String>,
}

/// Compares the folder with the history.
pub fn look(session: &impl Session, parameters: &Parameters) -> Result<Pending, Error> {
    let folder = folder::read(&parameters.folder)?;
    let database = history::look(session)?;
    let rows = History::of(session)?.read(session, database)?;
    let state = State::of(&folder, &rows);
    let options = Options {
        out_of_order: history::out_of_order(&parameters.out_of_order)?,
        ..Options::default()
    };
    let name = "migrations";
    let (check, migrations) = match plan::plan(&folder, &state, database, &options) {
        Ok(plan) if plan.warnings.is_empty() => {
            let found = match plan.apply.len() {
                0 => "none is pending".to_owned(),
                pending => format!("{pending} pending"),
            };
            (Check::ok(name, found), plan.apply)
        }
        Ok(plan) => (
            Check::warn(
                name,
                plan.warnings.join("; "),
                "`migrate status` lists all of them",
            ),
            plan.apply,
        ),
        Err(refusal) => (refused(name, &refusal), Vec::new()),
    };
    Ok(Pending {
        checks: vec![check],
        names_in_scripts: names_in(&folder, &migrations),
        migrations,
    })
}

fn refused(name: &'static str, refusal: &Refusal) -> Check {
    Check::fail(name, refusal.to_string(), refusal.hint())
}

/// Words and quoted names, whatever they stand for.
fn names_in(folder: &Folder, migrations: &[String]) -> BTreeSet<String> {
    let scripts = migrations
        .iter()
        .filter_map(|name| folder.find(name)?.script.as_deref());
    scripts
        .flat_map(|script| Tokens::new(script, Strings::Standard))
        .filter_map(|token| match token.kind {
            TokenKind::Word => Some(token.text.to_lowercase()),
            TokenKind::QuotedName => Some(
                token
                    .text
                    .strip_prefix('"')?
                    .strip_suffix('"')?
                    .replace("\"\"", "\""),
            ),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use migrations::Migration;

    use super::*;

    #[test]
    fn names_are_as_the_catalog_has_them() {
        let folder = Folder::new(
            vec![Migration {
                name: "1".to_owned(),
                script: Some(
                    "ALTER TABLE \"User\" ADD x int; -- Comment\nDROP TABLE Old, \"a\"\"b\";"
                        .to_owned(),
                ),
                down: None,
            }],
            None,
        );
        let names = names_in(&folder, &["1".to_owned()]);
        for name in ["User", "old", "a\"b"] {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("comment"));
    }
}

//! What the run's record has of a plan and of its deletions. A storage may hold thousands of backups: the record has as many of them as
//! somebody would read.

use std::collections::BTreeMap;

use orchestrator_sdk::{Error, run};
use retention::{Decision, Plan};
use serde_json::{Value, json};

use crate::Stored;

/// More backups than this are counted and not named; what is deleted is named first.
pub const NAMED_MAX: usize = 200;

/// A plan as it is told.
pub struct Told<'a> {
    reasons: BTreeMap<&'a str, String>,
    kept: Vec<&'a Decision>,
    doomed: Vec<&'a str>,
}

impl<'a> Told<'a> {
    /// `doomed` is what will be deleted: of what the plan does not keep, that which was agreed to.
    pub fn new(plan: &'a Plan, doomed: &[Stored]) -> Self {
        let reasons: BTreeMap<&str, String> = plan
            .decisions
            .iter()
            .map(|decision| (decision.backup.key.as_str(), decision.why()))
            .collect();
        let doomed = doomed.iter().map(|found| found.prefix.as_str());
        Self {
            doomed: doomed
                .filter_map(|prefix| reasons.get_key_value(prefix).map(|(key, _)| *key))
                .collect(),
            kept: plan.kept().collect(),
            reasons,
        }
    }

    /// Why a backup goes or stays.
    pub fn why(&self, prefix: &str) -> Option<&str> {
        self.reasons.get(prefix).map(String::as_str)
    }

    /// What stays, and why: so many of it, and how many more there are.
    pub fn kept(&self, most: usize) -> (Vec<Value>, usize) {
        let named = self.named(self.prefixes_kept().take(most));
        let more = self.kept.len() - named.len();
        (named, more)
    }

    /// The fact `plan`, and lines of the log: what is going to be deleted and what stays, each with its reasons, also where nobody was asked.
    pub fn before_the_first_deletion(&self) -> Result<(), Error> {
        if self.doomed.is_empty() {
            return Ok(());
        }
        let doomed = || self.doomed.iter().copied();
        let delete = doomed().map(|prefix| ("delete", prefix));
        let keep = self.prefixes_kept().map(|prefix| ("keep", prefix));
        for (verb, prefix) in delete.chain(keep).take(NAMED_MAX) {
            let why = self.why(prefix).unwrap_or_default();
            run::info(&format!("{verb} {prefix}: {why}"));
        }
        let delete = self.named(doomed().take(NAMED_MAX));
        let keep = self.named(self.prefixes_kept().take(NAMED_MAX - delete.len()));
        let more = self.doomed.len() + self.kept.len() - delete.len() - keep.len();
        let mut plan = json!({ "delete": delete, "keep": keep });
        if more > 0 {
            plan["more"] = more.into();
        }
        run::fact("plan", &plan)
    }

    fn prefixes_kept(&self) -> impl Iterator<Item = &str> {
        self.kept
            .iter()
            .map(|decision| decision.backup.key.as_str())
    }

    fn named<'b>(&self, prefixes: impl Iterator<Item = &'b str>) -> Vec<Value> {
        prefixes
            .map(|prefix| json!({ "prefix": prefix, "why": self.why(prefix) }))
            .collect()
    }
}

/// The fact `change`: what was deleted so far.
pub fn deleted(prefixes: &[&str]) -> Result<(), Error> {
    run::fact("change", &change(prefixes))
}

fn change(prefixes: &[&str]) -> String {
    let named = prefixes.iter().take(NAMED_MAX).copied();
    let named = named.collect::<Vec<_>>().join(", ");
    match prefixes.len().saturating_sub(NAMED_MAX) {
        0 => format!("Deleted the backups {named}"),
        more => format!("Deleted the backups {named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_change_is_counted() {
        assert_eq!(change(&["a", "b"]), "Deleted the backups a, b");
        let many = change(&vec!["a"; NAMED_MAX + 3]);
        assert!(many.ends_with(", a and 3 more") && many.len() < 2000);
    }
}

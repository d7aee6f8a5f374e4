//! Whose an entry's object is, and how it is given to its owner (`_printTocEntry` in `pg_backup_archiver.c`).

use crate::entry::Entry;
use crate::identifiers;
use crate::kinds::{is_privilege, namespace, tag};

/// The role that `ALTER ... OWNER TO` names. What has no drop statement is not owned by itself.
pub fn new_owner(entry: &Entry) -> Option<&str> {
    let dropped = entry
        .drop_statement
        .as_deref()
        .is_some_and(|drop| !drop.is_empty());
    let owner = entry.owner.as_deref().filter(|owner| !owner.is_empty())?;
    (dropped && !is_privilege(entry) && may_be_owned(&entry.desc)).then_some(owner)
}

/// Kinds whose owner is that of what they belong to.
fn may_be_owned(desc: &str) -> bool {
    !matches!(
        desc,
        "CAST"
            | "CHECK CONSTRAINT"
            | "CONSTRAINT"
            | "DATABASE PROPERTIES"
            | "DEFAULT"
            | "FK CONSTRAINT"
            | "INDEX"
            | "RULE"
            | "TRIGGER"
            | "ROW SECURITY"
            | "POLICY"
            | "USER MAPPING"
    )
}

/// What follows ALTER in `ALTER ... OWNER TO` (`_getObjectDescription`); `None` for kinds that have no owner of their own.
pub fn owned_object(entry: &Entry) -> Option<String> {
    match entry.desc.as_str() {
        "COLLATION"
        | "CONVERSION"
        | "DOMAIN"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "SEQUENCE"
        | "STATISTICS"
        | "TABLE"
        | "TEXT SEARCH DICTIONARY"
        | "TEXT SEARCH CONFIGURATION"
        | "TYPE"
        | "VIEW"
        | "DATABASE"
        | "PROCEDURAL LANGUAGE"
        | "SCHEMA"
        | "EVENT TRIGGER"
        | "FOREIGN DATA WRAPPER"
        | "SERVER"
        | "PUBLICATION"
        | "SUBSCRIPTION" => Some(format!(
            "{} {}",
            entry.desc,
            identifiers::qualified(namespace(entry), tag(entry))
        )),
        "BLOB" => Some(format!("LARGE OBJECT {}", tag(entry))),
        // What they need beside a name is exactly what the drop statement says.
        "AGGREGATE" | "FUNCTION" | "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY"
        | "PROCEDURE" => {
            let dropped = entry.drop_statement.as_deref()?.strip_prefix("DROP ")?;
            Some(dropped.trim_end_matches(['\n', ';']).to_owned())
        }
        _ => None,
    }
}

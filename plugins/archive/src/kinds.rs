//! What pg_restore knows of an entry by its kind: its pass, its parts, whether it is about the database itself.

use crate::entry::{Entry, Section};

/// When an entry is applied (`_tocEntryRestorePass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// With the sections before, of and after the data.
    Main,
    /// Privileges, when all objects are there.
    Privileges,
    /// What must not see anything half done: event triggers, and materialized views, which run the users' queries.
    Last,
}

/// The entry's name, empty where it has none.
pub fn tag(entry: &Entry) -> &str {
    entry.tag.as_deref().unwrap_or_default()
}

/// The entry's schema, empty where it has none.
pub fn namespace(entry: &Entry) -> &str {
    entry.namespace.as_deref().unwrap_or_default()
}

/// Parsed when the archive is opened, and applied to every session rather than once.
pub fn is_setting(entry: &Entry) -> bool {
    matches!(
        entry.desc.as_str(),
        "ENCODING" | "STDSTRINGS" | "SEARCHPATH"
    )
}

/// About the database itself, so applied only when the restore creates it.
pub fn is_of_database(entry: &Entry) -> bool {
    match entry.desc.as_str() {
        "DATABASE" | "DATABASE PROPERTIES" => true,
        "ACL" | "COMMENT" | "SECURITY LABEL" => tag(entry).starts_with("DATABASE "),
        _ => false,
    }
}

/// Grants and revokes.
pub fn is_privilege(entry: &Entry) -> bool {
    matches!(entry.desc.as_str(), "ACL" | "DEFAULT ACL")
}

/// When an entry is applied.
pub fn pass(entry: &Entry) -> Pass {
    match entry.desc.as_str() {
        "ACL" | "DEFAULT ACL" => Pass::Privileges,
        "EVENT TRIGGER" | "MATERIALIZED VIEW DATA" => Pass::Last,
        "COMMENT" | "SECURITY LABEL" if tag(entry).starts_with("EVENT TRIGGER ") => Pass::Last,
        "STATISTICS DATA" if entry.section == Section::PostData => Pass::Last,
        _ => Pass::Main,
    }
}

/// Which parts an entry has (`_tocEntryRequired`): a definition, data.
pub fn parts(entry: &Entry) -> (bool, bool) {
    let definition = entry.definition.as_deref().unwrap_or_default();
    let of_large_object = match entry.desc.as_str() {
        "BLOB" | "BLOB METADATA" => true,
        "ACL" | "COMMENT" | "SECURITY LABEL" => tag(entry).starts_with("LARGE OBJECT"),
        _ => false,
    };
    if is_setting(entry) {
        (false, false)
    } else if entry.desc == "SEQUENCE SET" || of_large_object {
        (false, true)
    } else if entry.desc == "MATERIALIZED VIEW DATA" {
        // pg_restore --data-only leaves materialized views as they were, and so without the rows that it loads.
        (true, true)
    } else {
        let is_note = definition.starts_with("-- load via partition root ");
        (!definition.is_empty() && !is_note, entry.had_dumper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::entry;

    #[test]
    fn entries_have_the_passes_and_parts_of_pg_restore() {
        let comment = |tag| entry(1, "COMMENT", tag);
        assert_eq!(pass(&comment("EVENT TRIGGER e")), Pass::Last);
        assert_eq!(pass(&comment("TABLE t")), Pass::Main);
        assert_eq!(pass(&entry(1, "DEFAULT ACL", "x")), Pass::Privileges);
        assert_eq!(parts(&entry(1, "TABLE", "t")), (true, false));
        assert_eq!(parts(&entry(1, "TABLE DATA", "t")), (false, true));
        assert_eq!(parts(&entry(1, "SEQUENCE SET", "s")), (false, true));
        assert_eq!(parts(&comment("LARGE OBJECT 7")), (false, true));
        assert_eq!(parts(&entry(1, "ENCODING", "ENCODING")), (false, false));
    }
}

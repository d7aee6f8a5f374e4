//! The statements that drop what an archive describes, where it exists (`RestoreArchive` with `--clean --if-exists` in
//! `pg_backup_archiver.c`).

use std::collections::{BTreeSet, HashSet};

use archive::Entry;

use crate::batches::Named;
use crate::entries::{describe, namespace, tag};

/// The statements that drop these entries' objects, which come in the order in which they have to be dropped.
///
/// Two things are done better than by pg_restore, which fails at them and goes on: a constraint that goes with its table is left
/// to it (that of a partition cannot be dropped by itself), and a type that a shell type came before is dropped with the functions
/// that it and they need each other for.
pub fn drops(entries: &[&Entry]) -> Vec<Named> {
    let tables: HashSet<u32> = entries
        .iter()
        .filter(|entry| entry.desc == "TABLE")
        .map(|entry| entry.dump_id)
        .collect();
    let shells: BTreeSet<(&str, &str)> = entries
        .iter()
        .filter(|entry| entry.desc == "SHELL TYPE")
        .map(|entry| (namespace(entry), tag(entry)))
        .collect();
    let goes_with_table = |entry: &Entry| {
        entry.desc == "CONSTRAINT"
            && entry
                .dependencies
                .iter()
                .any(|table| tables.contains(table))
    };
    entries
        .iter()
        .filter(|entry| !goes_with_table(entry))
        .filter_map(|entry| {
            let mut sql = drop_statement(entry)?;
            if entry.desc == "TYPE"
                && shells.contains(&(namespace(entry), tag(entry)))
                && !sql.ends_with(" CASCADE;")
            {
                sql = format!("{} CASCADE;", sql.trim_end_matches(';'));
            }
            Some(Named {
                entry: entry.dump_id,
                name: describe(entry),
                sql,
            })
        })
        .collect()
}

/// The statement that drops an entry's object if it is there; `None` for what goes with something else.
fn drop_statement(entry: &Entry) -> Option<String> {
    let statement = entry.drop_statement.as_deref()?.trim_end();
    if statement.is_empty() || statement.starts_with("--") {
        return None;
    }
    if entry.desc == "BLOB" {
        return Some(unlink(entry.oid));
    }
    // ALTER TABLE ... DROP CONSTRAINT: the table may be gone as well as the constraint.
    let (before, rest) = match statement.strip_prefix("ALTER TABLE") {
        Some(rest) => ("ALTER TABLE IF EXISTS", rest),
        None => ("", statement),
    };
    let has_no_if_exists = matches!(entry.desc.as_str(), "DEFAULT" | "DATABASE PROPERTIES");
    if has_no_if_exists || rest.starts_with("CREATE OR REPLACE VIEW") {
        return Some(format!("{before}{rest}"));
    }
    let verb = match entry.desc.as_str() {
        "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" => "DROP CONSTRAINT".to_owned(),
        desc => format!("DROP {desc}"),
    };
    Some(match rest.split_once(&verb) {
        Some((head, tail)) => format!("{before}{head}{verb} IF EXISTS{tail}"),
        None => format!("{before}{rest}"),
    })
}

/// `DropLOIfExists`.
fn unlink(oid: u32) -> String {
    format!(
        "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '{oid}';"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    /// What `pg_restore --clean --if-exists` of version 15 prints for these drop statements.
    #[test]
    fn drops_are_those_of_pg_restore() {
        for (desc, statement, expected) in [
            (
                "PUBLICATION",
                "DROP PUBLICATION pub;\n",
                "DROP PUBLICATION IF EXISTS pub;",
            ),
            (
                "POLICY",
                "DROP POLICY p ON public.t;\n",
                "DROP POLICY IF EXISTS p ON public.t;",
            ),
            (
                "FK CONSTRAINT",
                "ALTER TABLE ONLY s2.\"Odd Name\" DROP CONSTRAINT \"Odd Name_t_id_fkey\";\n",
                "ALTER TABLE IF EXISTS ONLY s2.\"Odd Name\" DROP CONSTRAINT IF EXISTS \"Odd Name_t_id_fkey\";",
            ),
            (
                "DEFAULT",
                "ALTER TABLE public.t ALTER COLUMN id DROP DEFAULT;\n",
                "ALTER TABLE IF EXISTS public.t ALTER COLUMN id DROP DEFAULT;",
            ),
            (
                "FUNCTION",
                "DROP FUNCTION public.f(integer, text);\n",
                "DROP FUNCTION IF EXISTS public.f(integer, text);",
            ),
            (
                "RULE",
                "CREATE OR REPLACE VIEW public.v AS\nSELECT\n    NULL::integer AS id;\n",
                "CREATE OR REPLACE VIEW public.v AS\nSELECT\n    NULL::integer AS id;",
            ),
            (
                "BLOB",
                "SELECT pg_catalog.lo_unlink('777');\n",
                "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '777';",
            ),
        ] {
            let mut entry = entry(1, desc, "public", "x", &[]);
            entry.oid = 777;
            entry.drop_statement = Some(statement.to_owned());
            assert_eq!(drop_statement(&entry).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_cannot_be_dropped_by_itself_goes_with_the_rest() {
        let mut key = entry(3, "CONSTRAINT", "public", "t t_pkey", &[1]);
        key.drop_statement = Some("ALTER TABLE ONLY public.t DROP CONSTRAINT t_pkey;\n".to_owned());
        let table = entry(1, "TABLE", "public", "t", &[]);
        let ranges = entry(4, "TYPE", "public", "ranges", &[]);
        let mut shell = entry(2, "SHELL TYPE", "public", "ranges", &[]);
        shell.drop_statement = None;
        let sql = |entries: &[&Entry]| -> Vec<String> {
            drops(entries).into_iter().map(|drop| drop.sql).collect()
        };
        assert_eq!(
            sql(&[&ranges, &key, &shell, &table]),
            [
                "DROP TYPE IF EXISTS public.ranges CASCADE;",
                "DROP TABLE IF EXISTS public.t;"
            ]
        );
        assert_eq!(
            sql(&[&ranges, &key]),
            [
                "DROP TYPE IF EXISTS public.ranges;",
                "ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS t_pkey;"
            ]
        );
    }

    #[test]
    fn what_initdb_creates_stays() {
        let mut public = entry(1, "SCHEMA", "", "public", &[]);
        public.drop_statement =
            Some("-- *not* dropping schema, since initdb creates it\n".to_owned());
        assert_eq!(drop_statement(&public), None);
        public.drop_statement = None;
        assert_eq!(drop_statement(&public), None);
    }
}

//! The statements that drop what an archive describes, where it exists (`RestoreArchive` with `--clean --if-exists` in
//! `pg_backup_archiver.c`).

use archive::Entry;

/// The statement that drops an entry's object if it is there; `None` for what goes with something else.
pub fn drop_statement(entry: &Entry) -> Option<String> {
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
    fn what_initdb_creates_stays() {
        let mut public = entry(1, "SCHEMA", "", "public", &[]);
        public.drop_statement =
            Some("-- *not* dropping schema, since initdb creates it\n".to_owned());
        assert_eq!(drop_statement(&public), None);
        public.drop_statement = None;
        assert_eq!(drop_statement(&public), None);
    }
}

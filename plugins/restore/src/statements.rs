//! The SQL of an entry: its definition, with what has to be set before it and the owner after it (`_printTocEntry` and
//! `_getObjectDescription` in `pg_backup_archiver.c`).

use archive::identifiers::{qualified, quote_identifier};
use archive::ownership::{new_owner, owned_object};
use archive::{Entry, Toc};

use crate::entries::{is_privilege, namespace, tag};
use crate::parameters::Parameters;

/// A group of large objects (archive version 1.16), each of which has the group's owner.
const LARGE_OBJECTS: &str = "BLOB METADATA";

/// Of a partitioned table, as in `pg_class.relkind`.
const PARTITIONED_TABLE: u8 = b'p';

/// How definitions are written out.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// `ALTER ... OWNER TO`.
    pub owners: bool,
    /// `SET default_tablespace`.
    pub tablespaces: bool,
    /// Archives of pg_dump before the security releases of 2018 expect each object's schema in the search path.
    pub search_path: bool,
}

impl Style {
    /// What the parameters ask for, in the way this archive needs.
    pub fn new(parameters: &Parameters, toc: &Toc) -> Style {
        Style {
            owners: !parameters.no_owner,
            tablespaces: !parameters.no_tablespaces,
            search_path: !toc.entries.iter().any(|entry| entry.desc == "SEARCHPATH"),
        }
    }

    /// The statements that create what the entry describes; empty when there is nothing to do. Each text stands for itself:
    /// it sets what it needs.
    pub fn statements(self, entry: &Entry) -> String {
        let mut sql = String::new();
        if entry.desc == LARGE_OBJECTS {
            return self.large_objects(entry);
        }
        let definition = entry.definition.as_deref().unwrap_or_default();
        let is_comment = definition.starts_with("--") && !definition.trim_end().contains('\n');
        if !definition.is_empty() && !is_comment {
            self.set(entry, &mut sql);
            if !self.owners && entry.desc == "SCHEMA" {
                // Old archives name the owner in CREATE SCHEMA.
                sql += &format!("CREATE SCHEMA {};\n", quote_identifier(tag(entry)));
            } else {
                sql += definition;
            }
            terminate(&mut sql);
        }
        if self.owners
            && let Some(owner) = new_owner(entry)
            && let Some(object) = owned_object(entry)
        {
            sql += &format!("ALTER {object} OWNER TO {};\n", quote_identifier(owner));
        }
        if let Some(method) = &entry.table_access_method
            && entry.relkind == PARTITIONED_TABLE
            && !method.is_empty()
        {
            let table = qualified(namespace(entry), tag(entry));
            sql += &format!(
                "ALTER TABLE {table} SET ACCESS METHOD {};\n",
                quote_identifier(method)
            );
        }
        sql
    }

    /// A group of large objects with one owner (archive version 1.16).
    fn large_objects(self, entry: &Entry) -> String {
        let mut sql = String::new();
        for oid in oids(entry) {
            sql += &format!("SELECT pg_catalog.lo_create('{oid}');\n");
            if let Some(owner) = entry.owner.as_deref().filter(|_| self.owners) {
                let owner = quote_identifier(owner);
                sql += &format!("ALTER LARGE OBJECT {oid} OWNER TO {owner};\n");
            }
        }
        sql
    }

    fn set(self, entry: &Entry, sql: &mut String) {
        if self.search_path && !namespace(entry).is_empty() {
            *sql += &format!(
                "SET search_path = {}, pg_catalog;\n",
                quote_identifier(namespace(entry))
            );
        }
        if let Some(tablespace) = &entry.tablespace
            && self.tablespaces
        {
            let value = if tablespace.is_empty() {
                "''".to_owned()
            } else {
                quote_identifier(tablespace)
            };
            *sql += &format!("SET default_tablespace = {value};\n");
        }
        if let Some(method) = &entry.table_access_method
            && entry.relkind != PARTITIONED_TABLE
            && !method.is_empty()
        {
            *sql += &format!(
                "SET default_table_access_method = {};\n",
                quote_identifier(method)
            );
        }
    }
}

/// The OIDs of a group of large objects.
pub fn oids(entry: &Entry) -> impl Iterator<Item = u32> {
    let definition = entry.definition.as_deref().unwrap_or_default();
    definition
        .lines()
        .filter_map(|line| line.trim().parse().ok())
}

/// The privileges on the first large object of a group, for all of them (`IssueACLPerBlob` in `pg_backup_archiver.c`). `None`
/// for other privileges.
pub fn privileges_of_group(entry: &Entry, toc: &Toc) -> Option<String> {
    const OBJECT: &str = "LARGE OBJECT ";
    if !is_privilege(entry) || !tag(entry).starts_with("LARGE OBJECTS ") {
        return None;
    }
    let group = toc
        .entries
        .iter()
        .find(|group| group.desc == LARGE_OBJECTS && entry.dependencies.contains(&group.dump_id))?;
    let template = entry.definition.as_deref().unwrap_or_default();
    let mut sql = String::new();
    for oid in oids(group) {
        let mut rest = template;
        while let Some(at) = rest.find(OBJECT) {
            let (before, after) = rest.split_at(at + OBJECT.len());
            sql += before;
            sql += &oid.to_string();
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        sql += rest;
        if !sql.ends_with('\n') {
            sql.push('\n');
        }
    }
    Some(sql)
}

/// Whether this restore knows how to give an entry its owner; pg_restore stops at one that it does not know.
pub fn owner_is_understood(entry: &Entry) -> bool {
    entry.desc == LARGE_OBJECTS || new_owner(entry).is_none() || owned_object(entry).is_some()
}

fn terminate(sql: &mut String) {
    let length = sql.trim_end().len();
    sql.truncate(length);
    // A line of its own, as the text may end in a comment.
    *sql += if sql.ends_with(';') { "\n" } else { "\n;\n" };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    const STYLE: Style = Style {
        owners: true,
        tablespaces: true,
        search_path: false,
    };

    #[test]
    fn a_table_is_created_where_it_was_and_given_to_its_owner() {
        let mut table = entry(1, "TABLE", "s", "Odd", &[]);
        table.tablespace = Some(String::new());
        table.table_access_method = Some("heap".to_owned());
        assert_eq!(
            STYLE.statements(&table),
            "SET default_tablespace = '';\nSET default_table_access_method = heap;\nCREATE TABLE Odd;\n\
             ALTER TABLE s.\"Odd\" OWNER TO app;\n"
        );
        let bare = Style {
            owners: false,
            tablespaces: false,
            search_path: true,
        };
        table.table_access_method = None;
        assert_eq!(
            bare.statements(&table),
            "SET search_path = s, pg_catalog;\nCREATE TABLE Odd;\n"
        );
    }

    #[test]
    fn a_group_of_large_objects_is_created_and_shared_one_by_one() {
        let mut group = entry(7, "BLOB METADATA", "", "11..12", &[]);
        group.definition = Some("11\n12\n".to_owned());
        assert_eq!(
            STYLE.statements(&group),
            "SELECT pg_catalog.lo_create('11');\nALTER LARGE OBJECT 11 OWNER TO app;\n\
             SELECT pg_catalog.lo_create('12');\nALTER LARGE OBJECT 12 OWNER TO app;\n"
        );
        let mut acl = entry(8, "ACL", "", "LARGE OBJECTS 11..12", &[7]);
        acl.definition = Some("GRANT SELECT ON LARGE OBJECT 11 TO reader;\n".to_owned());
        let mut toc = crate::selection::tests::toc();
        toc.entries = vec![group];
        assert_eq!(
            privileges_of_group(&acl, &toc).as_deref(),
            Some(
                "GRANT SELECT ON LARGE OBJECT 11 TO reader;\nGRANT SELECT ON LARGE OBJECT 12 TO reader;\n"
            )
        );
    }

    #[test]
    fn owners_are_named_as_each_kind_wants_it() {
        let mut function = entry(1, "FUNCTION", "s", "f(integer)", &[]);
        function.drop_statement = Some("DROP FUNCTION s.f(integer);\n".to_owned());
        assert!(
            STYLE
                .statements(&function)
                .ends_with("ALTER FUNCTION s.f(integer) OWNER TO app;\n")
        );
        let mut public = entry(1, "SCHEMA", "", "public", &[]);
        public.definition = Some("-- *not* creating schema, since initdb creates it\n".to_owned());
        assert_eq!(
            STYLE.statements(&public),
            "ALTER SCHEMA public OWNER TO app;\n"
        );
        assert!(
            !STYLE
                .statements(&entry(1, "DEFAULT", "s", "t id", &[]))
                .contains("OWNER")
        );
        assert!(
            !STYLE
                .statements(&entry(1, "ACL", "s", "TABLE t", &[]))
                .contains("OWNER")
        );
    }

    #[test]
    fn a_kind_that_is_not_known_is_found() {
        let mut unknown = entry(1, "MIRROR", "s", "m", &[]);
        assert!(!owner_is_understood(&unknown));
        unknown.owner = None;
        assert!(owner_is_understood(&unknown));
        assert!(owner_is_understood(&entry(1, "DEFAULT", "s", "t id", &[])));
    }
}

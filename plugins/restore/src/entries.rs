//! What a target has to do with an entry: the object that it makes there, what it is called in messages.

use archive::Entry;
pub use archive::kinds::{
    Pass, is_of_database, is_privilege, is_setting, namespace, parts, pass, tag,
};

/// Kinds of objects that a target is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `pg_namespace`.
    Schema,
    /// `pg_extension`.
    Extension,
    /// `pg_class`.
    Relation,
    /// `pg_type`, without those of relations.
    Type,
    /// `pg_proc`.
    Function,
    /// `pg_largeobject_metadata`.
    LargeObject,
}

/// An object's identity in a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The catalog that it is in.
    pub kind: ObjectKind,
    /// Empty for what is in no schema.
    pub schema: String,
    /// Of a function with the types of its arguments: `f(integer, text)`.
    pub name: String,
}

impl Object {
    /// As messages name it: `relation public.users`.
    pub fn describe(&self) -> String {
        let kind = match self.kind {
            ObjectKind::Schema => "schema",
            ObjectKind::Extension => "extension",
            ObjectKind::Relation => "relation",
            ObjectKind::Type => "type",
            ObjectKind::Function => "function",
            ObjectKind::LargeObject => "large object",
        };
        let separator = if self.schema.is_empty() { "" } else { "." };
        format!("{kind} {}{separator}{}", self.schema, self.name)
    }
}

/// As messages name it: `TABLE DATA public.users (entry 3392)`.
pub fn describe(entry: &Entry) -> String {
    let separator = if namespace(entry).is_empty() { "" } else { "." };
    format!(
        "{} {}{separator}{} (entry {})",
        entry.desc,
        namespace(entry),
        tag(entry),
        entry.dump_id
    )
}

/// Can be chosen by a pattern.
pub fn is_relation(entry: &Entry) -> bool {
    matches!(
        entry.desc.as_str(),
        "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE"
    )
}

/// The object that an entry creates, where it can be looked for in a target.
pub fn object(entry: &Entry) -> Option<Object> {
    let (kind, schema) = match entry.desc.as_str() {
        "SCHEMA" => (ObjectKind::Schema, ""),
        "EXTENSION" => (ObjectKind::Extension, ""),
        "TYPE" | "DOMAIN" | "SHELL TYPE" => (ObjectKind::Type, namespace(entry)),
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => (ObjectKind::Function, namespace(entry)),
        "BLOB" => (ObjectKind::LargeObject, ""),
        _ if is_relation(entry) => (ObjectKind::Relation, namespace(entry)),
        _ => return None,
    };
    Some(Object {
        kind,
        schema: schema.to_owned(),
        name: tag(entry).to_owned(),
    })
}

/// The rows of a partition that go through its root (`is_load_via_partition_root`): loads of several may meet in one table.
pub fn loads_via_root(entry: &Entry) -> bool {
    if entry
        .definition
        .as_deref()
        .is_some_and(|text| text.starts_with("-- load via partition root "))
    {
        return true;
    }
    let copy = entry.copy_statement.as_deref().unwrap_or_default();
    let Some(target) = copy.strip_prefix("COPY ") else {
        return false;
    };
    !crate::names::spellings(namespace(entry))
        .iter()
        .any(|schema| {
            crate::names::spellings(tag(entry))
                .iter()
                .any(|name| target.starts_with(&format!("{schema}.{name} ")))
        })
}

#[cfg(test)]
pub mod tests {
    use archive::Section;

    use super::*;

    /// An entry with the fields that decisions are made from.
    pub fn entry(
        dump_id: u32,
        desc: &str,
        namespace: &str,
        tag: &str,
        dependencies: &[u32],
    ) -> Entry {
        let section = match desc {
            "ACL" | "COMMENT" | "SECURITY LABEL" => Section::None,
            "TABLE DATA" | "SEQUENCE SET" | "BLOBS" => Section::Data,
            "CONSTRAINT"
            | "CHECK CONSTRAINT"
            | "FK CONSTRAINT"
            | "INDEX"
            | "INDEX ATTACH"
            | "TRIGGER"
            | "RULE"
            | "POLICY"
            | "ROW SECURITY"
            | "STATISTICS"
            | "MATERIALIZED VIEW DATA"
            | "EVENT TRIGGER"
            | "DEFAULT ACL"
            | "PUBLICATION"
            | "PUBLICATION TABLE" => Section::PostData,
            _ => Section::PreData,
        };
        let data = matches!(desc, "TABLE DATA" | "BLOBS");
        Entry {
            had_dumper: data,
            definition: (!data).then(|| format!("CREATE {desc} {tag};\n")),
            drop_statement: (section == Section::PreData && desc != "SEQUENCE OWNED BY")
                .then(|| format!("DROP {desc} {namespace}.{tag};\n")),
            copy_statement: (desc == "TABLE DATA")
                .then(|| format!("COPY {namespace}.{tag} (id) FROM stdin;\n")),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            // Extensions have no owner in an archive.
            owner: (desc != "EXTENSION").then(|| "app".to_owned()),
            dependencies: dependencies.to_vec(),
            filename: if desc == "TABLE DATA" {
                format!("{dump_id}.dat")
            } else {
                String::new()
            },
            ..Entry::new(dump_id, desc, section, tag)
        }
    }

    #[test]
    fn a_load_through_the_root_is_found_by_its_copy() {
        let mut data = entry(1, "TABLE DATA", "s", "Odd Name", &[]);
        data.copy_statement = Some("COPY s.\"Odd Name\" (id) FROM stdin;\n".to_owned());
        assert!(!loads_via_root(&data));
        data.copy_statement = Some("COPY s.root (id) FROM stdin;\n".to_owned());
        assert!(loads_via_root(&data));
    }
}

//! One entry of a table of contents: an object of the database, or its data.

/// When pg_restore applies an entry (`teSection` in `pg_backup.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Applied with the object that it belongs to: ACL, COMMENT, SECURITY LABEL.
    None = 1,
    /// Before the data.
    PreData = 2,
    /// The data.
    Data = 3,
    /// After the data.
    PostData = 4,
}

/// An entry as `toc.dat` stores it (`WriteToc` in `pg_backup_archiver.c`). `None` is the format's NULL string, which is not
/// the same as an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique in the archive, above 0.
    pub dump_id: u32,
    /// The entry has data of its own: TABLE DATA, BLOBS.
    pub had_dumper: bool,
    /// OID of the system catalog that holds the object; 0 for none.
    pub catalog_oid: u32,
    /// OID of the object; 0 for none.
    pub oid: u32,
    /// The object's name, as pg_dump writes it for this kind.
    pub tag: Option<String>,
    /// The kind: `TABLE`, `INDEX`, `TABLE DATA`, ...
    pub desc: String,
    /// When it is applied.
    pub section: Section,
    /// SQL that creates it.
    pub definition: Option<String>,
    /// SQL that drops it.
    pub drop_statement: Option<String>,
    /// `COPY s.t (cols) FROM stdin;\n`
    pub copy_statement: Option<String>,
    /// The schema that it is in.
    pub namespace: Option<String>,
    /// Empty for the default one; `None` where a kind has none.
    pub tablespace: Option<String>,
    /// Of a table: `heap`. Written from archive version 1.14 on.
    pub table_access_method: Option<String>,
    /// Written from archive version 1.16 on; 0 for none.
    pub relkind: u8,
    /// The role that owns it.
    pub owner: Option<String>,
    /// Dump ids of what must be there first.
    pub dependencies: Vec<u32>,
    /// Directory format: name of the data file without the suffix of its compression; empty for none.
    pub filename: String,
}

impl Entry {
    /// An entry with nothing but its essentials.
    pub fn new(dump_id: u32, desc: &str, section: Section, tag: impl Into<String>) -> Entry {
        Entry {
            dump_id,
            had_dumper: false,
            catalog_oid: 0,
            oid: 0,
            tag: Some(tag.into()),
            desc: desc.to_owned(),
            section,
            definition: None,
            drop_statement: None,
            copy_statement: None,
            namespace: None,
            tablespace: None,
            table_access_method: None,
            relkind: 0,
            owner: None,
            dependencies: Vec::new(),
            filename: String::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry in no schema and without an owner.
    pub(crate) fn entry(dump_id: u32, desc: &str, tag: &str) -> Entry {
        let data = matches!(desc, "TABLE DATA" | "BLOBS");
        let section = match desc {
            "ACL" | "COMMENT" => Section::None,
            "TABLE DATA" | "BLOBS" | "SEQUENCE SET" => Section::Data,
            "INDEX" | "EVENT TRIGGER" => Section::PostData,
            _ => Section::PreData,
        };
        Entry {
            had_dumper: data,
            definition: (!data).then(|| format!("{desc} {tag};\n")),
            copy_statement: (desc == "TABLE DATA")
                .then(|| "COPY s.t (id) FROM stdin;\n".to_owned()),
            ..Entry::new(dump_id, desc, section, tag)
        }
    }
}

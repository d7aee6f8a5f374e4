//! Large objects, as archives before 1.16 have them: an entry for each, and one for the bytes of all.

use archive::{Entry, Section};

use super::writer::{Subject, Writer, entry};
use crate::model::{CatalogId, class};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let object = &writer.catalog.large_objects[at];
    let id = CatalogId::new(class::LARGE_OBJECT, object.oid);
    writer.add(Entry {
        definition: Some(format!("SELECT pg_catalog.lo_create('{}');\n", object.oid)),
        drop_statement: Some(format!("SELECT pg_catalog.lo_unlink('{}');\n", object.oid)),
        owner: Some(object.owner.to_string()),
        ..entry(dump_id, id, "BLOB", Section::PreData, &*object.name)
    });
    let subject = Subject {
        kind: "LARGE OBJECT",
        name: &object.name,
        schema: None,
        owner: &object.owner,
        dump_id,
    };
    writer.annotate(subject, id);
    writer.access(subject, &object.access, None);
}

pub fn data(writer: &mut Writer<'_>, dump_id: u32) {
    writer.add(Entry {
        had_dumper: true,
        filename: "blobs.toc".to_owned(),
        ..entry(
            dump_id,
            CatalogId::default(),
            "BLOBS",
            Section::Data,
            "BLOBS",
        )
    });
}

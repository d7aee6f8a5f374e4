//! What every archive begins with: how its SQL is to be understood.

use archive::{Entry, Section};

use super::writer::{Writer, entry};
use crate::identifiers::quote_literal;
use crate::model::CatalogId;

/// ENCODING, STDSTRINGS and SEARCHPATH, in the words that pg_restore looks for (`ReadToc`).
pub fn write(writer: &mut Writer<'_>, encoding: &str) {
    let statements = [
        (
            "ENCODING",
            format!("SET client_encoding = {};\n", quote_literal(encoding)),
        ),
        (
            "STDSTRINGS",
            "SET standard_conforming_strings = 'on';\n".to_owned(),
        ),
        (
            "SEARCHPATH",
            "SELECT pg_catalog.set_config('search_path', '', false);\n".to_owned(),
        ),
    ];
    for (desc, statement) in statements {
        let dump_id = writer.fresh_id();
        writer.add(Entry {
            definition: Some(statement),
            ..entry(dump_id, CatalogId::default(), desc, Section::PreData, desc)
        });
    }
}

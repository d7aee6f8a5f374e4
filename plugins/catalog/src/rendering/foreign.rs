//! CREATE FOREIGN DATA WRAPPER, CREATE SERVER and CREATE USER MAPPING.

use archive::{Entry, Section};

use super::writer::{Standalone, Writer, entry};
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::{CatalogId, ForeignServer};
use crate::selection::Components;

pub fn wrapper(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let wrapper = &writer.catalog.foreign_data_wrappers[at];
    let name = wrapper.header.qualified();
    let mut sql = format!("CREATE FOREIGN DATA WRAPPER {name}");
    if let Some(handler) = &wrapper.handler {
        sql.push_str(&format!(" HANDLER {handler}"));
    }
    if let Some(validator) = &wrapper.validator {
        sql.push_str(&format!(" VALIDATOR {validator}"));
    }
    sql.push_str(&options(" ", &wrapper.options));
    let object = Standalone::new(
        "FOREIGN DATA WRAPPER",
        sql + ";\n",
        format!("DROP FOREIGN DATA WRAPPER {name};\n"),
    );
    let access = Some(("FOREIGN DATA WRAPPER", &wrapper.access));
    writer.add_standalone(dump_id, &wrapper.header, access, object);
}

pub fn server(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let server = &writer.catalog.foreign_servers[at];
    let name = server.header.qualified();
    let mut sql = format!("CREATE SERVER {name}");
    if let Some(kind) = &server.kind {
        sql.push_str(&format!(" TYPE {}", quote_literal(kind)));
    }
    if let Some(version) = &server.version {
        sql.push_str(&format!(" VERSION {}", quote_literal(version)));
    }
    sql.push_str(&format!(
        " FOREIGN DATA WRAPPER {}{};\n",
        quote_identifier(&server.wrapper),
        options(" ", &server.options)
    ));
    let object = Standalone::new("SERVER", sql, format!("DROP SERVER {name};\n"));
    let access = Some(("FOREIGN SERVER", &server.access));
    writer.add_standalone(dump_id, &server.header, access, object);
    if server.header.dump.has(Components::DEFINITION) {
        user_mappings(writer, server);
    }
}

fn user_mappings(writer: &mut Writer<'_>, server: &ForeignServer) {
    for mapping in &server.mappings {
        let subject = format!(
            "{} SERVER {}",
            quote_identifier(&mapping.user),
            server.header.qualified()
        );
        let dump_id = writer.fresh_id();
        if mapping.user != "public" {
            writer.roles.insert(mapping.user.clone());
        }
        writer.add(Entry {
            definition: Some(format!(
                "CREATE USER MAPPING FOR {subject}{};\n",
                options(" ", &mapping.options)
            )),
            drop_statement: Some(format!("DROP USER MAPPING FOR {subject};\n")),
            owner: server.header.owner.as_deref().map(str::to_owned),
            ..entry(
                dump_id,
                CatalogId::default(),
                "USER MAPPING",
                Section::PreData,
                format!(
                    "USER MAPPING {} SERVER {}",
                    mapping.user, server.header.name
                ),
            )
        });
    }
}

/// `OPTIONS (...)` behind a separator, or nothing.
pub fn options(separator: &str, options: &str) -> String {
    if options.is_empty() {
        String::new()
    } else {
        format!("{separator}OPTIONS (\n    {options}\n)")
    }
}

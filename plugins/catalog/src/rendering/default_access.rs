//! ALTER DEFAULT PRIVILEGES.

use archive::{Entry, Section};

use super::access::{self, Privileges};
use super::writer::{Writer, entry};
use crate::error::Error;
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, class};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) -> Result<(), Error> {
    let default = &writer.catalog.default_access[at];
    let kind = match default.object_type.as_str() {
        "r" => "TABLES",
        "S" => "SEQUENCES",
        "f" => "FUNCTIONS",
        "T" => "TYPES",
        "n" => "SCHEMAS",
        // New in 18.
        "L" => "LARGE OBJECTS",
        other => {
            return Err(Error::unexpected(
                "default privileges",
                format!("the object type {other:?}"),
            ));
        }
    };
    let mut prefix = format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {} ",
        quote_identifier(&default.role)
    );
    if let Some(schema) = &default.schema {
        prefix.push_str(&format!("IN SCHEMA {} ", quote_identifier(schema)));
    }
    let privileges = Privileges {
        kind,
        object: None,
        column: None,
        owner: &default.role,
        prefix: &prefix,
    };
    let acl = default.access.acl.as_deref().unwrap_or_default();
    let statements =
        access::statements(&privileges, acl, &default.access.default, &mut writer.roles);
    let definition = statements.ok_or_else(|| {
        Error::unexpected("default privileges", format!("the privileges {acl:?}"))
    })?;
    writer.add(Entry {
        definition: Some(definition),
        namespace: default.schema.as_ref().map(ToString::to_string),
        owner: Some(default.role.to_string()),
        ..entry(
            dump_id,
            CatalogId::new(class::DEFAULT_ACL, default.oid),
            "DEFAULT ACL",
            Section::PostData,
            format!("DEFAULT PRIVILEGES FOR {kind}"),
        )
    });
    Ok(())
}

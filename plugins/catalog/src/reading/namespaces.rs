//! Schemas, also the server's: every object is linked to one.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{CatalogId, Namespace, class};
use crate::selection::{Components, Selection};

pub fn read(
    reader: &mut Reader<'_>,
    selection: &mut Selection<'_>,
) -> Result<Vec<Namespace>, Error> {
    let mut namespaces = Vec::new();
    reader.rows(
        "schemas",
        &[
            "oid",
            "nspname",
            "nspowner",
            "nspowner",
            "nspacl",
            "acldefault('n', nspowner)",
        ],
        "FROM pg_namespace ORDER BY oid",
        |row| {
            let mut namespace = Namespace {
                oid: row.oid()?,
                name: row.text()?.into(),
                owner_oid: row.oid()?,
                owner: row.role()?,
                access: row.access()?,
                create: true,
                dump: Components::NONE,
                contents: Components::NONE,
            };
            selection.decide_schema(&mut namespace);
            // What an extension brings along is not created again; objects in it that do not belong to it are dumped.
            if let Some(member) =
                selection.of_member(CatalogId::new(class::NAMESPACE, namespace.oid))
            {
                namespace.dump = member;
            }
            namespaces.push(namespace);
            Ok(())
        },
    )?;
    Ok(namespaces)
}

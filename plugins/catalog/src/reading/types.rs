//! Types: all of them, since functions are told apart by the names of their arguments' types.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{CatalogId, Relation, RelationKind, Type, TypeKind, class};
use crate::selection::{Components, Selection};

pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
    relations: &[Relation],
) -> Result<Vec<Type>, Error> {
    let mut types = Vec::new();
    reader.rows(
        "types",
        &[
            "t.oid",
            "t.typname",
            "t.typnamespace",
            "t.typowner",
            "t.typacl",
            "CASE WHEN t.typacl IS NOT NULL THEN acldefault('T', t.typowner) END",
            "t.typtype",
            "t.typrelid",
            // The array of another type, which is made with it.
            "t.typelem <> 0 AND (SELECT e.typarray FROM pg_type e WHERE e.oid = t.typelem) = t.oid",
            "format_type(t.oid, NULL)",
        ],
        "FROM pg_type t ORDER BY t.oid",
        |row| {
            let (oid, name, (schema_oid, schema)) = (row.oid()?, row.text()?, row.schema()?);
            let (owner, access) = (row.role()?, row.access()?);
            let (letter, relation, is_array) = (row.letter()?, row.oid()?, row.flag()?);
            let id = CatalogId::new(class::TYPE, oid);
            let mut dump = selection.of(id, schema_oid);
            // Details are read later, for those that are dumped.
            let mut kind = TypeKind::Undescribed;
            if relation != 0 {
                let found = relations
                    .binary_search_by_key(&relation, |relation| relation.oid)
                    .ok()
                    .map(|at| &relations[at]);
                if found.is_some_and(|found| found.kind == RelationKind::CompositeType) {
                    kind = TypeKind::Composite(Vec::new());
                } else {
                    kind = TypeKind::Automatic;
                    dump = found.map_or(Components::NONE, |found| found.dump);
                }
            } else if is_array || letter == 'm' {
                kind = TypeKind::Automatic;
            }
            types.push(Type {
                oid,
                name,
                schema,
                owner,
                access,
                kind,
                relation,
                formatted: row.text()?,
                dump,
            });
            Ok(())
        },
    )?;
    Ok(types)
}

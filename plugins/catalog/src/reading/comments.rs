//! Comments of every class, by object.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::CatalogId;

pub fn read(reader: &mut Reader<'_>) -> Result<HashMap<CatalogId, Vec<(i32, String)>>, Error> {
    let mut comments: HashMap<CatalogId, Vec<(i32, String)>> = HashMap::new();
    reader.rows(
        "comments",
        &["classoid", "objoid", "objsubid", "description"],
        // Of the server's own objects only the schema public can have one that is the user's.
        "FROM pg_description WHERE objoid >= 16384 OR classoid = 'pg_namespace'::regclass ORDER BY classoid, objoid, objsubid",
        |row| {
            let object = CatalogId::new(row.oid()?, row.oid()?);
            comments.entry(object).or_default().push((row.number()?, row.text()?));
            Ok(())
        },
    )?;
    Ok(comments)
}

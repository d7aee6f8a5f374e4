//! Large objects: who owns them and who may use them. Their bytes are read elsewhere.

use super::rows::Reader;
use crate::error::Error;
use crate::model::LargeObjectMetadata;

pub fn read(reader: &mut Reader<'_>) -> Result<Vec<LargeObjectMetadata>, Error> {
    let mut objects = Vec::new();
    let columns = ["oid", "lomowner", "lomacl", "acldefault('L', lomowner)"];
    reader.rows(
        "large objects",
        &columns,
        "FROM pg_largeobject_metadata ORDER BY oid",
        |row| {
            let oid = row.oid()?;
            objects.push(LargeObjectMetadata {
                oid,
                name: oid.to_string(),
                owner: row.role()?,
                access: row.access()?,
            });
            Ok(())
        },
    )?;
    Ok(objects)
}

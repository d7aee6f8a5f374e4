//! Security labels of every class, by object.

use std::collections::HashMap;

use super::rows::Reader;
use crate::error::Error;
use crate::model::{CatalogId, SecurityLabel};

pub fn read(reader: &mut Reader<'_>) -> Result<HashMap<CatalogId, Vec<SecurityLabel>>, Error> {
    let mut labels: HashMap<CatalogId, Vec<SecurityLabel>> = HashMap::new();
    reader.rows(
        "security labels",
        &["classoid", "objoid", "objsubid", "provider", "label"],
        // Labels of objects that all databases share: of those, a database and its subscriptions belong to its archive.
        "FROM (SELECT classoid, objoid, objsubid, provider, label FROM pg_seclabel \
         UNION ALL SELECT classoid, objoid, 0, provider, label FROM pg_shseclabel \
         WHERE classoid IN ('pg_subscription'::regclass, 'pg_database'::regclass)) l \
         ORDER BY classoid, objoid, objsubid, provider",
        |row| {
            let object = CatalogId::new(row.oid()?, row.oid()?);
            let label = SecurityLabel {
                part: row.number()?,
                provider: row.text()?,
                label: row.text()?,
            };
            labels.entry(object).or_default().push(label);
            Ok(())
        },
    )?;
    Ok(labels)
}

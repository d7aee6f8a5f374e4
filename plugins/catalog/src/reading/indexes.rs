//! Indexes of the tables and materialized views that are dumped.

use std::collections::HashMap;

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Index, Relation};

pub fn read(reader: &mut Reader<'_>, relations: &[Relation]) -> Result<Vec<Index>, Error> {
    let version = reader.version;
    let chosen = relations
        .iter()
        .filter(|relation| relation.has_indexes && relation.is_interesting);
    // An index that is not valid is left from an interrupted CREATE INDEX CONCURRENTLY, but for one of a partitioned table.
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_index i ON i.indrelid = src.oid JOIN pg_class t ON t.oid = i.indexrelid \
         JOIN pg_class r ON r.oid = i.indrelid LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid \
         WHERE (i.indisvalid OR r.relkind = 'p') AND i.indisready ORDER BY i.indrelid, t.relname",
        unnest(chosen.map(|relation| relation.oid))
    );
    let statistics = |what: &str| {
        format!(
            "(SELECT array_agg({what} ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = i.indexrelid AND attstattarget >= 0)"
        )
    };
    let mut indexes: Vec<Index> = Vec::new();
    reader.rows(
        "indexes",
        &[
            "t.oid",
            "t.relname",
            "i.indrelid",
            "pg_get_indexdef(i.indexrelid)",
            "i.indkey",
            "i.indnkeyatts",
            "i.indisclustered",
            "i.indisreplident",
            // New in 15.
            version.since(15, "i.indnullsnotdistinct", "false"),
            "(SELECT s.spcname FROM pg_tablespace s WHERE s.oid = t.reltablespace)",
            "t.reloptions",
            &statistics("attnum"),
            &statistics("attstattarget"),
            "coalesce(h.inhparent, 0)",
        ],
        &from,
        |row| {
            let (oid, name, table) = (row.oid()?, row.text()?, row.oid()?);
            let Ok(table) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
                return Err(
                    row.unexpected(format!("index {name} of a table that was not asked for"))
                );
            };
            indexes.push(Index {
                oid,
                name,
                table,
                definition: row.text()?,
                columns: row.vector()?,
                key_columns: row.number()?,
                is_clustered: row.flag()?,
                is_replica_identity: row.flag()?,
                nulls_not_distinct: row.flag()?,
                tablespace: Some(row.text()?),
                options: row.list()?,
                statistics: row.list()?.into_iter().zip(row.list()?).collect(),
                parent: row.oid()?,
                parent_position: None,
                constraint: None,
            });
            Ok(())
        },
    )?;
    let by_oid: HashMap<u32, usize> = indexes
        .iter()
        .enumerate()
        .map(|(at, index)| (index.oid, at))
        .collect();
    for index in &mut indexes {
        index.parent_position = by_oid.get(&index.parent).copied();
    }
    Ok(indexes)
}

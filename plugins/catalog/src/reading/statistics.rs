//! Extended statistics of the tables that are dumped.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{ExtendedStatistics, Relation, class};
use crate::selection::{Components, Selection};

pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
    relations: &[Relation],
) -> Result<Vec<ExtendedStatistics>, Error> {
    let mut statistics = Vec::new();
    reader.rows(
        "extended statistics",
        &[
            "oid",
            "stxname",
            "stxnamespace",
            "stxowner",
            "stxrelid",
            "pg_get_statisticsobjdef(oid)",
            // NULL for the default since 17, -1 before.
            "nullif(stxstattarget, -1)",
        ],
        "FROM pg_statistic_ext WHERE oid >= 16384 ORDER BY oid",
        |row| {
            let mut header = row.header(class::STATISTIC_EXT, selection)?;
            let table = row.oid()?;
            let is_dumped = relations
                .binary_search_by_key(&table, |relation| relation.oid)
                .is_ok_and(|at| relations[at].dump.has(Components::DEFINITION));
            if !is_dumped {
                header.dump = Components::NONE;
            }
            statistics.push(ExtendedStatistics {
                header,
                definition: row.text()?,
                target: row.optional_number()?,
            });
            Ok(())
        },
    )?;
    Ok(statistics)
}

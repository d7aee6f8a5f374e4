//! Logical replication: publications with what they publish, subscriptions.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Publication, PublishedSchema, PublishedTable, Relation, Subscription, class};
use crate::selection::Selection;

pub fn publications(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Publication>, Error> {
    let version = reader.version;
    let mut publications = Vec::new();
    reader.rows(
        "publications",
        &[
            "oid",
            "pubname",
            "NULL",
            "pubowner",
            "puballtables",
            "array_remove(ARRAY[CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END, \
             CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END], NULL)",
            "pubviaroot",
            // New in 18.
            version.since(18, "pubgencols = 's'", "false"),
        ],
        "FROM pg_publication ORDER BY oid",
        |row| {
            publications.push(Publication {
                header: row.header(class::PUBLICATION, selection)?,
                all_tables: row.flag()?,
                operations: row.list()?,
                via_root: row.flag()?,
                generated_columns: row.flag()?,
            });
            Ok(())
        },
    )?;
    Ok(publications)
}

fn position(publications: &[Publication], oid: u32) -> Option<usize> {
    publications
        .iter()
        .position(|publication| publication.header.id.oid == oid)
}

pub fn tables(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
    publications: &[Publication],
    relations: &[Relation],
) -> Result<Vec<PublishedTable>, Error> {
    let version = reader.version;
    let mut tables = Vec::new();
    reader.rows(
        "tables of publications",
        &[
            "r.oid",
            "c.relname",
            "NULL",
            "p.pubowner",
            "r.prpubid",
            "r.prrelid",
            // Lists of columns and conditions are new in 15.
            version.since(
                15,
                "ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs) \
                 ORDER BY a.attnum)",
                "'{}'",
            ),
            version.since(15, "pg_get_expr(r.prqual, r.prrelid)", "NULL"),
        ],
        "FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid ORDER BY r.oid",
        |row| {
            let mut header = row.header(class::PUBLICATION_REL, selection)?;
            let publication = position(publications, row.oid()?);
            let table = row.oid()?;
            let table = relations.binary_search_by_key(&table, |relation| relation.oid);
            let (columns, condition) = (row.list()?, row.optional()?);
            if let (Some(publication), Ok(table)) = (publication, table) {
                header.schema = Some(relations[table].schema.clone());
                tables.push(PublishedTable {
                    header,
                    publication,
                    table,
                    columns,
                    condition,
                });
            }
            Ok(())
        },
    )?;
    Ok(tables)
}

/// New in 15.
pub fn schemas(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
    publications: &[Publication],
) -> Result<Vec<PublishedSchema>, Error> {
    let mut schemas = Vec::new();
    if !reader.version.at_least(15) {
        return Ok(schemas);
    }
    reader.rows(
        "schemas of publications",
        &["s.oid", "n.nspname", "NULL", "p.pubowner", "s.pnpubid"],
        "FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid \
         JOIN pg_namespace n ON n.oid = s.pnnspid ORDER BY s.oid",
        |row| {
            let header = row.header(class::PUBLICATION_NAMESPACE, selection)?;
            if let Some(publication) = position(publications, row.oid()?) {
                schemas.push(PublishedSchema {
                    header,
                    publication,
                });
            }
            Ok(())
        },
    )?;
    Ok(schemas)
}

/// Those of this database. Their connections have passwords: superusers alone may read them, and for others the dump fails where there is
/// one (`coverage.rs`).
pub fn subscriptions(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Subscription>, Error> {
    let version = reader.version;
    let mut subscriptions = Vec::new();
    if !reader.is_superuser {
        return Ok(subscriptions);
    }
    reader.rows(
        "subscriptions",
        &[
            "oid",
            "subname",
            "NULL",
            "subowner",
            "subconninfo",
            "subpublications",
            "subslotname",
            // New in 14.
            version.since(14, "subbinary", "false"),
            // New in 14; a flag in 14 and 15.
            version.since(
                16,
                "substream",
                version.since(14, "CASE WHEN substream THEN 't' ELSE 'f' END", "''"),
            ),
            // New in 15.
            version.since(15, "subtwophasestate <> 'd'", "false"),
            version.since(15, "subdisableonerr", "false"),
            // New in 16. Before, changes were always applied as the owner of the subscription; but a server of that time does
            // not know the word, and a newer one is not the same server any more.
            version.since(16, "subpasswordrequired", "true"),
            version.since(16, "subrunasowner", "false"),
            // New in 17.
            version.since(17, "subfailover", "false"),
            "subsynccommit",
            // New in 16.
            version.since(16, "suborigin", "'any'"),
        ],
        "FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY oid",
        |row| {
            subscriptions.push(Subscription {
                header: row.header(class::SUBSCRIPTION, selection)?,
                connection: row.text()?,
                publications: row.list()?,
                slot: row.optional()?,
                binary: row.flag()?,
                streaming: row.letter()?,
                two_phase: row.flag()?,
                disable_on_error: row.flag()?,
                password_required: row.flag()?,
                run_as_owner: row.flag()?,
                failover: row.flag()?,
                synchronous_commit: row.text()?,
                origin: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(subscriptions)
}

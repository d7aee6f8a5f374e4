//! Columns of tables, their defaults and NOT NULL constraints.

use super::rows::{Reader, Row};
use super::sql::{changed_collation, options, unnest};
use crate::error::Error;
use crate::model::{Column, ColumnDefault, NotNull, Relation, RelationKind};
use crate::version::ServerVersion;

/// Reads the columns of every interesting relation.
pub fn read(reader: &mut Reader<'_>, relations: &mut [Relation]) -> Result<(), Error> {
    let version = reader.version;
    let chosen = relations
        .iter()
        .filter(|relation| relation.is_interesting && relation.kind != RelationKind::Sequence);
    let mut from = format!(
        "FROM {} AS src(oid) JOIN pg_attribute a ON a.attrelid = src.oid LEFT JOIN pg_type t ON t.oid = a.atttypid",
        unnest(chosen.map(|relation| relation.oid))
    );
    // NOT NULL became a constraint with a name in 18; NOT VALID ones are objects of their own.
    if version.at_least(18) {
        from.push_str(
            " LEFT JOIN pg_constraint n ON n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] \
             LEFT JOIN pg_description nd ON nd.classoid = 'pg_constraint'::regclass AND nd.objoid = n.oid",
        );
    }
    from.push_str(" WHERE a.attnum > 0 ORDER BY a.attrelid, a.attnum");
    let collation = changed_collation("a.attcollation", "t.typcollation");
    let foreign_options = options("a.attfdwoptions");
    reader.rows(
        "columns",
        &[
            "a.attrelid",
            "a.attnum",
            "a.attname",
            "format_type(t.oid, a.atttypmod)",
            "a.attisdropped",
            "a.attislocal",
            "coalesce(a.attstattarget, -1)",
            "CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END",
            // New in 14.
            version.since(14, "a.attcompression", "''"),
            "array_to_string(a.attoptions, ', ')",
            &foreign_options,
            &collation,
            "a.attidentity",
            "a.attgenerated",
            version.since(18, "n.conname", "CASE WHEN a.attnotnull THEN '' END"),
            version.since(18, "n.convalidated", "true"),
            version.since(18, "nd.description", "NULL"),
            version.since(18, "n.connoinherit", "false"),
            version.since(18, "n.conislocal", "true"),
        ],
        &from,
        |row| {
            let oid = row.oid()?;
            let number: usize = row.number()?;
            let Ok(at) = relations.binary_search_by_key(&oid, |relation| relation.oid) else {
                return Err(row.unexpected(format!(
                    "a column of a table that was not asked for, OID {oid}"
                )));
            };
            let relation = &mut relations[at];
            if number != relation.columns.len() + 1 {
                return Err(row.unexpected(format!(
                    "number {number} of a column of {}",
                    relation.qualified()
                )));
            }
            let column = column(row, version, &relation.name)?;
            relation.columns.push(column);
            Ok(())
        },
    )
}

fn column(row: &mut Row<'_>, version: ServerVersion, table: &str) -> Result<Column, Error> {
    let mut column = Column {
        name: row.text()?,
        type_name: row.text()?,
        is_dropped: row.flag()?,
        is_local: row.flag()?,
        statistics: row.number()?,
        storage: row.optional()?.and_then(|storage| storage.chars().next()),
        compression: row.letter()?,
        options: row.text()?,
        foreign_options: row.text()?,
        collation: row.optional()?,
        identity: row.letter()?,
        generated: row.letter()?,
        default: None,
        not_null: None,
        has_invalid_not_null: false,
    };
    let constraint = row.optional()?;
    let is_valid = row.flag()?;
    let comment = row.optional()?;
    let (no_inherit, is_local) = (row.flag()?, row.flag()?);
    column.has_invalid_not_null = constraint.is_some() && !is_valid;
    if let Some(name) = constraint.filter(|_| is_valid) {
        // A comment needs a name to refer to; the server's own choice of a name need not be repeated.
        let is_default = name == format!("{table}_{}_not_null", column.name) && comment.is_none();
        let name = Some(name).filter(|_| version.at_least(18) && !is_default);
        column.not_null = Some(NotNull {
            name,
            comment,
            no_inherit,
            is_local,
        });
    }
    Ok(column)
}

/// Reads defaults and generation expressions.
pub fn defaults(reader: &mut Reader<'_>, relations: &mut [Relation]) -> Result<(), Error> {
    let chosen = relations
        .iter()
        .filter(|relation| relation.is_interesting && relation.kind != RelationKind::Sequence);
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_attrdef d ON d.adrelid = src.oid ORDER BY d.adrelid, d.adnum",
        unnest(chosen.map(|relation| relation.oid))
    );
    reader.rows(
        "column defaults",
        &[
            "d.oid",
            "d.adrelid",
            "d.adnum",
            "pg_get_expr(d.adbin, d.adrelid)",
        ],
        &from,
        |row| {
            let (oid, table) = (row.oid()?, row.oid()?);
            let number: usize = row.number()?;
            let expression = row.text()?;
            let Ok(at) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
                return Err(row.unexpected(format!(
                    "a default of a table that was not asked for, OID {table}"
                )));
            };
            let relation = &mut relations[at];
            let is_view = relation.kind == RelationKind::View;
            let is_partition = relation.is_partition;
            let Some(column) = number
                .checked_sub(1)
                .and_then(|index| relation.columns.get_mut(index))
            else {
                return Err(row.unexpected(format!(
                    "a default of column {number} of {}",
                    relation.qualified()
                )));
            };
            if !column.is_dropped {
                // There is no ALTER TABLE for a generation expression.
                let separate =
                    !column.is_generated() && (is_view || !(column.is_local || is_partition));
                column.default = Some(ColumnDefault {
                    oid,
                    expression,
                    separate,
                    is_inherited: false,
                });
            }
            Ok(())
        },
    )
}

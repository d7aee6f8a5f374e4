//! Constraints of tables, indexes and domains.

use std::collections::HashMap;

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Constrained, Constraint, ConstraintKind, Index, Relation, Type, TypeKind};
use crate::selection::Components;

/// CHECK, foreign keys, and NOT NULL that is NOT VALID.
pub fn of_tables(
    reader: &mut Reader<'_>,
    relations: &[Relation],
) -> Result<Vec<Constraint>, Error> {
    let version = reader.version;
    let chosen = relations
        .iter()
        .filter(|relation| relation.dump.has(Components::DEFINITION));
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_constraint c ON c.conrelid = src.oid \
         WHERE c.contype = 'c' OR (c.contype = 'f' AND c.conparentid = 0){} ORDER BY c.conrelid, c.conname",
        unnest(chosen.map(|relation| relation.oid)),
        // NOT NULL can be NOT VALID from 18 on.
        version.since(18, " OR (c.contype = 'n' AND NOT c.convalidated)", ""),
    );
    let columns = [
        "c.oid",
        "c.conname",
        "c.contype",
        "c.conrelid",
        "pg_get_constraintdef(c.oid)",
        "c.convalidated",
        "c.conislocal",
        "c.confrelid",
        "c.conindid",
    ];
    let mut constraints = Vec::new();
    reader.rows("constraints of tables", &columns, &from, |row| {
        let (oid, name, kind, table) = (row.oid()?, row.text()?, row.letter()?, row.oid()?);
        let Ok(table) = relations.binary_search_by_key(&table, |relation| relation.oid) else {
            return Err(row.unexpected(format!(
                "constraint {name} of a table that was not asked for"
            )));
        };
        let definition = row.text()?;
        let (is_valid, is_local, references) = (row.flag()?, row.flag()?, (row.oid()?, row.oid()?));
        let kind = match kind {
            'c' => ConstraintKind::Check,
            'f' => ConstraintKind::ForeignKey,
            _ => ConstraintKind::NotNull,
        };
        let is_key = kind == ConstraintKind::ForeignKey;
        constraints.push(Constraint {
            references: is_key.then_some(references),
            // Rows that break an unvalidated constraint must be loaded before it.
            separate: kind != ConstraintKind::Check || !is_valid,
            is_local: is_key || is_local,
            ..plain(oid, name, kind, Constrained::Table(table), definition)
        });
        Ok(())
    })?;
    Ok(constraints)
}

/// Primary and unique keys and exclusion constraints, linked with their indexes.
pub fn of_indexes(
    reader: &mut Reader<'_>,
    relations: &[Relation],
    indexes: &mut [Index],
    constraints: &mut Vec<Constraint>,
) -> Result<(), Error> {
    let version = reader.version;
    let by_oid: HashMap<u32, usize> = indexes
        .iter()
        .enumerate()
        .map(|(at, index)| (index.oid, at))
        .collect();
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_constraint c ON c.conrelid = src.oid \
         WHERE c.contype IN ('p', 'u', 'x') ORDER BY c.conrelid, c.conname",
        unnest(
            relations
                .iter()
                .filter(|relation| relation.is_interesting && relation.has_indexes)
                .map(|relation| relation.oid)
        ),
    );
    let columns = [
        "c.oid",
        "c.conname",
        "c.contype",
        "c.conindid",
        "CASE WHEN c.contype = 'x' THEN pg_get_constraintdef(c.oid) END",
        "c.condeferrable",
        "c.condeferred",
        // Temporal keys are new in 18.
        version.since(18, "c.conperiod", "false"),
    ];
    reader.rows("keys", &columns, &from, |row| {
        let (oid, name, kind, index) = (row.oid()?, row.text()?, row.letter()?, row.oid()?);
        // The index of an interrupted CREATE INDEX CONCURRENTLY is not read, so its constraint cannot be.
        let Some(&index) = by_oid.get(&index) else {
            return Ok(());
        };
        let kind = match kind {
            'p' => ConstraintKind::PrimaryKey,
            'u' => ConstraintKind::Unique,
            _ => ConstraintKind::Exclusion,
        };
        indexes[index].constraint = Some(constraints.len());
        let definition = row.text()?;
        constraints.push(Constraint {
            index: Some(index),
            deferrable: row.flag()?,
            deferred: row.flag()?,
            period: row.flag()?,
            separate: true,
            ..plain(
                oid,
                name,
                kind,
                Constrained::Table(indexes[index].table),
                definition,
            )
        });
        Ok(())
    })
}

/// CHECK of domains, and their NOT NULL, which is a constraint from 17 on.
pub fn of_domains(
    reader: &mut Reader<'_>,
    types: &[Type],
    constraints: &mut Vec<Constraint>,
) -> Result<(), Error> {
    let domains: HashMap<u32, usize> = types
        .iter()
        .enumerate()
        .filter(|(_, ty)| {
            matches!(ty.kind, TypeKind::Domain(_)) && ty.dump.has(Components::DEFINITION)
        })
        .map(|(at, ty)| (ty.oid, at))
        .collect();
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_constraint c ON c.contypid = src.oid \
         WHERE c.contype IN ({}) ORDER BY c.contypid, c.conname",
        unnest(domains.keys().copied()),
        reader.version.since(17, "'c', 'n'", "'c'"),
    );
    let columns = [
        "c.oid",
        "c.conname",
        "c.contype",
        "c.contypid",
        "pg_get_constraintdef(c.oid)",
        "c.convalidated",
    ];
    reader.rows("constraints of domains", &columns, &from, |row| {
        let (oid, name, kind, domain) = (row.oid()?, row.text()?, row.letter()?, row.oid()?);
        let Some(&domain) = domains.get(&domain) else {
            return Err(row.unexpected(format!(
                "constraint {name} of a domain that was not asked for"
            )));
        };
        let kind = if kind == 'c' {
            ConstraintKind::Check
        } else {
            ConstraintKind::NotNull
        };
        let definition = row.text()?;
        let separate = !row.flag()?;
        constraints.push(Constraint {
            separate,
            ..plain(oid, name, kind, Constrained::Domain(domain), definition)
        });
        Ok(())
    })
}

fn plain(
    oid: u32,
    name: String,
    kind: ConstraintKind,
    on: Constrained,
    definition: String,
) -> Constraint {
    Constraint {
        oid,
        name,
        kind,
        on,
        definition,
        index: None,
        references: None,
        deferrable: false,
        deferred: false,
        period: false,
        is_local: true,
        separate: false,
    }
}

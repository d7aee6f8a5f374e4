//! Parents of tables, and what their columns need not repeat (`flagInhTables` and `flagInhAttrs` in `common.c`).

use super::rows::Reader;
use crate::error::Error;
use crate::model::{Column, ColumnDefault, Relation, RelationKind};
use crate::version::ServerVersion;

/// Links children to their parents, whose columns must be known too.
pub fn read(reader: &mut Reader<'_>, relations: &mut [Relation]) -> Result<(), Error> {
    reader.rows(
        "inheritance",
        &["inhrelid", "inhparent"],
        "FROM pg_inherits ORDER BY inhrelid, inhseqno",
        |row| {
            let (child, parent) = (row.oid()?, row.oid()?);
            let position = |oid: u32| {
                relations
                    .binary_search_by_key(&oid, |relation| relation.oid)
                    .ok()
            };
            // Indexes inherit, too; they are linked where they are read.
            let Some(child) = position(child) else {
                return Ok(());
            };
            let Some(parent) = position(parent) else {
                let child = relations[child].qualified();
                return Err(row.unexpected(format!(
                    "a parent of table {child} with OID {parent}, which is no user's table"
                )));
            };
            relations[child].parents.push(parent);
            if relations[child].dump.any() {
                relations[parent].is_interesting = true;
            }
            Ok(())
        },
    )?;
    match relations
        .iter()
        .find(|relation| relation.is_partition && relation.parents.len() != 1)
    {
        Some(lost) => Err(Error::unexpected(
            "inheritance",
            format!("the partition {} without its parent", lost.qualified()),
        )),
        None => Ok(()),
    }
}

/// What the columns of the same name say in the parents of a table.
#[derive(Default)]
struct Inherited {
    not_null: bool,
    /// A NOT NULL constraint that is valid (18).
    valid_not_null: bool,
    default: bool,
    same_generation: bool,
    other_generation: bool,
}

/// Marks what the children get from their parents anyway, and adds the DEFAULT NULL that keeps a parent's default away.
pub fn flag_inherited_columns(version: ServerVersion, relations: &mut [Relation]) {
    for at in 0..relations.len() {
        let relation = &relations[at];
        if !relation.dump.any() || relation.parents.is_empty() {
            continue;
        }
        if !matches!(
            relation.kind,
            RelationKind::Table | RelationKind::PartitionedTable | RelationKind::ForeignTable
        ) {
            continue;
        }
        let inherited: Vec<Inherited> = relation
            .columns
            .iter()
            .map(|column| from_parents(relations, relation, column))
            .collect();
        let relation = &mut relations[at];
        let is_partition = relation.is_partition;
        for (column, inherited) in relation.columns.iter_mut().zip(inherited) {
            if !column.is_dropped {
                apply(version, is_partition, column, &inherited);
            }
        }
    }
}

fn from_parents(relations: &[Relation], relation: &Relation, column: &Column) -> Inherited {
    let mut inherited = Inherited::default();
    let parents = relation.parents.iter().map(|&parent| &relations[parent]);
    for parent in parents.filter_map(|parent| {
        parent
            .columns
            .iter()
            .find(|candidate| candidate.name == column.name)
    }) {
        inherited.not_null |= parent.not_null.is_some();
        inherited.valid_not_null |= parent.not_null.is_some() && !parent.has_invalid_not_null;
        let default = parent.default.as_ref();
        if parent.is_generated() {
            let expressions = default.zip(column.default.as_ref());
            let same =
                expressions.is_some_and(|(theirs, ours)| theirs.expression == ours.expression);
            inherited.same_generation |= same;
            inherited.other_generation |= !same;
        } else {
            inherited.default |= default.is_some_and(|default| default.expression != "NULL");
        }
    }
    inherited
}

fn apply(version: ServerVersion, is_partition: bool, column: &mut Column, inherited: &Inherited) {
    let is_printed = column.is_local || is_partition;
    if let Some(not_null) = &mut column.not_null {
        if !version.at_least(18) {
            // Constraints of their own came with 18: before, a parent's NOT NULL always holds for the child.
            not_null.is_local &= !inherited.not_null;
        } else if !inherited.valid_not_null {
            // Validated here, while the parents' is NOT VALID.
            not_null.is_local = true;
        }
    }
    if inherited.default && column.default.is_none() {
        let (oid, expression) = (0, "NULL".to_owned());
        column.default = Some(ColumnDefault {
            oid,
            expression,
            separate: !is_printed,
            is_inherited: false,
        });
    }
    if inherited.same_generation
        && !inherited.other_generation
        && !is_partition
        && let Some(default) = &mut column.default
    {
        default.is_inherited = true;
    }
}

//! Columns of CREATE TABLE, and their properties that only ALTER TABLE can set.

use super::foreign;
use crate::identifiers::quote_identifier;
use crate::model::{Column, ColumnDefault, NotNull, Relation};

/// The columns that CREATE TABLE lists, and NOT NULL for those that it does not, where that is a constraint (from 18 on).
/// `default` gives the default to print.
pub fn clauses<'a>(
    relation: &'a Relation,
    is_constraint: bool,
    default: impl Fn(usize) -> Option<&'a ColumnDefault>,
) -> Vec<String> {
    let mut clauses = Vec::new();
    for (at, column) in relation.columns.iter().enumerate() {
        let own_not_null = column
            .not_null
            .as_ref()
            .filter(|not_null| not_null.is_local || relation.is_partition);
        if relation.prints(column) {
            let default = default(at);
            // A typed table's columns are its type's, and listed only to add something.
            if relation.of_type.is_some() && default.is_none() && own_not_null.is_none() {
                continue;
            }
            clauses.push(clause(relation, column, default, own_not_null));
        } else if let Some(not_null) = own_not_null.filter(|_| is_constraint && !column.is_dropped)
        {
            let name = quote_identifier(&column.name);
            clauses.push(match &not_null.name {
                Some(constraint) => format!(
                    "CONSTRAINT {} NOT NULL {name}{}",
                    quote_identifier(constraint),
                    no_inherit(not_null)
                ),
                None => format!("NOT NULL {name}{}", no_inherit(not_null)),
            });
        }
    }
    clauses
}

fn no_inherit(not_null: &NotNull) -> &'static str {
    if not_null.no_inherit {
        " NO INHERIT"
    } else {
        ""
    }
}

fn clause(
    relation: &Relation,
    column: &Column,
    default: Option<&ColumnDefault>,
    not_null: Option<&NotNull>,
) -> String {
    let mut sql = quote_identifier(&column.name);
    if relation.of_type.is_none() {
        sql.push_str(&format!(" {}", column.type_name));
    }
    if let Some(default) = default {
        let expression = &default.expression;
        sql.push_str(&match column.generated {
            's' => format!(" GENERATED ALWAYS AS ({expression}) STORED"),
            // New in 18.
            'v' => format!(" GENERATED ALWAYS AS ({expression})"),
            _ => format!(" DEFAULT {expression}"),
        });
    }
    if let Some(not_null) = not_null {
        if let Some(name) = &not_null.name {
            sql.push_str(&format!(" CONSTRAINT {}", quote_identifier(name)));
        }
        sql.push_str(" NOT NULL");
        sql.push_str(no_inherit(not_null));
    }
    if let Some(collation) = &column.collation {
        sql.push_str(&format!(" COLLATE {collation}"));
    }
    sql
}

/// NOT NULL of inherited columns, before it was a constraint that CREATE TABLE can name (18).
pub fn added_not_nulls(relation: &Relation) -> String {
    let added = relation.columns.iter().filter(|column| {
        let is_own = column
            .not_null
            .as_ref()
            .is_some_and(|not_null| not_null.is_local);
        is_own && !column.is_dropped && !relation.prints(column)
    });
    let statements = added.map(|column| {
        let (table, name) = (relation.qualified(), quote_identifier(&column.name));
        let alter = relation.alter();
        format!("{alter} ONLY {table} ALTER COLUMN {name} SET NOT NULL;\n")
    });
    statements.collect()
}

/// Statistics targets, storage, compression and options of columns, also those of foreign-data wrappers.
pub fn properties(relation: &Relation) -> String {
    let (alter, table) = (relation.alter(), relation.qualified());
    let mut sql = String::new();
    for column in relation.columns.iter().filter(|column| !column.is_dropped) {
        let mut set = |property: &str| {
            let name = quote_identifier(&column.name);
            sql.push_str(&format!(
                "{alter} ONLY {table} ALTER COLUMN {name} {property};\n"
            ));
        };
        if column.statistics >= 0 {
            set(&format!("SET STATISTICS {}", column.statistics));
        }
        match column.storage {
            Some('p') => set("SET STORAGE PLAIN"),
            Some('e') => set("SET STORAGE EXTERNAL"),
            Some('x') => set("SET STORAGE EXTENDED"),
            Some('m') => set("SET STORAGE MAIN"),
            _ => {}
        }
        match column.compression {
            'p' => set("SET COMPRESSION pglz"),
            'l' => set("SET COMPRESSION lz4"),
            _ => {}
        }
        if !column.options.is_empty() {
            set(&format!("SET ({})", column.options));
        }
        if !column.foreign_options.is_empty() {
            set(&foreign::options("", &column.foreign_options));
        }
    }
    sql
}

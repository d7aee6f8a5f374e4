//! What the catalog says of a table that is seeded.

use serde::Deserialize;

use crate::postgres::{Transaction, quote_identifier};
use crate::{Error, Value};

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// With its schema, as SQL wants it.
    pub sql: String,
    /// Without its schema.
    pub name: String,
    /// In the order of the table.
    pub columns: Vec<Column>,
    /// Foreign keys, in the order of their names.
    pub references: Vec<Reference>,
    /// Columns of its unique keys, the primary key first.
    pub keys: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// As in the catalog.
    pub name: String,
    /// A JSON object is a value for it: json, jsonb, or a row type.
    pub takes_objects: bool,
    /// It may be NULL.
    pub nullable: bool,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub identity_always: bool,
    /// Of a serial or an identity column, as SQL wants it.
    pub sequence: Option<String>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// As in `pg_constraint.conname`.
    pub constraint: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The OID of the table that it leads to.
    pub parent: u32,
    /// The columns there, in the order of `columns`.
    pub parent_columns: Vec<String>,
}

const RELATION: &str = "SELECT pg_catalog.json_build_object('oid', c.oid::bigint, 'name', c.relname, \
     'sql', pg_catalog.format('%I.%I', n.nspname, c.relname), \
     'columns', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'nullable', NOT a.attnotnull, \
        'takes_objects', COALESCE(b.oid, t.oid) IN (114, 3802) OR COALESCE(b.typtype, t.typtype) = 'c', \
        'identity_always', a.attidentity = 'a', \
        'sequence', pg_catalog.pg_get_serial_sequence(pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname)) ORDER BY a.attnum), '[]') \
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
        LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd' \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
     'references', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('constraint', f.conname, 'parent', f.confrelid::bigint, \
        'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.at) FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY k(num, at) \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num), \
        'parent_columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.at) FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY k(num, at) \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num)) ORDER BY f.conname), '[]') \
        FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), \
     'keys', (SELECT COALESCE(pg_catalog.json_agg((SELECT pg_catalog.json_agg(a.attname ORDER BY k.at) \
            FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(num, at) \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.at <= i.indnkeyatts) \
            ORDER BY i.indisprimary DESC, i.indexrelid), '[]') \
        FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL) \
     )::text AS relation, c.relkind::text AS kind \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::text::oid";

const FIND: &str = "SELECT pg_catalog.to_regclass($1)::oid::bigint AS oid";

const ALIKE: &str = "SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname) AS names \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND pg_catalog.lower(c.relname) = pg_catalog.lower($1)";

impl Relation {
    /// The table of this name: `User`, as the catalog has it, in the search path, or `schema.table`.
    pub(super) fn named(transaction: &Transaction, name: &str) -> Result<Self, Error> {
        let mut spellings = vec![quote_identifier(name)];
        if let Some((schema, table)) = name.split_once('.') {
            spellings.push(format!(
                "{}.{}",
                quote_identifier(schema),
                quote_identifier(table)
            ));
        }
        for spelling in spellings {
            let row = transaction.query_one(FIND, &[spelling.into()])?;
            if let Some(oid) = row.get::<Option<u32>>("oid")? {
                return Self::of(transaction, oid);
            }
        }
        let error = Error::not_found(format!("there is no table {name:?}"));
        let row = transaction.query_one(ALIKE, &[name.into()])?;
        Err(match row.get::<Option<String>>("names")? {
            Some(names) => error.hint(format!(
                "there is {names}: names are meant as the catalog has them, without quotes"
            )),
            None => error.hint("are the migrations applied? `orchestrator migrate status` tells"),
        })
    }

    /// The table with this OID.
    pub(super) fn of(transaction: &Transaction, oid: u32) -> Result<Self, Error> {
        let row = transaction.query_one(RELATION, &[Value::Text(oid.to_string())])?;
        let relation: Self = serde_json::from_str(row.get("relation")?)?;
        match row.get("kind")? {
            "r" | "p" => Ok(relation),
            _ => Err(Error::unsupported(format!(
                "{} is no table: rows are written into tables alone",
                relation.sql
            ))),
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The foreign key that a name stands for: its column's, the column's without its `Id`, or its own.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        let of_one = |wanted: &str| {
            self.references
                .iter()
                .find(|reference| reference.columns.len() == 1 && reference.columns[0] == wanted)
        };
        of_one(name)
            .or_else(|| {
                ["Id", "_id", "ID"]
                    .iter()
                    .find_map(|ending| of_one(&format!("{name}{ending}")))
            })
            .or_else(|| {
                self.references
                    .iter()
                    .find(|reference| reference.constraint == name)
            })
    }

    /// Names that a row may have, for people.
    pub(super) fn known_names(&self) -> String {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        names.join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The example's appointments, without what no test needs.
    pub fn appointment() -> Relation {
        let column = |name: &str| Column {
            name: name.to_owned(),
            takes_objects: name == "notes",
            nullable: name == "userId",
            identity_always: false,
            sequence: (name == "id").then(|| "public.\"Appointment_id_seq\"".to_owned()),
        };
        let reference = |column: &str, parent: u32| Reference {
            constraint: format!("Appointment_{column}_fkey"),
            columns: vec![column.to_owned()],
            parent,
            parent_columns: vec!["id".to_owned()],
        };
        Relation {
            oid: 4,
            sql: "public.\"Appointment\"".to_owned(),
            name: "Appointment".to_owned(),
            columns: ["id", "tokenNo", "userId", "queueId", "notes"]
                .map(column)
                .to_vec(),
            references: vec![reference("queueId", 3), reference("userId", 1)],
            keys: vec![
                vec!["id".to_owned()],
                vec!["queueId".to_owned(), "tokenNo".to_owned()],
            ],
        }
    }

    #[test]
    fn foreign_keys_are_found_by_what_people_call_them() {
        let table = appointment();
        for name in ["userId", "user", "Appointment_userId_fkey"] {
            assert_eq!(table.reference(name).expect(name).columns, ["userId"]);
        }
        assert_eq!(table.reference("id"), None);
        assert!(table.column("tokenNo").is_some() && table.column("tokenno").is_none());
    }
}

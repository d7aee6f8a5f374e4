//! Rows in a temporary table, compared with a table and written into it, a statement for each thing that is done.

use std::fmt::Write;

use super::changes::Changes;
use super::relation::{Reference, Relation};
use super::transaction::Transaction;
use crate::Error;
use crate::postgres::{quote_identifier, quote_literal};

/// What columns of the rows stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A column of the table.
    Column(String),
    /// A reference by key.
    Parent(Box<Lookup>),
}

/// A row of another table, named by columns of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// What the rows call it: columns are named `user.email`.
    pub name: String,
    /// The foreign key.
    pub reference: Reference,
    /// The table that it leads to.
    pub parent: Relation,
    /// The columns there that find the row.
    pub by: Vec<String>,
}

impl Given {
    /// The columns of the table that it gives a value.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let columns: &[String] = match self {
            Self::Column(name) => std::slice::from_ref(name),
            Self::Parent(lookup) => &lookup.reference.columns,
        };
        columns.iter().map(String::as_str)
    }

    /// The columns of the rows, and what has their types.
    fn sources(&self) -> Vec<(String, String)> {
        match self {
            Self::Column(name) => vec![(name.clone(), format!("t.{}", quote_identifier(name)))],
            Self::Parent(lookup) => lookup.sources().collect(),
        }
    }
}

impl Lookup {
    fn sources(&self) -> impl Iterator<Item = (String, String)> {
        self.by.iter().map(|column| {
            let typed = format!("(NULL::{}).{}", self.parent.sql, quote_identifier(column));
            (format!("{}.{column}", self.name), typed)
        })
    }
}

/// Rows that wait in a temporary table.
pub(super) struct Staged<'a> {
    pub relation: &'a Relation,
    pub given: Vec<Given>,
    /// Columns of the table that find a row.
    pub key: Vec<String>,
}

impl Staged<'_> {
    /// The rows as they are given, with `seed row` counting them.
    pub const TABLE: &'static str = "pg_temp.seed_given";
    /// What they say: columns of the table, and how many rows each reference has found.
    const RESOLVED: &'static str = "pg_temp.seed_resolved";
    /// Lines of JSON.
    const LINES: &'static str = "pg_temp.seed_lines";
    /// Lines, to be numbered as they come.
    pub const CREATE_LINES: &'static str = "CREATE TEMPORARY TABLE seed_lines (\"seed row\" bigint GENERATED ALWAYS AS IDENTITY, line jsonb NOT NULL) ON COMMIT DROP";
    /// A line is one field: bytes that no text has are what separates and quotes.
    pub const COPY_LINES: &'static str = "COPY pg_temp.seed_lines (line) FROM STDIN WITH (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02', ENCODING 'UTF8')";

    /// Makes the table that the rows go into.
    pub fn create(&self, transaction: &Transaction) -> Result<(), Error> {
        let mut columns = String::new();
        for (name, typed) in self.given.iter().flat_map(Given::sources) {
            // Writing into a String cannot fail.
            let _ = write!(columns, ", {typed} AS {}", quote_identifier(&name));
        }
        transaction.execute(
            &format!(
                "CREATE TEMPORARY TABLE seed_given ON COMMIT DROP AS SELECT 0::bigint AS \"seed row\"{columns} FROM {} t WITH NO DATA",
                self.relation.sql
            ),
            &[],
        )?;
        let number = "ALTER TABLE pg_temp.seed_given ALTER \"seed row\" SET NOT NULL, ALTER \"seed row\" ADD GENERATED ALWAYS AS IDENTITY";
        transaction.execute(number, &[])?;
        Ok(())
    }

    /// The rows out of lines of JSON.
    pub fn take_lines(&self, transaction: &Transaction) -> Result<(), Error> {
        let mut names = String::new();
        let mut values = String::new();
        let mut joins = String::new();
        for (index, given) in self.given.iter().enumerate() {
            match given {
                Given::Column(name) => {
                    let _ = write!(values, ", r.{}", quote_identifier(name));
                }
                Given::Parent(lookup) => {
                    let _ = write!(
                        joins,
                        " CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::{}, CASE WHEN pg_catalog.jsonb_typeof(l.line -> {name}) = 'object' THEN l.line -> {name} END) p{index}",
                        lookup.parent.sql,
                        name = quote_literal(&lookup.name),
                    );
                    for column in &lookup.by {
                        let _ = write!(values, ", p{index}.{}", quote_identifier(column));
                    }
                }
            }
            for (name, _) in given.sources() {
                let _ = write!(names, ", {}", quote_identifier(&name));
            }
        }
        let parents = self.given.iter().filter_map(|given| match given {
            Given::Parent(lookup) => Some(format!(" - {}", quote_literal(&lookup.name))),
            Given::Column(_) => None,
        });
        transaction.execute(
            &format!(
                "INSERT INTO {} (\"seed row\"{names}) OVERRIDING SYSTEM VALUE SELECT l.\"seed row\"{values} FROM {} l \
                 CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::{}, l.line{}) r{joins}",
                Self::TABLE,
                Self::LINES,
                self.relation.sql,
                parents.collect::<String>(),
            ),
            &[],
        )?;
        transaction.execute(&format!("DROP TABLE {}", Self::LINES), &[])?;
        Ok(())
    }

    /// Looks up, compares, updates and inserts.
    pub fn write(&self, transaction: &Transaction) -> Result<Changes, Error> {
        let resolved = self.resolve(transaction)?;
        transaction.execute(&format!("ANALYZE {resolved}"), &[])?;
        check_key(transaction, self.relation, resolved, &self.key)?;
        self.check_found_once(transaction, resolved)?;
        let table = &self.relation.sql;
        let targets: Vec<&str> = self.given.iter().flat_map(Given::targets).collect();
        let matched = matched(&self.key);
        let others: Vec<String> = targets
            .iter()
            .filter(|target| !self.key.iter().any(|key| key == *target))
            .map(|target| quote_identifier(target))
            .collect();
        let rows: u64 = transaction
            .query_one(&format!("SELECT count(*) AS rows FROM {resolved}"), &[])?
            .get("rows")?;
        let mut changes = Changes::default();
        if !others.is_empty() {
            let sets: Vec<String> = others
                .iter()
                .map(|name| format!("{name} = g.{name}"))
                .collect();
            let differs: Vec<String> = others
                .iter()
                .map(|name| format!("t.{name}::text IS DISTINCT FROM g.{name}::text"))
                .collect();
            changes.updated = transaction.execute(
                &format!(
                    "UPDATE {table} t SET {} FROM {resolved} g WHERE {matched} AND ({})",
                    sets.join(", "),
                    differs.join(" OR ")
                ),
                &[],
            )?;
        }
        let names: Vec<String> = targets.iter().map(|name| quote_identifier(name)).collect();
        let overriding = targets.iter().any(|target| {
            self.relation
                .column(target)
                .is_some_and(|column| column.identity_always)
        });
        changes.inserted = transaction.execute(
            &format!(
                "INSERT INTO {table} ({names}){} SELECT {} FROM {resolved} g \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {matched}) ORDER BY g.\"seed row\"",
                if overriding { " OVERRIDING SYSTEM VALUE" } else { "" },
                names.iter().map(|name| format!("g.{name}")).collect::<Vec<_>>().join(", "),
                names = names.join(", "),
            ),
            &[],
        )?;
        changes.unchanged = rows.saturating_sub(changes.inserted + changes.updated);
        for table in [Self::RESOLVED, Self::TABLE] {
            transaction.execute(&format!("DROP TABLE IF EXISTS {table}"), &[])?;
        }
        Ok(changes)
    }

    /// Puts columns in the place of references; the table that holds the result.
    fn resolve(&self, transaction: &Transaction) -> Result<&'static str, Error> {
        let lookups: Vec<&Lookup> = self
            .given
            .iter()
            .filter_map(|given| match given {
                Given::Parent(lookup) => Some(&**lookup),
                Given::Column(_) => None,
            })
            .collect();
        if lookups.is_empty() {
            return Ok(Self::TABLE);
        }
        let mut cells = String::new();
        let mut joins = String::new();
        for given in &self.given {
            if let Given::Column(name) = given {
                let _ = write!(cells, ", g.{}", quote_identifier(name));
            }
        }
        for (index, lookup) in lookups.iter().enumerate() {
            let by: Vec<String> = lookup
                .by
                .iter()
                .map(|name| quote_identifier(name))
                .collect();
            let keys = lookup.reference.parent_columns.iter().enumerate();
            let keys = keys.map(|(place, column)| {
                format!(
                    ", (pg_catalog.array_agg(p.{}))[1] AS k{place}",
                    quote_identifier(column)
                )
            });
            let on = lookup.sources().zip(&by).map(|((name, _), column)| {
                format!("f{index}.{column} = g.{}", quote_identifier(&name))
            });
            let _ = write!(
                joins,
                " LEFT JOIN (SELECT {}{}, pg_catalog.count(*) AS \"seed found\" FROM {} p GROUP BY {}) f{index} ON {}",
                by.iter()
                    .map(|name| format!("p.{name}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                keys.collect::<String>(),
                lookup.parent.sql,
                by.iter()
                    .map(|name| format!("p.{name}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                on.collect::<Vec<_>>().join(" AND "),
            );
            for (place, column) in lookup.reference.columns.iter().enumerate() {
                let _ = write!(cells, ", f{index}.k{place} AS {}", quote_identifier(column));
            }
            let _ = write!(cells, ", f{index}.\"seed found\" AS \"seed found {index}\"");
        }
        transaction.execute(
            &format!(
                "CREATE TEMPORARY TABLE seed_resolved ON COMMIT DROP AS SELECT g.\"seed row\"{cells} FROM {} g{joins}",
                Self::TABLE
            ),
            &[],
        )?;
        for (index, lookup) in lookups.iter().enumerate() {
            self.check_lookup(transaction, index, lookup)?;
        }
        Ok(Self::RESOLVED)
    }

    /// A reference of which a part is given has found one row.
    fn check_lookup(
        &self,
        transaction: &Transaction,
        index: usize,
        lookup: &Lookup,
    ) -> Result<(), Error> {
        let names: Vec<String> = lookup
            .sources()
            .map(|(name, _)| format!("g.{}", quote_identifier(&name)))
            .collect();
        let sql = format!(
            "SELECT g.\"seed row\" AS row, r.\"seed found {index}\" AS found, pg_catalog.concat_ws(', ', {}) AS wanted \
             FROM {} g JOIN {} r ON r.\"seed row\" = g.\"seed row\" \
             WHERE r.\"seed found {index}\" IS DISTINCT FROM 1 AND pg_catalog.num_nonnulls({}) > 0 ORDER BY 1 LIMIT 1",
            names
                .iter()
                .map(|name| format!("{name}::text"))
                .collect::<Vec<_>>()
                .join(", "),
            Self::TABLE,
            Self::RESOLVED,
            names.join(", "),
        );
        let Some(row) = transaction.query(&sql, &[])?.first()? else {
            return Ok(());
        };
        let number: u64 = row.get("row")?;
        let wanted: &str = row.get("wanted")?;
        let place = format!("row {number} of {}", self.relation.name);
        let by = lookup.by.join(", ");
        Err(match row.get::<Option<u64>>("found")? {
            Some(found) => Error::conflict(format!(
                "{found} rows of {} have {by} = {wanted}",
                lookup.parent.name
            )),
            None => Error::not_found(format!(
                "there is no {} with {by} = {wanted}",
                lookup.parent.name
            )),
        }
        .while_doing(place))
    }

    /// A key finds no more than one row that is there.
    fn check_found_once(&self, transaction: &Transaction, resolved: &str) -> Result<(), Error> {
        if is_unique(self.relation, &self.key) {
            return Ok(());
        }
        let sql = format!(
            "SELECT g.\"seed row\" AS row FROM {resolved} g JOIN {} t ON {} GROUP BY 1 HAVING pg_catalog.count(*) > 1 ORDER BY 1 LIMIT 1",
            self.relation.sql,
            matched(&self.key),
        );
        match transaction.query(&sql, &[])?.first()? {
            None => Ok(()),
            Some(row) => Err(Error::conflict(format!(
                "row {} of {}: more than one row that is there has this key",
                row.get::<u64>("row")?,
                self.relation.name
            ))
            .hint("a key has to find one row: name more columns, or make it unique")),
        }
    }
}

/// The rows of a table have a whole key, and each another one.
pub(super) fn check_key(
    transaction: &Transaction,
    relation: &Relation,
    table: &str,
    key: &[String],
) -> Result<(), Error> {
    let names: Vec<String> = key.iter().map(|name| quote_identifier(name)).collect();
    let shown = names
        .iter()
        .map(|name| format!("COALESCE({name}::text, 'NULL')"))
        .collect::<Vec<_>>()
        .join(" || ', ' || ");
    let nullable = key
        .iter()
        .any(|name| relation.column(name).is_none_or(|column| column.nullable));
    let is_target = table == relation.sql;
    if nullable || !is_target {
        let nulls: Vec<String> = names.iter().map(|name| format!("{name} IS NULL")).collect();
        let sql = format!(
            "SELECT {shown} AS key FROM {table} WHERE {} LIMIT 1",
            nulls.join(" OR ")
        );
        if let Some(row) = transaction.query(&sql, &[])?.first()? {
            return Err(Error::invalid_input(format!(
                "a row of {} has the key {}: no part of it may be NULL, for the row is found by it",
                relation.name,
                row.get::<&str>("key")?
            )));
        }
    }
    if is_target && is_unique(relation, key) {
        return Ok(());
    }
    let sql = format!(
        "SELECT {shown} AS key, pg_catalog.count(*) AS rows FROM {table} GROUP BY {} HAVING pg_catalog.count(*) > 1 LIMIT 1",
        names.join(", ")
    );
    match transaction.query(&sql, &[])?.first()? {
        None => Ok(()),
        Some(row) => Err(Error::conflict(format!(
            "{} rows that are given for {} have the key {}",
            row.get::<u64>("rows")?,
            relation.name,
            row.get::<&str>("key")?
        ))),
    }
}

/// The names that all lines give; an object whose name is a reference's gives `user.email`.
pub(super) fn names_of_lines(
    transaction: &Transaction,
    relation: &Relation,
) -> Result<Vec<String>, Error> {
    let takes_objects: Vec<String> = relation
        .columns
        .iter()
        .filter(|column| column.takes_objects)
        .map(|column| quote_literal(&column.name))
        .collect();
    let is_reference = match takes_objects.is_empty() {
        true => "true".to_owned(),
        false => format!("e.key NOT IN ({})", takes_objects.join(", ")),
    };
    let names = format!(
        "SELECT pg_catalog.array_agg(n.name ORDER BY n.name) FROM (SELECT CASE WHEN i.key IS NULL THEN e.key ELSE e.key || '.' || i.key END AS name \
         FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof(l.line) = 'object' THEN l.line END) e \
         LEFT JOIN LATERAL pg_catalog.jsonb_object_keys(CASE WHEN {is_reference} AND pg_catalog.jsonb_typeof(e.value) = 'object' THEN e.value END) i(key) ON true) n"
    );
    let sql = format!(
        "SELECT pg_catalog.min(s.row) AS row, pg_catalog.to_json(s.names)::text AS names \
         FROM (SELECT l.\"seed row\" AS row, ({names}) AS names FROM {} l) s GROUP BY s.names ORDER BY 1 LIMIT 2",
        Staged::LINES
    );
    let mut shapes: Vec<(u64, Option<Vec<String>>)> = transaction.query(&sql, &[])?.map(|row| {
        let names: Option<&str> = row.get("names")?;
        let names = names.map(serde_json::from_str).transpose()?;
        Ok((row.get("row")?, names))
    })?;
    if let Some((row, _)) = shapes.iter().find(|(_, names)| names.is_none()) {
        return Err(Error::invalid_input(format!(
            "line {row} is no JSON object with columns of {}",
            relation.name
        )));
    }
    if let [(_, Some(first)), (row, Some(other))] = &shapes[..] {
        let odd = first
            .iter()
            .find(|name| !other.contains(name))
            .map(|name| format!("has no {name:?}"))
            .or_else(|| {
                let more = other.iter().find(|name| !first.contains(name))?;
                Some(format!("has {more:?}, too"))
            });
        return Err(Error::invalid_input(format!(
            "line {row} {}: all lines give the same columns",
            odd.unwrap_or_default()
        ))
        .hint("write null where there is no value; rows that leave columns out are declared rows of a set"));
    }
    Ok(shapes
        .pop()
        .and_then(|(_, names)| names)
        .unwrap_or_default())
}

fn matched(key: &[String]) -> String {
    let pairs = key.iter().map(|name| {
        let name = quote_identifier(name);
        format!("t.{name} = g.{name}")
    });
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// Whether the database itself keeps the key unique.
fn is_unique(relation: &Relation, key: &[String]) -> bool {
    relation
        .keys
        .iter()
        .any(|unique| unique.iter().all(|column| key.contains(column)))
}

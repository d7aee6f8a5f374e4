//! The rights of a role: what the tables that it was granted take, who has them already, and what everybody has besides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use manifest::{TableName, TableRight};
use tokio_postgres::{Client, Transaction};

use super::{RunRoleError, quoted};
use crate::database::nearest;

/// What a grant on a table can mean: tables, partitioned, foreign, views, materialized views.
const RELATIONS: &str = "ARRAY['r', 'p', 'f', 'v', 'm']::\"char\"[]";

/// The tables of an order, in a database.
pub(super) struct Found(Vec<FoundTable>);

struct FoundTable {
    name: TableName,
    oid: u32,
    row_security: bool,
    rights: BTreeSet<TableRight>,
}

/// Finds every table, or names the first one that is not there.
pub(super) async fn find(
    client: &Client,
    tables: &BTreeMap<TableName, BTreeSet<TableRight>>,
) -> Result<Found, RunRoleError> {
    let mut found = Vec::with_capacity(tables.len());
    for (table, rights) in tables {
        let schema = table.schema.as_deref().unwrap_or_default();
        let row = client
            .query_opt(
                &format!(
                    "SELECT c.oid, c.relrowsecurity FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = ANY ({RELATIONS})"
                ),
                &[&schema, &table.name],
            )
            .await?;
        let Some(row) = row else {
            return Err(missing(client, table, schema).await?);
        };
        found.push(FoundTable {
            name: table.clone(),
            oid: row.try_get(0)?,
            row_security: row.try_get(1)?,
            rights: rights.clone(),
        });
    }
    Ok(Found(found))
}

async fn missing(
    client: &Client,
    table: &TableName,
    schema: &str,
) -> Result<RunRoleError, RunRoleError> {
    let rows = client
        .query(
            &format!(
                "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relkind = ANY ({RELATIONS})"
            ),
            &[&schema],
        )
        .await?;
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    Ok(RunRoleError::NoSuchTable {
        table: table.clone(),
        nearest: nearest(&table.name, names).map(str::to_owned),
    })
}

/// A right on one thing, in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    kind: Kind,
    oid: u32,
    /// Quoted, with its schema.
    name: String,
    right: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Database,
    Schema,
    Table,
    Sequence,
}

impl Kind {
    /// As it stands in GRANT.
    fn word(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
            Self::Table => "TABLE",
            Self::Sequence => "SEQUENCE",
        }
    }
}

/// `INSERT on the table "public"."User"`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.word().to_lowercase();
        write!(f, "{} on the {kind} {}", self.right, self.name)
    }
}

impl Found {
    pub fn row_security(&self) -> Vec<TableName> {
        let hidden = self.0.iter().filter(|table| table.row_security);
        hidden.map(|table| table.name.clone()).collect()
    }

    /// All that it takes to use the tables: the database, their schemas, themselves, and where rows are inserted the sequences.
    pub async fn needs(&self, transaction: &Transaction<'_>) -> Result<Vec<Need>, RunRoleError> {
        let row = transaction
            .query_one(
                "SELECT oid, datname::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
                &[],
            )
            .await?;
        let mut needs = vec![Need {
            kind: Kind::Database,
            oid: row.try_get(0)?,
            name: quoted(row.try_get(1)?),
            right: "CONNECT",
        }];
        for table in &self.0 {
            for right in &table.rights {
                needs.push(Need {
                    kind: Kind::Table,
                    oid: table.oid,
                    name: qualified(
                        table.name.schema.as_deref().unwrap_or_default(),
                        &table.name.name,
                    ),
                    right: privilege(*right),
                });
            }
        }
        needs.extend(self.sequences(transaction).await?);
        let objects: Vec<u32> = needs
            .iter()
            .filter(|need| need.kind != Kind::Database)
            .map(|need| need.oid)
            .collect();
        let schemas = transaction
            .query(
                "SELECT n.oid, n.nspname::text FROM pg_catalog.pg_namespace n \
                 WHERE n.oid IN (SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)) ORDER BY n.nspname",
                &[&objects],
            )
            .await?;
        for schema in schemas {
            needs.push(Need {
                kind: Kind::Schema,
                oid: schema.try_get(0)?,
                name: quoted(schema.try_get(1)?),
                right: "USAGE",
            });
        }
        Ok(needs)
    }

    /// Sequences that columns own are set by seeds; of those that a default merely uses, the next number is taken.
    async fn sequences(&self, transaction: &Transaction<'_>) -> Result<Vec<Need>, RunRoleError> {
        let inserted: Vec<u32> = self
            .0
            .iter()
            .filter(|table| table.rights.contains(&TableRight::Insert))
            .map(|table| table.oid)
            .collect();
        let rows = transaction
            .query(
                "SELECT s.oid, n.nspname::text, s.relname::text, pg_catalog.bool_or(used.owned) \
                 FROM (SELECT d.objid AS sequence, true AS owned FROM pg_catalog.pg_depend d \
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid \
                         AND d.refobjid = ANY ($1) AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
                       UNION ALL \
                       SELECT d.refobjid, false FROM pg_catalog.pg_attrdef a \
                       JOIN pg_catalog.pg_depend d ON d.objid = a.oid AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
                         AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                       WHERE a.adrelid = ANY ($1)) used \
                 JOIN pg_catalog.pg_class s ON s.oid = used.sequence AND s.relkind = 'S' \
                 JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace GROUP BY 1, 2, 3 ORDER BY 2, 3",
                &[&inserted],
            )
            .await?;
        let mut needs = Vec::new();
        for row in rows {
            let name = qualified(row.try_get(1)?, row.try_get(2)?);
            let rights: &[&'static str] = match row.try_get(3)? {
                true => &["USAGE", "SELECT", "UPDATE"],
                false => &["USAGE"],
            };
            for right in rights {
                needs.push(Need {
                    kind: Kind::Sequence,
                    oid: row.try_get(0)?,
                    name: name.clone(),
                    right,
                });
            }
        }
        Ok(needs)
    }
}

fn privilege(right: TableRight) -> &'static str {
    match right {
        TableRight::Select => "SELECT",
        TableRight::Insert => "INSERT",
        TableRight::Update => "UPDATE",
        TableRight::Delete => "DELETE",
        TableRight::Truncate => "TRUNCATE",
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// Whether the role has each of the rights, by whatever way.
pub(super) async fn has(
    transaction: &Transaction<'_>,
    role: &str,
    needs: &[Need],
) -> Result<Vec<bool>, RunRoleError> {
    let kinds: Vec<&str> = needs.iter().map(|need| need.kind.word()).collect();
    let oids: Vec<u32> = needs.iter().map(|need| need.oid).collect();
    let rights: Vec<&str> = needs.iter().map(|need| need.right).collect();
    let rows = transaction
        .query(
            "SELECT CASE kind \
               WHEN 'DATABASE' THEN pg_catalog.has_database_privilege($1::text::name, oid, privilege) \
               WHEN 'SCHEMA' THEN pg_catalog.has_schema_privilege($1::text::name, oid, privilege) \
               WHEN 'TABLE' THEN pg_catalog.has_table_privilege($1::text::name, oid, privilege) \
               ELSE pg_catalog.has_sequence_privilege($1::text::name, oid, privilege) END IS TRUE \
             FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::oid[]), pg_catalog.unnest($4::text[])) \
               WITH ORDINALITY AS need (kind, oid, privilege, place) \
             ORDER BY place",
            &[&role, &kinds, &oids, &rights],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

/// A statement for each thing. The rights of one stand side by side.
pub(super) fn grants(needs: &[&Need], role: &str) -> Vec<String> {
    needs
        .chunk_by(|one, other| (one.kind, one.oid) == (other.kind, other.oid))
        .filter_map(|needs| {
            let rights: Vec<&str> = needs.iter().map(|need| need.right).collect();
            let Need { kind, name, .. } = needs.first()?;
            let (rights, kind) = (rights.join(", "), kind.word());
            Some(format!("GRANT {rights} ON {kind} {name} TO {role}"))
        })
        .collect()
}

/// More than a report needs to say.
const BEYOND_MAX: usize = 50;

/// What the role may do besides, by what is granted to PUBLIC.
pub(super) async fn beyond(
    transaction: &Transaction<'_>,
    role: &str,
    needs: &[Need],
) -> Result<Vec<String>, RunRoleError> {
    let tables = needs.iter().filter(|need| need.kind == Kind::Table);
    let (oids, rights): (Vec<u32>, Vec<&str>) = tables.map(|need| (need.oid, need.right)).unzip();
    let rows = transaction
        .query(
            &format!(
                "WITH role AS (SELECT $1::text::name AS name), \
                 here AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') \
                 SELECT privilege || ' on the database' FROM role, pg_catalog.unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege \
                 WHERE pg_catalog.has_database_privilege(role.name, pg_catalog.current_database(), privilege) \
                 UNION ALL \
                 SELECT 'CREATE on the schema ' || here.nspname FROM role, here \
                 WHERE pg_catalog.has_schema_privilege(role.name, here.oid, 'CREATE') \
                 UNION ALL \
                 SELECT pg_catalog.string_agg(privilege, ', ') || ' on ' || here.nspname || '.' || c.relname \
                 FROM role, here, pg_catalog.pg_class c, pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege \
                 WHERE c.relnamespace = here.oid AND c.relkind = ANY ({RELATIONS}) \
                   AND pg_catalog.has_schema_privilege(role.name, here.oid, 'USAGE') \
                   AND pg_catalog.has_table_privilege(role.name, c.oid, privilege) \
                   AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::text[])) AS granted (oid, privilege) \
                                   WHERE granted.oid = c.oid AND granted.privilege = privilege.privilege) \
                 GROUP BY here.nspname, c.relname \
                 UNION ALL \
                 SELECT 'EXECUTE on ' || here.nspname || '.' || p.proname || ', which has the rights of its owner' FROM role, here, pg_catalog.pg_proc p \
                 WHERE p.pronamespace = here.oid AND p.prosecdef AND pg_catalog.has_schema_privilege(role.name, here.oid, 'USAGE') \
                   AND pg_catalog.has_function_privilege(role.name, p.oid, 'EXECUTE') \
                 LIMIT {BEYOND_MAX}"
            ),
            &[&role, &oids, &rights],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(kind: Kind, oid: u32, name: &str, right: &'static str) -> Need {
        Need {
            kind,
            oid,
            name: name.to_owned(),
            right,
        }
    }

    #[test]
    fn rights_on_one_thing_are_granted_together() {
        let user = qualified("public", "Us\"er");
        let needs = [
            need(Kind::Database, 1, "\"app\"", "CONNECT"),
            need(Kind::Table, 2, &user, "SELECT"),
            need(Kind::Table, 2, &user, "INSERT"),
            need(Kind::Sequence, 3, "\"public\".\"s\"", "USAGE"),
        ];
        assert_eq!(
            grants(&needs.iter().collect::<Vec<_>>(), "\"r\""),
            [
                "GRANT CONNECT ON DATABASE \"app\" TO \"r\"",
                "GRANT SELECT, INSERT ON TABLE \"public\".\"Us\"\"er\" TO \"r\"",
                "GRANT USAGE ON SEQUENCE \"public\".\"s\" TO \"r\"",
            ]
        );
        assert_eq!(
            needs[1].to_string(),
            "SELECT on the table \"public\".\"Us\"\"er\""
        );
        assert!(grants(&[], "\"r\"").is_empty());
    }
}

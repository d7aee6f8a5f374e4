//! What the target is like before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use archive::identifiers::qualified;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Connection;

use crate::entries::{Object, ObjectKind};

/// Tables that are asked in one query whether they hold rows.
const TABLES_AT_ONCE: usize = 100;

/// The server, and the database where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// As in `server_version_num`.
    pub version: u32,
    /// The role that restores.
    pub user: String,
    /// A hot standby, which nothing can be restored into.
    pub in_recovery: bool,
    /// It may do everything.
    pub superuser: bool,
    /// It may create databases.
    pub creates_databases: bool,
    /// It may create schemas and extensions in this database.
    pub creates_in_database: bool,
    /// It may create objects in the schema `public`.
    pub creates_in_public: bool,
    /// All roles, and whether the restoring one is a member, so that it can give them what it creates.
    pub roles: BTreeMap<String, bool>,
    /// Extensions whose files the server has.
    pub available_extensions: BTreeSet<String>,
    /// All tablespaces.
    pub tablespaces: BTreeSet<String>,
    /// The database's encoding; empty where there is no database yet.
    pub encoding: String,
    /// Installed extensions, and what users created: without the system's own, and without members of extensions.
    pub objects: BTreeSet<Object>,
    /// Columns of the deployment log; empty where there is none.
    pub log_columns: Vec<String>,
}

const SERVER: &str =
    "SELECT r.rolsuper, r.rolcreatedb FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

const ROLES: &str = "SELECT rolname::text AS name, pg_catalog.pg_has_role(current_user, oid, 'MEMBER') AS member \
    FROM pg_catalog.pg_roles";

const DATABASE: &str = "SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding, \
    pg_catalog.has_database_privilege(d.oid, 'CREATE') AS creates, \
    coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n \
        WHERE n.nspname = 'public'), false) AS creates_in_public \
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// Names of functions are spelled as pg_dump spells their tags.
const OBJECTS: &str = "WITH user_schema AS ( \
        SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n \
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'), \
    member AS ( \
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e') \
    SELECT 'schema' AS kind, ''::text AS schema, n.nspname::text AS name FROM user_schema n \
        WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_namespace'::regclass AND m.objid = n.oid) \
    UNION ALL \
    SELECT 'extension', '', e.extname::text FROM pg_catalog.pg_extension e \
    UNION ALL \
    SELECT 'relation', n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN user_schema n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid) \
    UNION ALL \
    SELECT 'type', n.nspname::text, t.typname::text FROM pg_catalog.pg_type t JOIN user_schema n ON n.oid = t.typnamespace \
        WHERE (t.typtype IN ('d', 'e', 'r') OR t.typtype = 'b' AND t.typelem = 0 OR t.typtype = 'c' AND EXISTS ( \
            SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')) \
        AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid) \
    UNION ALL \
    SELECT 'function', n.nspname::text, p.proname || '(' || \
            pg_catalog.oidvectortypes(p.proargtypes) || ')' \
        FROM pg_catalog.pg_proc p JOIN user_schema n ON n.oid = p.pronamespace \
        WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid) \
    UNION ALL \
    SELECT 'large object', '', l.oid::text FROM pg_catalog.pg_largeobject_metadata l";

const LOG_COLUMNS: &str = "SELECT a.attname::text AS name FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'orchestrator' AND c.relname = 'deployment_log' AND a.attnum > 0 AND NOT a.attisdropped \
    ORDER BY a.attnum";

/// A table of the target that refers to another one by a foreign key.
const REFERENCES: &str = "SELECT n.nspname::text AS schema, c.relname::text AS name, \
    rn.nspname::text AS referenced_schema, r.relname::text AS referenced_name \
    FROM pg_catalog.pg_constraint k \
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace \
    WHERE k.contype = 'f' AND k.conrelid <> k.confrelid";

/// Schema and name of a table.
pub type TableName = (String, String);

impl TargetState {
    /// Asks the server, by any of its databases.
    pub fn of_server(connection: &Connection) -> Result<TargetState, Error> {
        let server = connection.server();
        let rights = connection.query_one(SERVER, &[])?;
        let names = |sql: &str| -> Result<BTreeSet<String>, Error> {
            let names = connection.query(sql, &[])?.map(|row| row.get("name"))?;
            Ok(names.into_iter().collect())
        };
        let roles = connection
            .query(ROLES, &[])?
            .map(|row| Ok((row.get("name")?, row.get("member")?)))?;
        Ok(TargetState {
            version: server.version,
            user: server.user,
            in_recovery: server.in_recovery,
            superuser: rights.get("rolsuper")?,
            creates_databases: rights.get("rolcreatedb")?,
            creates_in_database: true,
            creates_in_public: true,
            roles: roles.into_iter().collect(),
            available_extensions: names(
                "SELECT name::text FROM pg_catalog.pg_available_extensions",
            )?,
            tablespaces: names("SELECT spcname::text AS name FROM pg_catalog.pg_tablespace")?,
            ..TargetState::default()
        })
    }

    /// Asks the server and the database that the connection is in.
    pub fn of_database(connection: &Connection) -> Result<TargetState, Error> {
        let database = connection.query_one(DATABASE, &[])?;
        let objects = connection.query(OBJECTS, &[])?.map(|row| {
            Ok(Object {
                kind: kind(row.get("kind")?)?,
                schema: row.get("schema")?,
                name: row.get("name")?,
            })
        })?;
        Ok(TargetState {
            encoding: database.get("encoding")?,
            creates_in_database: database.get("creates")?,
            creates_in_public: database.get("creates_in_public")?,
            objects: objects.into_iter().collect(),
            log_columns: connection
                .query(LOG_COLUMNS, &[])?
                .map(|row| row.get("name"))?,
            ..TargetState::of_server(connection)?
        })
    }

    /// What users created, without what every database has and without the host's own schema.
    pub fn user_objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| match object.kind {
            ObjectKind::Extension => false,
            ObjectKind::Schema => {
                object.name != "public" && object.name != crate::selection::OWN_SCHEMA
            }
            _ => object.schema != crate::selection::OWN_SCHEMA,
        })
    }
}

/// Those of the tables that hold rows.
pub fn tables_with_rows(
    connection: &Connection,
    tables: &[TableName],
) -> Result<Vec<TableName>, Error> {
    let mut filled = Vec::new();
    for (chunk_index, chunk) in tables.chunks(TABLES_AT_ONCE).enumerate() {
        let questions: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(index, (schema, name))| {
                let table = qualified(schema, name);
                format!("SELECT {index}::int4 AS number WHERE EXISTS (SELECT FROM ONLY {table})")
            })
            .collect();
        let numbers: Vec<u32> = connection
            .query(&questions.join(" UNION ALL "), &[])?
            .map(|row| row.get("number"))?;
        filled.extend(numbers.into_iter().filter_map(|number| {
            tables
                .get(chunk_index * TABLES_AT_ONCE + number as usize)
                .cloned()
        }));
    }
    Ok(filled)
}

/// Foreign keys between tables of the target: the table, and the one that it refers to.
pub fn references(connection: &Connection) -> Result<Vec<(TableName, TableName)>, Error> {
    connection.query(REFERENCES, &[])?.map(|row| {
        Ok((
            (row.get("schema")?, row.get("name")?),
            (row.get("referenced_schema")?, row.get("referenced_name")?),
        ))
    })
}

fn kind(text: &str) -> Result<ObjectKind, Error> {
    Ok(match text {
        "schema" => ObjectKind::Schema,
        "extension" => ObjectKind::Extension,
        "relation" => ObjectKind::Relation,
        "type" => ObjectKind::Type,
        "function" => ObjectKind::Function,
        "large object" => ObjectKind::LargeObject,
        other => return Err(Error::internal(format!("an object of the kind {other:?}"))),
    })
}

//! Tables, views, materialized views and sequences.

use super::rows::Reader;
use super::sql::{options, unnest};
use crate::error::Error;
use crate::model::{CatalogId, ForeignTable, Relation, RelationKind, class};
use crate::selection::{Components, Filters, Selection};

/// What relations are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Dump,
    /// Only to tell which of them to lock: without what is read again after that.
    Locks,
}

/// The users' relations, and those of the server whose privileges were changed, in the order of their OIDs. Nothing here
/// calls a function that looks at more than the row: no table is locked yet.
pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
    purpose: Purpose,
) -> Result<Vec<Relation>, Error> {
    let mut relations: Vec<Relation> = Vec::new();
    let described = |column| match purpose {
        Purpose::Dump => column,
        Purpose::Locks => "NULL",
    };
    reader.rows(
        "tables",
        &[
            "c.oid",
            "c.relname",
            "c.relnamespace",
            "c.relkind",
            "c.relowner",
            "c.relpersistence = 'u'",
            described("CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END"),
            described("c.relacl"),
            described(
                "CASE WHEN c.relacl IS NOT NULL THEN \
                 acldefault(CASE WHEN c.relkind = 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner) END",
            ),
            described("am.amname"),
            described("tsp.spcname"),
            described("array_remove(array_remove(c.reloptions, 'check_option=local'), 'check_option=cascaded')"),
            described("tc.reloptions"),
            described(
                "CASE WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL' \
                 WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED' END",
            ),
            "d.refobjid",
            "d.refobjsubid",
            "d.deptype = 'i'",
            "c.relispartition",
            "c.relispopulated",
            "c.relreplident",
            "c.relrowsecurity",
            "c.relforcerowsecurity",
            "c.relhasindex",
            "c.relhastriggers",
            "c.reltuples",
        ],
        "FROM pg_class c \
         LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 \
         AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') \
         LEFT JOIN pg_tablespace tsp ON tsp.oid = c.reltablespace \
         LEFT JOIN pg_am am ON am.oid = c.relam \
         LEFT JOIN pg_class tc ON tc.oid = c.reltoastrelid AND tc.relkind = 't' AND c.relkind <> 'p' \
         WHERE c.relkind IN ('r', 'S', 'v', 'c', 'm', 'f', 'p') AND (c.oid >= 16384 \
         OR c.relacl IS DISTINCT FROM (SELECT p.initprivs FROM pg_init_privs p \
         WHERE p.classoid = 'pg_class'::regclass AND p.objoid = c.oid AND p.objsubid = 0) \
         OR c.oid IN (SELECT a.attrelid FROM pg_attribute a LEFT JOIN pg_init_privs p \
         ON p.classoid = 'pg_class'::regclass AND p.objoid = a.attrelid AND p.objsubid = a.attnum \
         WHERE a.attrelid < 16384 AND a.attacl IS DISTINCT FROM p.initprivs)) \
         ORDER BY c.oid",
        |row| {
            let oid = row.oid()?;
            let name = row.text()?;
            let (schema_oid, schema) = row.schema()?;
            let letter = row.letter()?;
            let kind = RelationKind::from_letter(letter);
            let kind = kind.ok_or_else(|| row.unexpected(format!("a relation of kind {letter:?}, {name}")))?;
            let dump = match kind {
                RelationKind::CompositeType => Components::NONE,
                _ => {
                    let id = CatalogId::new(class::RELATION, oid);
                    selection.of_relation(id, (schema_oid, &schema), &name)
                }
            };
            let has_rows = matches!(kind, RelationKind::Table | RelationKind::MaterializedView | RelationKind::Sequence);
            relations.push(Relation {
                oid,
                name,
                schema,
                kind,
                owner: row.role()?,
                unlogged: row.flag()?,
                of_type: row.optional()?,
                access: row.access()?,
                column_access: Vec::new(),
                access_method: row.optional()?,
                tablespace: row.text()?,
                options: row.list()?,
                toast_options: row.list()?,
                check_option: row.optional()?,
                owned_by: row.optional_number()?.zip(row.optional_number()?),
                is_identity: row.flag()?,
                is_partition: row.flag()?,
                is_populated: row.flag()?,
                replica_identity: row.letter()?,
                row_security: row.flag()?,
                force_row_security: row.flag()?,
                has_indexes: row.flag()?,
                has_triggers: row.flag()?,
                estimated_rows: row.number()?,
                parents: Vec::new(),
                columns: Vec::new(),
                partition_key: None,
                partition_bound: None,
                has_unstable_partitions: false,
                query: None,
                sequence: None,
                foreign: None,
                heap_bytes: 0,
                toast_bytes: 0,
                pages: 0,
                data: (has_rows && dump.has(Components::DATA)).then(String::new),
                dump,
                is_interesting: dump.has(Components::DEFINITION),
            });
            Ok(())
        },
    )?;
    follow_owners(&mut relations);
    Ok(relations)
}

/// Takes the rows that nobody wants from what is dumped.
pub fn leave_out_rows(filters: &Filters, relations: &mut [Relation]) {
    for relation in relations {
        if !filters.rows_of(&relation.schema, &relation.name) {
            relation.data = None;
        }
    }
}

/// A sequence that a column owns is dumped with its table; an identity's sequence is nothing but a part of it.
fn follow_owners(relations: &mut [Relation]) {
    for at in 0..relations.len() {
        let Some((owner, _)) = relations[at].owned_by else {
            continue;
        };
        let Ok(table) = relations.binary_search_by_key(&owner, |relation| relation.oid) else {
            continue;
        };
        let of_table = relations[table].dump;
        let sequence = &mut relations[at];
        sequence.dump = if sequence.is_identity {
            of_table
        } else {
            sequence.dump.or(of_table)
        };
        if !sequence.dump.has(Components::DATA) {
            sequence.data = None;
        } else if sequence.data.is_none() {
            sequence.data = Some(String::new());
        }
        if sequence.dump.any() {
            sequence.is_interesting = true;
            relations[table].is_interesting = true;
        }
    }
}

/// What functions print about the chosen relations, now that the tables among them are locked.
pub fn details(
    reader: &mut Reader<'_>,
    filters: &Filters,
    relations: &mut [Relation],
) -> Result<(), Error> {
    let chosen = relations
        .iter()
        .filter(|relation| relation.is_interesting && relation.kind != RelationKind::Sequence);
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_class c ON c.oid = src.oid \
         LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid \
         LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver ORDER BY c.oid",
        unnest(chosen.map(|relation| relation.oid))
    );
    // Hash partitions of an enum depend on the OIDs of its labels, which a restore gives out anew.
    let unstable = "(SELECT o.oid FROM pg_opclass o JOIN pg_am a ON o.opcmethod = a.oid WHERE o.opcname = 'enum_ops' \
                    AND o.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash') = ANY (p.partclass)";
    let foreign_options = options("f.ftoptions");
    // The server asks the file system for each.
    let size = |of: &'static str| match filters.schema_only {
        true => "NULL",
        false => of,
    };
    reader.rows(
        "definitions of tables and views",
        &[
            "c.oid",
            "CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END",
            "CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END",
            unstable,
            "CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END",
            size("CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) END"),
            size("CASE WHEN c.relkind = 'r' AND c.reltoastrelid <> 0 THEN pg_relation_size(c.reltoastrelid) END"),
            "current_setting('block_size')",
            "s.srvname",
            &foreign_options,
        ],
        &from,
        |row| {
            let oid = row.oid()?;
            let Ok(at) = relations.binary_search_by_key(&oid, |relation| relation.oid) else {
                return Err(row.unexpected(format!("a relation that was not asked for, OID {oid}")));
            };
            let relation = &mut relations[at];
            relation.partition_key = row.optional()?;
            relation.partition_bound = row.optional()?;
            relation.has_unstable_partitions = row.flag()?;
            relation.query = row.optional()?.map(|query| query.trim_end_matches(';').to_owned());
            relation.heap_bytes = row.optional_number()?.unwrap_or(0);
            relation.toast_bytes = row.optional_number()?.unwrap_or(0);
            let block: u64 = row.number()?;
            relation.pages = relation.heap_bytes.div_ceil(block.max(1));
            let (server, options) = (row.optional()?, row.text()?);
            relation.foreign = server.map(|server| ForeignTable { server, options });
            Ok(())
        },
    )
}

//! Functions and procedures; aggregates are listed here, too, and described in `aggregates`.

use std::collections::HashMap;

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{CatalogId, Function, FunctionDetails, Routine, class};
use crate::selection::{Components, Selection};

/// Every function outside `pg_catalog`, and those in it whose privileges were changed. Constructors of range types are
/// internally dependent on them and come with them.
pub fn read(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Function>, Error> {
    let mut functions = Vec::new();
    reader.rows(
        "functions",
        &[
            "p.oid",
            "p.proname",
            "p.pronamespace",
            "p.proowner",
            "p.proacl",
            "CASE WHEN p.proacl IS NOT NULL THEN acldefault('f', p.proowner) END",
            "p.prokind",
            "p.proargtypes",
            "pg_get_function_identity_arguments(p.oid)",
        ],
        "FROM pg_proc p LEFT JOIN pg_init_privs i ON i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass AND i.objsubid = 0 \
         WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i') \
         AND (p.oid >= 16384 OR p.proacl IS DISTINCT FROM i.initprivs) ORDER BY p.oid",
        |row| {
            let (oid, name, (schema_oid, schema)) = (row.oid()?, row.text()?, row.schema()?);
            functions.push(Function {
                oid,
                name,
                schema,
                owner: row.role()?,
                access: row.access()?,
                kind: row.letter()?,
                argument_types: row.vector()?,
                identity_arguments: row.text()?,
                routine: Routine::Undescribed,
                dump: selection.of(CatalogId::new(class::PROC, oid), schema_oid),
            });
            Ok(())
        },
    )?;
    Ok(functions)
}

/// Describes the functions whose definition is dumped.
pub fn details(reader: &mut Reader<'_>, functions: &mut [Function]) -> Result<(), Error> {
    let version = reader.version;
    let chosen = described(functions, |kind| kind != 'a');
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_proc p ON p.oid = src.oid JOIN pg_language l ON l.oid = p.prolang",
        unnest(chosen.keys().copied())
    );
    reader.rows(
        "definitions of functions",
        &[
            "p.oid",
            "pg_get_function_arguments(p.oid)",
            "pg_get_function_result(p.oid)",
            "p.proretset",
            "l.lanname",
            "ARRAY(SELECT format_type(t, NULL) FROM unnest(p.protrftypes) AS t)",
            "p.provolatile",
            "p.proisstrict",
            "p.prosecdef",
            "p.proleakproof",
            "p.procost",
            "p.prorows",
            "p.prosupport",
            "p.proparallel",
            "p.proconfig",
            "p.prosrc",
            "p.probin",
            // SQL-standard bodies are new in 14.
            version.since(14, "pg_get_function_sqlbody(p.oid)", "NULL"),
        ],
        &from,
        |row| {
            let oid = row.oid()?;
            let Some(&at) = chosen.get(&oid) else {
                return Err(row.unexpected(format!("a function that was not asked for, OID {oid}")));
            };
            functions[at].routine = Routine::Function(Box::new(FunctionDetails {
                arguments: row.text()?,
                result: row.optional()?,
                returns_set: row.flag()?,
                language: row.text()?,
                transforms: row.list()?,
                volatility: row.letter()?,
                strict: row.flag()?,
                security_definer: row.flag()?,
                leakproof: row.flag()?,
                cost: row.text()?,
                rows: row.text()?,
                support: row.text()?,
                parallel: row.letter()?,
                configuration: row.list()?,
                source: row.text()?,
                binary: row.optional()?,
                sql_body: row.optional()?,
            }));
            Ok(())
        },
    )
}

/// OIDs and positions of those whose definition is dumped, by a condition on prokind.
pub fn described(functions: &[Function], chosen: impl Fn(char) -> bool) -> HashMap<u32, usize> {
    let all = functions.iter().enumerate();
    let dumped = all
        .filter(|(_, function)| function.dump.has(Components::DEFINITION) && chosen(function.kind));
    dumped.map(|(at, function)| (function.oid, at)).collect()
}

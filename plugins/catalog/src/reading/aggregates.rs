//! Aggregates: pg_aggregate.

use super::functions::described;
use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Aggregate, AggregateFinal, Function, Routine};

/// Describes the aggregates whose definition is dumped.
pub fn details(reader: &mut Reader<'_>, functions: &mut [Function]) -> Result<(), Error> {
    let chosen = described(functions, |kind| kind == 'a');
    let from = format!(
        "FROM {} AS src(oid) JOIN pg_proc p ON p.oid = src.oid JOIN pg_aggregate a ON a.aggfnoid = p.oid \
         LEFT JOIN pg_operator o ON o.oid = a.aggsortop LEFT JOIN pg_namespace n ON n.oid = o.oprnamespace",
        unnest(chosen.keys().copied())
    );
    reader.rows(
        "definitions of aggregates",
        &[
            "p.oid",
            "pg_get_function_arguments(p.oid)",
            "a.aggkind",
            "a.aggtransfn",
            "a.aggtranstype::regtype",
            "a.aggtransspace",
            "a.agginitval",
            "a.aggfinalfn",
            "a.aggfinalextra",
            "a.aggfinalmodify",
            "a.aggcombinefn",
            "a.aggserialfn",
            "a.aggdeserialfn",
            "a.aggmtransfn",
            "a.aggminvtransfn",
            "a.aggmtranstype::regtype",
            "a.aggmtransspace",
            "a.aggminitval",
            "a.aggmfinalfn",
            "a.aggmfinalextra",
            "a.aggmfinalmodify",
            "'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'",
            "p.proparallel",
        ],
        &from,
        |row| {
            let oid = row.oid()?;
            let Some(&at) = chosen.get(&oid) else {
                return Err(
                    row.unexpected(format!("an aggregate that was not asked for, OID {oid}"))
                );
            };
            functions[at].routine = Routine::Aggregate(Box::new(Aggregate {
                arguments: row.text()?,
                kind: row.letter()?,
                transition: row.text()?,
                state_type: row.text()?,
                state_space: row.text()?,
                initial: row.optional()?,
                last: AggregateFinal {
                    function: row.text()?,
                    extra: row.flag()?,
                    modify: row.letter()?,
                },
                combine: row.text()?,
                serialize: row.text()?,
                deserialize: row.text()?,
                moving_transition: row.text()?,
                moving_inverse: row.text()?,
                moving_state_type: row.text()?,
                moving_state_space: row.text()?,
                moving_initial: row.optional()?,
                moving_last: AggregateFinal {
                    function: row.text()?,
                    extra: row.flag()?,
                    modify: row.letter()?,
                },
                sort_operator: row.optional()?,
                parallel: row.letter()?,
            }));
            Ok(())
        },
    )
}

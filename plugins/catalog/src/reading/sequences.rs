//! Sequences and where they stand.

use super::rows::Reader;
use super::sql::unnest;
use crate::error::Error;
use crate::model::{Relation, RelationKind, Sequence};

/// How many sequences one query reads before 18: each is a relation of its own in that query.
const SEQUENCES_A_QUERY: usize = 200;

pub fn read(reader: &mut Reader<'_>, relations: &mut [Relation]) -> Result<(), Error> {
    let version = reader.version;
    let chosen: Vec<usize> = (0..relations.len())
        .filter(|&at| {
            relations[at].kind == RelationKind::Sequence
                && (relations[at].is_interesting || relations[at].data.is_some())
        })
        .collect();
    let mut from = format!(
        "FROM {} AS src(oid) JOIN pg_sequence s ON s.seqrelid = src.oid",
        unnest(chosen.iter().map(|&at| relations[at].oid))
    );
    // A function for where a sequence stands is new in 18.
    if version.at_least(18) {
        from.push_str(", pg_get_sequence_data(s.seqrelid) AS v");
    }
    reader.rows(
        "sequences",
        &[
            "s.seqrelid",
            "format_type(s.seqtypid, NULL)",
            "s.seqstart",
            "s.seqincrement",
            "s.seqmin",
            "s.seqmax",
            "s.seqcache",
            "s.seqcycle",
            version.since(18, "v.last_value", "0"),
            version.since(18, "v.is_called", "false"),
        ],
        &from,
        |row| {
            let oid = row.oid()?;
            let Ok(at) = relations.binary_search_by_key(&oid, |relation| relation.oid) else {
                return Err(row.unexpected(format!("a sequence that was not asked for, OID {oid}")));
            };
            let relation = &mut relations[at];
            let mut sequence = Sequence {
                data_type: row.text()?,
                start: row.number()?,
                increment: row.number()?,
                minimum: row.number()?,
                maximum: row.number()?,
                cache: row.number()?,
                cycle: row.flag()?,
                last_value: 0,
                is_called: false,
            };
            let last_value = row.optional_number()?;
            if last_value.is_none() && relation.data.is_some() {
                let name = relation.qualified();
                return Err(row.unexpected(format!(
                    "no position of {name}; the role may lack SELECT on it"
                )));
            }
            sequence.last_value = last_value.unwrap_or_default();
            sequence.is_called = row.flag()?;
            relation.sequence = Some(sequence);
            Ok(())
        },
    )?;
    if !version.at_least(18) {
        let with_data: Vec<usize> = chosen
            .into_iter()
            .filter(|&at| relations[at].data.is_some())
            .collect();
        for some in with_data.chunks(SEQUENCES_A_QUERY) {
            positions(reader, relations, some)?;
        }
    }
    Ok(())
}

fn positions(
    reader: &mut Reader<'_>,
    relations: &mut [Relation],
    chosen: &[usize],
) -> Result<(), Error> {
    let parts: Vec<String> = chosen
        .iter()
        .map(|&at| {
            format!(
                "SELECT {at}, last_value, is_called FROM {}",
                relations[at].qualified()
            )
        })
        .collect();
    let from = format!(
        "FROM ({}) AS v(at, last_value, is_called)",
        parts.join(" UNION ALL ")
    );
    reader.rows(
        "positions of sequences",
        &["at", "last_value", "is_called"],
        &from,
        |row| {
            let at: usize = row.number()?;
            let found = relations
                .get_mut(at)
                .and_then(|relation| relation.sequence.as_mut());
            let sequence =
                found.ok_or_else(|| row.unexpected(format!("a position of sequence {at}")))?;
            sequence.last_value = row.number()?;
            sequence.is_called = row.flag()?;
            Ok(())
        },
    )
}

//! Event triggers.

use super::rows::Reader;
use crate::error::Error;
use crate::model::{EventTrigger, class};
use crate::selection::Selection;

pub fn read(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<EventTrigger>, Error> {
    let mut triggers = Vec::new();
    reader.rows(
        "event triggers",
        &[
            "oid",
            "evtname",
            "NULL",
            "evtowner",
            "evtevent",
            "array_to_string(ARRAY(SELECT quote_literal(tag) FROM unnest(evttags) AS t(tag)), ', ')",
            "evtfoid::regproc",
            "evtenabled",
        ],
        "FROM pg_event_trigger ORDER BY oid",
        |row| {
            triggers.push(EventTrigger {
                header: row.header(class::EVENT_TRIGGER, selection)?,
                event: row.text()?,
                tags: row.text()?,
                function: row.text()?,
                enabled: row.letter()?,
            });
            Ok(())
        },
    )?;
    Ok(triggers)
}

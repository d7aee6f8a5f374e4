//! CREATE EVENT TRIGGER.

use archive::Section;

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_identifier;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let trigger = &writer.catalog.event_triggers[at];
    let name = trigger.header.qualified();
    let mut sql = format!(
        "CREATE EVENT TRIGGER {name} ON {}",
        quote_identifier(&trigger.event)
    );
    if !trigger.tags.is_empty() {
        sql.push_str(&format!("\n         WHEN TAG IN ({})", trigger.tags));
    }
    sql.push_str(&format!("\n   EXECUTE FUNCTION {}();\n", trigger.function));
    let state = match trigger.enabled {
        'D' => "DISABLE",
        'A' => "ENABLE ALWAYS",
        'R' => "ENABLE REPLICA",
        _ => "",
    };
    if !state.is_empty() {
        sql.push_str(&format!("\nALTER EVENT TRIGGER {name} {state};\n"));
    }
    let object = Standalone {
        section: Section::PostData,
        ..Standalone::new(
            "EVENT TRIGGER",
            sql,
            format!("DROP EVENT TRIGGER {name};\n"),
        )
    };
    writer.add_standalone(dump_id, &trigger.header, None, object);
}

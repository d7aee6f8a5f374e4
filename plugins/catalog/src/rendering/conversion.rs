//! CREATE CONVERSION.

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_literal;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let conversion = &writer.catalog.conversions[at];
    let name = conversion.header.qualified();
    let default = if conversion.is_default {
        "DEFAULT "
    } else {
        ""
    };
    let object = Standalone::new(
        "CONVERSION",
        format!(
            "CREATE {default}CONVERSION {name} FOR {} TO {} FROM {};\n",
            quote_literal(&conversion.from),
            quote_literal(&conversion.to),
            conversion.function
        ),
        format!("DROP CONVERSION {name};\n"),
    );
    writer.add_standalone(dump_id, &conversion.header, None, object);
}

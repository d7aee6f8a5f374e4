//! CREATE ACCESS METHOD.

use super::writer::{Standalone, Writer};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let method = &writer.catalog.access_methods[at];
    let name = method.header.qualified();
    let kind = if method.kind == 't' { "TABLE" } else { "INDEX" };
    let object = Standalone::new(
        "ACCESS METHOD",
        format!(
            "CREATE ACCESS METHOD {name} TYPE {kind} HANDLER {};\n",
            method.handler
        ),
        format!("DROP ACCESS METHOD {name};\n"),
    );
    writer.add_standalone(dump_id, &method.header, None, object);
}

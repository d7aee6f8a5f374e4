//! CREATE CAST.

use super::writer::{Standalone, Writer};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let cast = &writer.catalog.casts[at];
    let types = format!("({} AS {})", cast.source, cast.target);
    let how = match (&cast.function, cast.method) {
        (Some(function), 'f') => format!("WITH FUNCTION {function}"),
        (_, 'i') => "WITH INOUT".to_owned(),
        _ => "WITHOUT FUNCTION".to_owned(),
    };
    let when = match cast.context {
        'a' => " AS ASSIGNMENT",
        'i' => " AS IMPLICIT",
        _ => "",
    };
    let object = Standalone {
        tag: Some(format!("CAST {types}")),
        identity: Some(types.clone()),
        ..Standalone::new(
            "CAST",
            format!("CREATE CAST {types} {how}{when};\n"),
            format!("DROP CAST {types};\n"),
        )
    };
    writer.add_standalone(dump_id, &cast.header, None, object);
}

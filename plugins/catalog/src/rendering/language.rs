//! CREATE LANGUAGE and CREATE TRANSFORM.

use super::writer::{Standalone, Writer};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let language = &writer.catalog.languages[at];
    let name = language.header.qualified();
    let trusted = if language.trusted { "TRUSTED " } else { "" };
    let mut sql = format!("CREATE {trusted}PROCEDURAL LANGUAGE {name}");
    // With its functions, also where those are the server's: without them, a server looks for an extension of that name.
    for (clause, function) in [
        ("HANDLER", &language.handler),
        ("INLINE", &language.inline),
        ("VALIDATOR", &language.validator),
    ] {
        if let Some(function) = function {
            sql.push_str(&format!(" {clause} {function}"));
        }
    }
    let object = Standalone {
        keyword: Some("LANGUAGE"),
        ..Standalone::new(
            "PROCEDURAL LANGUAGE",
            sql + ";\n",
            format!("DROP PROCEDURAL LANGUAGE {name};\n"),
        )
    };
    // Nobody but a superuser may use an untrusted one, whatever is granted.
    let access = language.trusted.then_some(("LANGUAGE", &language.access));
    writer.add_standalone(dump_id, &language.header, access, object);
}

pub fn transform(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let transform = &writer.catalog.transforms[at];
    let identity = format!(
        "FOR {} LANGUAGE {}",
        transform.type_name, transform.language
    );
    let directions = [("FROM", &transform.from_sql), ("TO", &transform.to_sql)];
    let functions: Vec<String> = directions
        .into_iter()
        .filter_map(|(direction, function)| {
            Some(format!(
                "{direction} SQL WITH FUNCTION {}",
                function.as_ref()?
            ))
        })
        .collect();
    let object = Standalone {
        tag: Some(format!("TRANSFORM {identity}")),
        identity: Some(identity.clone()),
        ..Standalone::new(
            "TRANSFORM",
            format!("CREATE TRANSFORM {identity} ({});\n", functions.join(", ")),
            format!("DROP TRANSFORM {identity};\n"),
        )
    };
    writer.add_standalone(dump_id, &transform.header, None, object);
}

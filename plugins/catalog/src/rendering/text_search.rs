//! CREATE TEXT SEARCH PARSER, TEMPLATE, DICTIONARY and CONFIGURATION.

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_identifier;
use crate::model::Header;

pub fn parser(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let parser = &writer.catalog.parsers[at];
    let mut options = vec![
        format!("START = {}", parser.start),
        format!("GETTOKEN = {}", parser.get_token),
        format!("END = {}", parser.end),
    ];
    if let Some(headline) = &parser.headline {
        options.push(format!("HEADLINE = {headline}"));
    }
    options.push(format!("LEXTYPES = {}", parser.token_types));
    write(
        writer,
        dump_id,
        &parser.header,
        "TEXT SEARCH PARSER",
        &options,
        "",
    );
}

pub fn template(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let template = &writer.catalog.templates[at];
    let mut options = Vec::new();
    if let Some(init) = &template.init {
        options.push(format!("INIT = {init}"));
    }
    options.push(format!("LEXIZE = {}", template.lexize));
    write(
        writer,
        dump_id,
        &template.header,
        "TEXT SEARCH TEMPLATE",
        &options,
        "",
    );
}

pub fn dictionary(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let dictionary = &writer.catalog.dictionaries[at];
    let mut options = vec![format!("TEMPLATE = {}", dictionary.template)];
    options.extend(dictionary.options.clone());
    write(
        writer,
        dump_id,
        &dictionary.header,
        "TEXT SEARCH DICTIONARY",
        &options,
        "",
    );
}

pub fn configuration(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let configuration = &writer.catalog.text_search_configurations[at];
    let options = vec![format!("PARSER = {}", configuration.parser)];
    let name = configuration.header.qualified();
    let mappings: String = configuration
        .mappings
        .iter()
        .map(|mapping| {
            format!(
                "\nALTER TEXT SEARCH CONFIGURATION {name}\n    ADD MAPPING FOR {} WITH {};\n",
                quote_identifier(&mapping.token),
                mapping.dictionaries.join(", ")
            )
        })
        .collect();
    write(
        writer,
        dump_id,
        &configuration.header,
        "TEXT SEARCH CONFIGURATION",
        &options,
        &mappings,
    );
}

fn write(
    writer: &mut Writer<'_>,
    dump_id: u32,
    header: &Header,
    desc: &str,
    options: &[String],
    more: &str,
) {
    let name = header.qualified();
    let object = Standalone::new(
        desc,
        format!(
            "CREATE {desc} {name} (\n    {} );\n{more}",
            options.join(",\n    ")
        ),
        format!("DROP {desc} {name};\n"),
    );
    writer.add_standalone(dump_id, header, None, object);
}

//! CREATE FUNCTION and CREATE PROCEDURE.

use archive::{Entry, Section};

use super::extension_dependencies;
use super::settings;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::{dollar_quote, qualified, quote_identifier, quote_literal};
use crate::model::{CatalogId, Function, FunctionDetails, Routine, class};
use crate::ordering::Node;
use crate::selection::Components;

pub fn write(writer: &mut Writer<'_>, node: &Node<'_>, dump_id: u32, at: usize) {
    let function = &writer.catalog.functions[at];
    let keyword = function.keyword();
    let signature = format!(
        "{}({})",
        quote_identifier(&function.name),
        function.identity_arguments
    );
    let id = CatalogId::new(class::PROC, function.oid);
    if let (true, Routine::Function(details)) =
        (function.dump.has(Components::DEFINITION), &function.routine)
    {
        let full_signature = format!("{}.{signature}", quote_identifier(&function.schema));
        let mut definition = create(function, details);
        definition.push_str(&extension_dependencies::statements(
            keyword,
            &full_signature,
            &node.extensions,
        ));
        writer.add(Entry {
            definition: Some(definition),
            drop_statement: Some(format!("DROP {keyword} {full_signature};\n")),
            namespace: Some(function.schema.to_string()),
            owner: Some(function.owner.to_string()),
            ..entry(dump_id, id, keyword, section(node), tag(writer, function))
        });
    }
    let subject = Subject {
        kind: keyword,
        name: &signature,
        schema: Some(&function.schema),
        owner: &function.owner,
        dump_id,
    };
    if function.dump.has(Components::COMMENT) {
        writer.annotate(subject, id);
    }
    if function.dump.has(Components::ACL) {
        let initial = writer
            .catalog
            .initial_privileges
            .get(&id)
            .map(Vec::as_slice);
        writer.access(subject, &function.access, initial);
    }
}

fn section(node: &Node<'_>) -> Section {
    if node.postponed {
        Section::PostData
    } else {
        Section::PreData
    }
}

/// Name and types of the input arguments, unquoted: the label of the entry.
pub fn tag(writer: &Writer<'_>, function: &Function) -> String {
    format!("{}({})", function.name, argument_types(writer, function))
}

/// The types of the input arguments, as format_type prints them.
pub fn argument_types(writer: &Writer<'_>, function: &Function) -> String {
    let types = &writer.catalog.types;
    let name = |oid: &u32| match types.binary_search_by_key(oid, |ty| ty.oid) {
        Ok(at) => types[at].formatted.as_str(),
        Err(_) => "???",
    };
    function
        .argument_types
        .iter()
        .map(name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn create(function: &Function, details: &FunctionDetails) -> String {
    let mut sql = format!(
        "CREATE {} {}({})",
        function.keyword(),
        qualified(&function.schema, &function.name),
        details.arguments
    );
    if let Some(result) = details.result.as_ref().filter(|_| function.kind != 'p') {
        sql.push_str(&format!(" RETURNS {result}"));
    }
    sql.push_str(&format!(
        "\n    LANGUAGE {}",
        quote_identifier(&details.language)
    ));
    if !details.transforms.is_empty() {
        let types = details
            .transforms
            .iter()
            .map(|ty| format!("FOR TYPE {ty}"))
            .collect::<Vec<_>>()
            .join(", ");
        sql.push_str(&format!(" TRANSFORM {types}"));
    }
    sql.push_str(&attributes(function, details));
    for set in details
        .configuration
        .iter()
        .filter_map(|setting| settings::set(setting))
    {
        sql.push_str(&format!("\n    {set}"));
    }
    sql + &format!("\n    {};\n", body(details))
}

fn attributes(function: &Function, details: &FunctionDetails) -> String {
    let mut sql = String::new();
    let mut add = |holds: bool, text: &str| {
        if holds {
            sql.push_str(text);
        }
    };
    add(function.kind == 'w', " WINDOW");
    add(details.volatility == 'i', " IMMUTABLE");
    add(details.volatility == 's', " STABLE");
    add(details.strict, " STRICT");
    add(details.security_definer, " SECURITY DEFINER");
    add(details.leakproof, " LEAKPROOF");
    // The server's own defaults.
    let is_native = ["internal", "c"].contains(&details.language.as_str());
    let default_cost = if is_native { "1" } else { "100" };
    add(
        !["0", default_cost].contains(&details.cost.as_str()),
        &format!(" COST {}", details.cost),
    );
    add(
        details.returns_set && !["0", "1000"].contains(&details.rows.as_str()),
        &format!(" ROWS {}", details.rows),
    );
    add(
        details.support != "-",
        &format!(" SUPPORT {}", details.support),
    );
    add(details.parallel == 's', " PARALLEL SAFE");
    add(details.parallel == 'r', " PARALLEL RESTRICTED");
    sql
}

fn body(details: &FunctionDetails) -> String {
    if let Some(body) = &details.sql_body {
        return body.clone();
    }
    let Some(library) = details
        .binary
        .as_ref()
        .filter(|library| !library.is_empty())
    else {
        return format!("AS {}", dollar_quote(&details.source));
    };
    let mut sql = format!("AS {}", quote_literal(library));
    if !details.source.is_empty() {
        let needs_dollars = details.source.contains(['\'', '\\']);
        let symbol = if needs_dollars {
            dollar_quote(&details.source)
        } else {
            quote_literal(&details.source)
        };
        sql.push_str(&format!(", {symbol}"));
    }
    sql
}

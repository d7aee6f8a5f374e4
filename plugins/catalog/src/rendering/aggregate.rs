//! CREATE AGGREGATE.

use archive::{Entry, Section};

use super::function;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::{Aggregate, AggregateFinal, CatalogId, Function, Routine, class};
use crate::selection::Components;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let function = &writer.catalog.functions[at];
    let signature = with_arguments(function, &function.identity_arguments);
    let id = CatalogId::new(class::PROC, function.oid);
    if let (true, Routine::Aggregate(aggregate)) =
        (function.dump.has(Components::DEFINITION), &function.routine)
    {
        let schema = quote_identifier(&function.schema);
        let full = with_arguments(function, &aggregate.arguments);
        let tag = if function.argument_types.is_empty() {
            format!("{}(*)", function.name)
        } else {
            function::tag(writer, function)
        };
        writer.add(Entry {
            definition: Some(format!(
                "CREATE AGGREGATE {schema}.{full} (\n{}\n);\n",
                options(aggregate)
            )),
            drop_statement: Some(format!("DROP AGGREGATE {schema}.{signature};\n")),
            namespace: Some(function.schema.to_string()),
            owner: Some(function.owner.to_string()),
            ..entry(dump_id, id, "AGGREGATE", Section::PreData, tag)
        });
    }
    let subject = Subject {
        kind: "AGGREGATE",
        name: &signature,
        schema: Some(&function.schema),
        owner: &function.owner,
        dump_id,
    };
    if function.dump.has(Components::COMMENT) {
        writer.annotate(subject, id);
    }
    if function.dump.has(Components::ACL) {
        // There is no GRANT ON AGGREGATE: it is a function there, also in how its arguments are written.
        let name = format!(
            "{}({})",
            quote_identifier(&function.name),
            function::argument_types(writer, function)
        );
        let initial = writer
            .catalog
            .initial_privileges
            .get(&id)
            .map(Vec::as_slice);
        writer.access(
            Subject {
                kind: "FUNCTION",
                name: &name,
                ..subject
            },
            &function.access,
            initial,
        );
    }
}

fn with_arguments(function: &Function, arguments: &str) -> String {
    let arguments = if function.argument_types.is_empty() {
        "*"
    } else {
        arguments
    };
    format!("{}({arguments})", quote_identifier(&function.name))
}

fn options(aggregate: &Aggregate) -> String {
    let mut options = Vec::new();
    let mut add = |holds: bool, name: &str, value: &str| {
        if holds {
            options.push(format!("    {name} = {value}"));
        }
    };
    add(true, "SFUNC", &aggregate.transition);
    add(true, "STYPE", &aggregate.state_type);
    add(
        aggregate.state_space != "0",
        "SSPACE",
        &aggregate.state_space,
    );
    if let Some(initial) = &aggregate.initial {
        add(true, "INITCOND", &quote_literal(initial));
    }
    options.extend(last(aggregate, &aggregate.last, "FINALFUNC"));
    let mut add = |function: &str, name: &str| {
        if function != "-" {
            options.push(format!("    {name} = {function}"));
        }
    };
    add(&aggregate.combine, "COMBINEFUNC");
    add(&aggregate.serialize, "SERIALFUNC");
    add(&aggregate.deserialize, "DESERIALFUNC");
    if aggregate.moving_transition != "-" {
        add(&aggregate.moving_transition, "MSFUNC");
        add(&aggregate.moving_inverse, "MINVFUNC");
        add(&aggregate.moving_state_type, "MSTYPE");
    }
    if aggregate.moving_state_space != "0" {
        add(&aggregate.moving_state_space, "MSSPACE");
    }
    if let Some(initial) = &aggregate.moving_initial {
        add(&quote_literal(initial), "MINITCOND");
    }
    options.extend(last(aggregate, &aggregate.moving_last, "MFINALFUNC"));
    options.extend(
        aggregate
            .sort_operator
            .as_ref()
            .map(|operator| format!("    SORTOP = {operator}")),
    );
    if aggregate.kind == 'h' {
        options.push("    HYPOTHETICAL".to_owned());
    }
    match aggregate.parallel {
        's' => options.push("    PARALLEL = safe".to_owned()),
        'r' => options.push("    PARALLEL = restricted".to_owned()),
        _ => {}
    }
    options.join(",\n")
}

fn last(aggregate: &Aggregate, last: &AggregateFinal, name: &str) -> Vec<String> {
    if last.function == "-" {
        return Vec::new();
    }
    let mut options = vec![format!("    {name} = {}", last.function)];
    if last.extra {
        options.push(format!("    {name}_EXTRA"));
    }
    // An ordered-set aggregate's final function may change the state, a plain one's may not.
    let default = if aggregate.kind == 'n' { 'r' } else { 'w' };
    if last.modify != default {
        let modify = match last.modify {
            'r' => "READ_ONLY",
            's' => "SHAREABLE",
            _ => "READ_WRITE",
        };
        options.push(format!("    {name}_MODIFY = {modify}"));
    }
    options
}

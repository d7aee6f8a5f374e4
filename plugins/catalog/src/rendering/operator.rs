//! CREATE OPERATOR.

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_identifier;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let operator = &writer.catalog.operators[at];
    let header = &operator.header;
    let schema = quote_identifier(header.schema.as_deref().unwrap_or_default());
    let mut options = vec![format!("FUNCTION = {}", operator.function)];
    let mut set = |option: &str, value: &str| options.push(format!("{option} = {value}"));
    // A prefix operator has no left operand, and a postfix operator (before 14) no right one.
    let (mut left, mut right) = ("NONE", "NONE");
    if operator.kind != 'l' {
        left = &operator.left;
        set("LEFTARG", left);
    }
    if operator.kind != 'r' {
        right = &operator.right;
        set("RIGHTARG", right);
    }
    for (option, value) in [
        ("COMMUTATOR", &operator.commutator),
        ("NEGATOR", &operator.negator),
    ] {
        if let Some(value) = value {
            set(option, value);
        }
    }
    if operator.merges {
        options.push("MERGES".to_owned());
    }
    if operator.hashes {
        options.push("HASHES".to_owned());
    }
    for (option, value) in [
        ("RESTRICT", &operator.restriction),
        ("JOIN", &operator.join),
    ] {
        if let Some(value) = value {
            options.push(format!("{option} = {value}"));
        }
    }
    // Its name is never quoted.
    let name = &header.name;
    let identity = format!("{name} ({left}, {right})");
    let object = Standalone {
        identity: Some(identity.clone()),
        ..Standalone::new(
            "OPERATOR",
            format!(
                "CREATE OPERATOR {schema}.{name} (\n    {}\n);\n",
                options.join(",\n    ")
            ),
            format!("DROP OPERATOR {schema}.{identity};\n"),
        )
    };
    writer.add_standalone(dump_id, header, None, object);
}

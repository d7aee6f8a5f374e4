//! CREATE OPERATOR CLASS and CREATE OPERATOR FAMILY.

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_identifier;
use crate::model::Members;

pub fn class(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let class = &writer.catalog.operator_classes[at];
    let (name, method) = (class.header.qualified(), quote_identifier(&class.method));
    let default = if class.is_default { "DEFAULT " } else { "" };
    let mut items: Vec<String> = class
        .storage
        .iter()
        .map(|storage| format!("STORAGE {storage}"))
        .collect();
    items.extend(members(&class.members));
    if items.is_empty() {
        // An empty list is no SQL; a storage of the same type says nothing.
        items.push(format!("STORAGE {}", class.input_type));
    }
    let object = Standalone {
        identity: Some(format!(
            "{} USING {method}",
            quote_identifier(&class.header.name)
        )),
        ..Standalone::new(
            "OPERATOR CLASS",
            format!(
                "CREATE OPERATOR CLASS {name}\n    {default}FOR TYPE {} USING {method} FAMILY {} AS\n    {};\n",
                class.input_type,
                class.family,
                items.join(" ,\n    ")
            ),
            format!("DROP OPERATOR CLASS {name} USING {method};\n"),
        )
    };
    writer.add_standalone(dump_id, &class.header, None, object);
}

pub fn family(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let family = &writer.catalog.operator_families[at];
    let name = format!(
        "{} USING {}",
        family.header.qualified(),
        quote_identifier(&family.method)
    );
    let mut sql = format!("CREATE OPERATOR FAMILY {name};\n");
    let members = members(&family.members);
    if !members.is_empty() {
        sql.push_str(&format!(
            "ALTER OPERATOR FAMILY {name} ADD\n    {};\n",
            members.join(" ,\n    ")
        ));
    }
    let object = Standalone {
        identity: Some(format!(
            "{} USING {}",
            quote_identifier(&family.header.name),
            quote_identifier(&family.method)
        )),
        ..Standalone::new(
            "OPERATOR FAMILY",
            sql,
            format!("DROP OPERATOR FAMILY {name};\n"),
        )
    };
    writer.add_standalone(dump_id, &family.header, None, object);
}

fn members(members: &Members) -> Vec<String> {
    let operators = members.operators.iter().map(|member| {
        let order = member
            .sort_family
            .as_ref()
            .map(|family| format!(" FOR ORDER BY {family}"))
            .unwrap_or_default();
        format!("OPERATOR {} {}{order}", member.strategy, member.operator)
    });
    // With the types, also where the server could tell them: not so for the sort support of a comparison between types.
    let functions = members.functions.iter().map(|member| {
        format!(
            "FUNCTION {} ({}, {}) {}",
            member.number, member.left, member.right, member.function
        )
    });
    operators.chain(functions).collect()
}

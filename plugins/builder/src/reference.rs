//! The contract as a page for people, made of the WIT that plugins are built against.

use std::fmt::Write;

use wit_parser::{
    Docs, Function, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind, WorldItem,
};

use crate::component::contract;

/// `docs/contract.md`: each interface with its types and functions, in the words of the WIT.
///
/// Fails, with its reason, when the WIT that this program was compiled with cannot be read.
pub fn contract_reference() -> Result<String, String> {
    let (resolve, world) = contract()?;
    let mut page = format!(
        "# The contract {}\n\nAll that a plugin can see. This page is made of `plugins/wit/{0}/` by `make reference`. A version is a promise: it may gain functions, and a plugin that \
         was built against it keeps running.\n\nA plugin exports one function:\n\n",
        manifest::CONTRACT
    );
    let world = &resolve.worlds[world];
    for item in world.exports.values() {
        if let WorldItem::Function(function) = item {
            function_line(&mut page, &resolve, function);
        }
    }
    for item in world.imports.values() {
        if let WorldItem::Type { id, .. } = item {
            let definition = &resolve.types[*id];
            // Those that the world only borrows from an interface stand there.
            if !matches!(definition.kind, TypeDefKind::Type(_)) {
                type_section(&mut page, &resolve, definition);
            }
        }
    }
    for item in world.imports.values() {
        if let WorldItem::Interface { id, .. } = item {
            interface_section(&mut page, &resolve, &resolve.interfaces[*id]);
        }
    }
    Ok(page)
}

// Writing into a String cannot fail: the results of `write!` below are nothing to look at.

fn interface_section(page: &mut String, resolve: &Resolve, interface: &Interface) {
    let _ = write!(
        page,
        "\n## {}\n\n",
        interface.name.as_deref().unwrap_or_default()
    );
    paragraph(page, &interface.docs);
    for function in interface.functions.values() {
        if !function.name.starts_with('[') {
            function_line(page, resolve, function);
        }
    }
    for id in interface.types.values() {
        let definition = &resolve.types[*id];
        if matches!(definition.kind, TypeDefKind::Type(_)) {
            continue;
        }
        type_section(page, resolve, definition);
        let name = definition.name.as_deref().unwrap_or_default();
        for function in interface.functions.values() {
            let owner = function.name.split_once(']').map(|(_, name)| name);
            if owner
                .and_then(|owner| owner.split_once('.'))
                .is_some_and(|(owner, _)| owner == name)
            {
                function_line(page, resolve, function);
            }
        }
    }
}

fn type_section(page: &mut String, resolve: &Resolve, definition: &TypeDef) {
    let name = definition.name.as_deref().unwrap_or_default();
    if !page.ends_with("\n\n") {
        page.push('\n');
    }
    let _ = write!(page, "### {} {name}\n\n", definition.kind.as_str());
    paragraph(page, &definition.docs);
    match &definition.kind {
        TypeDefKind::Record(record) => {
            for field in &record.fields {
                item(
                    page,
                    &format!("{}: {}", field.name, shown(resolve, &field.ty)),
                    &field.docs,
                );
            }
        }
        TypeDefKind::Variant(variant) => {
            for case in &variant.cases {
                let of = case
                    .ty
                    .as_ref()
                    .map(|ty| format!("({})", shown(resolve, ty)));
                item(
                    page,
                    &format!("{}{}", case.name, of.unwrap_or_default()),
                    &case.docs,
                );
            }
        }
        TypeDefKind::Enum(cases) => {
            for case in &cases.cases {
                item(page, &case.name, &case.docs);
            }
        }
        _ => {}
    }
}

fn function_line(page: &mut String, resolve: &Resolve, function: &Function) {
    let (kind, name) = match function.name.split_once(']') {
        Some(("[static", name)) => ("static ", name),
        Some((_, name)) => ("", name),
        None => ("", function.name.as_str()),
    };
    let name = name.split_once('.').map_or(name, |(_, name)| name);
    let parameters: Vec<String> = function
        .params
        .iter()
        .filter(|parameter| parameter.name != "self")
        .map(|parameter| format!("{}: {}", parameter.name, shown(resolve, &parameter.ty)))
        .collect();
    let result = function
        .result
        .as_ref()
        .map(|ty| format!(" -> {}", shown(resolve, ty)));
    let signature = format!(
        "{name}: {kind}func({}){}",
        parameters.join(", "),
        result.unwrap_or_default()
    );
    item(page, &signature, &function.docs);
}

/// A line of a list, and below it what the WIT says of it.
fn item(page: &mut String, code: &str, docs: &Docs) {
    let _ = writeln!(page, "- `{code}`");
    if let Some(docs) = &docs.contents {
        let _ = writeln!(page, "  {}", one_line(docs));
    }
}

fn paragraph(page: &mut String, docs: &Docs) {
    if let Some(docs) = &docs.contents {
        let _ = write!(page, "{}\n\n", one_line(docs));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A type as WIT writes it.
fn shown(resolve: &Resolve, ty: &Type) -> String {
    let id = match ty {
        Type::Id(id) => id,
        Type::Bool => return "bool".to_owned(),
        Type::String => return "string".to_owned(),
        Type::Char => return "char".to_owned(),
        Type::ErrorContext => return "error-context".to_owned(),
        // u8 to f64: as they are called in the library, in small letters.
        number => return format!("{number:?}").to_lowercase(),
    };
    let definition = &resolve.types[*id];
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let of = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| shown(resolve, ty));
    match &definition.kind {
        TypeDefKind::List(element) => format!("list<{}>", shown(resolve, element)),
        TypeDefKind::Option(some) => format!("option<{}>", shown(resolve, some)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", of(&result.ok), of(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| shown(resolve, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Handle(Handle::Own(id)) => shown(resolve, &Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => {
            format!("borrow<{}>", shown(resolve, &Type::Id(*id)))
        }
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// `UPDATE_REFERENCE=1` writes the page instead.
    #[test]
    fn the_page_of_the_contract_is_what_the_wit_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
        let page = super::contract_reference().unwrap();
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&file, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(&file).unwrap_or_default() == page,
            "docs/contract.md is not what the WIT says: run `make reference`"
        );
        for expected in [
            "- `execute: func(request: request) -> result<string, error>`",
            "### resource transaction",
            "- `commit: static func(transaction: transaction) -> result<_, error>`",
            "- `query: func(sql: string, parameters: list<value>) -> result<rows, error>`",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }
}

//! CREATE TYPE and CREATE DOMAIN.

use archive::{Entry, Section};

use super::writer::{Subject, Writer, entry};
use crate::identifiers::{qualified, quote_identifier, quote_literal};
use crate::model::{
    Attribute, BaseType, CatalogId, Constrained, Constraint, ConstraintKind, Domain, Range, Type,
    TypeKind, class,
};
use crate::ordering::Graph;
use crate::selection::Components;

pub fn write(writer: &mut Writer<'_>, graph: &Graph<'_>, dump_id: u32, at: usize) {
    let ty = &writer.catalog.types[at];
    let id = CatalogId::new(class::TYPE, ty.oid);
    let (name, full_name) = (quote_identifier(&ty.name), qualified(&ty.schema, &ty.name));
    let constraints = graph.inline_constraints(writer.catalog, Constrained::Domain(at));
    let keyword = if matches!(ty.kind, TypeKind::Domain(_)) {
        "DOMAIN"
    } else {
        "TYPE"
    };
    if ty.dump.has(Components::DEFINITION) {
        let definition = match &ty.kind {
            TypeKind::Enum(labels) => enumeration(&full_name, labels),
            TypeKind::Domain(domain) => self::domain(&full_name, ty, domain, &constraints),
            TypeKind::Range(range) => self::range(&full_name, range),
            TypeKind::Composite(attributes) => composite(&full_name, attributes),
            TypeKind::Base(base) => self::base(&full_name, base),
            TypeKind::Shell => format!("CREATE TYPE {full_name};\n"),
            TypeKind::Automatic | TypeKind::Undescribed => return,
        };
        // The functions of a base type need it, and it needs them.
        let cascade = match ty.kind {
            TypeKind::Base(_) => " CASCADE",
            _ => "",
        };
        writer.add(Entry {
            definition: Some(definition),
            drop_statement: Some(format!("DROP {keyword} {full_name}{cascade};\n")),
            namespace: Some(ty.schema.to_string()),
            owner: Some(ty.owner.to_string()),
            ..entry(dump_id, id, keyword, Section::PreData, &*ty.name)
        });
    }
    let subject = Subject {
        kind: keyword,
        name: &name,
        schema: Some(&ty.schema),
        owner: &ty.owner,
        dump_id,
    };
    if ty.dump.has(Components::COMMENT) {
        writer.annotate(subject, id);
    }
    if ty.dump.has(Components::ACL) {
        let initial = writer
            .catalog
            .initial_privileges
            .get(&id)
            .map(Vec::as_slice);
        writer.access(
            Subject {
                kind: "TYPE",
                ..subject
            },
            &ty.access,
            initial,
        );
    }
    if ty.dump.has(Components::COMMENT) {
        if let TypeKind::Composite(attributes) = &ty.kind {
            attribute_annotations(writer, subject, ty, attributes);
        }
        for constraint in constraints {
            let kind = format!(
                "CONSTRAINT {} ON DOMAIN",
                quote_identifier(&constraint.name)
            );
            writer.annotate(
                Subject {
                    kind: &kind,
                    ..subject
                },
                CatalogId::new(class::CONSTRAINT, constraint.oid),
            );
        }
    }
}

/// `CREATE TYPE name;`, for functions that a base or range type needs before it is complete.
pub fn shell(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let ty = &writer.catalog.types[at];
    writer.add(Entry {
        // No DROP: pg_restore would then set the owner, which a shell type cannot have.
        definition: Some(format!(
            "CREATE TYPE {};\n",
            qualified(&ty.schema, &ty.name)
        )),
        namespace: Some(ty.schema.to_string()),
        owner: Some(ty.owner.to_string()),
        ..entry(
            dump_id,
            CatalogId::default(),
            "SHELL TYPE",
            Section::PreData,
            &*ty.name,
        )
    });
}

fn enumeration(name: &str, labels: &[String]) -> String {
    let labels = labels
        .iter()
        .map(|label| format!("\n    {}", quote_literal(label)))
        .collect::<Vec<_>>()
        .join(",");
    format!("CREATE TYPE {name} AS ENUM ({labels}\n);\n")
}

fn range(name: &str, range: &Range) -> String {
    let mut sql = format!(
        "CREATE TYPE {name} AS RANGE (\n    subtype = {}",
        range.subtype
    );
    for (option, value) in [
        ("multirange_type_name", &range.multirange),
        ("subtype_opclass", &range.operator_class),
        ("collation", &range.collation),
        ("canonical", &range.canonical),
        ("subtype_diff", &range.difference),
    ] {
        if let Some(value) = value {
            sql.push_str(&format!(",\n    {option} = {value}"));
        }
    }
    sql + "\n);\n"
}

fn base(name: &str, base: &BaseType) -> String {
    let length = match base.length {
        -1 => "variable".to_owned(),
        bytes => bytes.to_string(),
    };
    let mut options = vec![
        format!("INTERNALLENGTH = {length}"),
        format!("INPUT = {}", base.input),
        format!("OUTPUT = {}", base.output),
    ];
    let mut set = |option: &str, value: Option<&str>| {
        options.extend(value.map(|value| format!("{option} = {value}")));
    };
    set("RECEIVE", base.receive.as_deref());
    set("SEND", base.send.as_deref());
    set("TYPMOD_IN", base.modifier_input.as_deref());
    set("TYPMOD_OUT", base.modifier_output.as_deref());
    set("ANALYZE", base.analyze.as_deref());
    set("COLLATABLE", base.collatable.then_some("true"));
    set("DEFAULT", base.default.as_deref());
    set("SUBSCRIPT", base.subscript.as_deref());
    set("ELEMENT", base.element.as_deref());
    let category = quote_literal(&base.category);
    set(
        "CATEGORY",
        Some(&*category).filter(|_| base.category != "U"),
    );
    set("PREFERRED", base.preferred.then_some("true"));
    let delimiter = quote_literal(&base.delimiter);
    set(
        "DELIMITER",
        Some(&*delimiter).filter(|_| base.delimiter != ","),
    );
    let alignment = match base.alignment {
        'c' => "char",
        's' => "int2",
        'd' => "double",
        _ => "int4",
    };
    set("ALIGNMENT", Some(alignment));
    let storage = match base.storage {
        'e' => "external",
        'x' => "extended",
        'm' => "main",
        _ => "plain",
    };
    set("STORAGE", Some(storage));
    if base.by_value {
        options.push("PASSEDBYVALUE".to_owned());
    }
    format!(
        "CREATE TYPE {name} (\n    {}\n);\n",
        options.join(",\n    ")
    )
}

fn composite(name: &str, attributes: &[Attribute]) -> String {
    let columns = attributes.iter().map(|attribute| {
        let collation = attribute
            .collation
            .as_ref()
            .map(|collation| format!(" COLLATE {collation}"))
            .unwrap_or_default();
        format!(
            "\n\t{} {}{collation}",
            quote_identifier(&attribute.name),
            attribute.type_name
        )
    });
    format!(
        "CREATE TYPE {name} AS ({}\n);\n",
        columns.collect::<Vec<_>>().join(",")
    )
}

/// Comments and security labels; pg_dump leaves the labels out.
fn attribute_annotations(
    writer: &mut Writer<'_>,
    subject: Subject<'_>,
    ty: &Type,
    attributes: &[Attribute],
) {
    let relation = CatalogId::new(class::RELATION, ty.relation);
    let attribute = |number: i32| {
        let mut attributes = attributes.iter();
        attributes.find(|attribute| attribute.number == number)
    };
    let comments = writer.catalog.comments.get(&relation);
    for (number, text) in comments.into_iter().flatten() {
        let Some(attribute) = attribute(*number) else {
            continue;
        };
        let name = format!(
            "{}.{}",
            quote_identifier(&ty.name),
            quote_identifier(&attribute.name)
        );
        writer.comment_text(
            Subject {
                kind: "COLUMN",
                name: &name,
                ..subject
            },
            text,
        );
    }
    writer.security_labels_of_parts(subject, relation, |number| {
        let attribute = attribute(number)?;
        Some(format!(".{}", quote_identifier(&attribute.name)))
    });
}

fn domain(name: &str, ty: &Type, domain: &Domain, constraints: &[&Constraint]) -> String {
    let mut sql = format!("CREATE DOMAIN {name} AS {}", domain.base_type);
    if let Some(collation) = &domain.collation {
        sql.push_str(&format!(" COLLATE {collation}"));
    }
    if domain.not_null {
        // A constraint with a name from 17 on, but mostly with the one that the server would choose.
        let named = constraints
            .iter()
            .find(|constraint| constraint.kind == ConstraintKind::NotNull);
        match named.filter(|constraint| constraint.name != format!("{}_not_null", ty.name)) {
            Some(named) => sql.push_str(&format!(
                " CONSTRAINT {} {}",
                quote_identifier(&named.name),
                named.definition
            )),
            None => sql.push_str(" NOT NULL"),
        }
    }
    if let Some(default) = &domain.default {
        sql.push_str(&format!(" DEFAULT {default}"));
    }
    for check in constraints
        .iter()
        .filter(|constraint| constraint.kind == ConstraintKind::Check)
    {
        sql.push_str(&format!(
            "\n\tCONSTRAINT {} {}",
            quote_identifier(&check.name),
            check.definition
        ));
    }
    sql + ";\n"
}

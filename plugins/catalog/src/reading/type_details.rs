//! What enums, domains, ranges, composite and base types are made of.

use super::rows::Reader;
use super::sql::{changed_collation, regproc, unnest};
use crate::error::Error;
use crate::identifiers::quote_literal;
use crate::model::{Attribute, BaseType, Domain, Range, Type, TypeKind};
use crate::selection::Components;

/// Describes the types whose definition is dumped.
pub fn read(reader: &mut Reader<'_>, types: &mut [Type]) -> Result<(), Error> {
    let dumped =
        |ty: &&Type| ty.dump.has(Components::DEFINITION) && !matches!(ty.kind, TypeKind::Automatic);
    let chosen = unnest(types.iter().filter(dumped).map(|ty| ty.oid));
    enums(reader, types, &chosen)?;
    domains(reader, types, &chosen)?;
    ranges(reader, types, &chosen)?;
    composites(reader, types, &chosen)?;
    base_types(reader, types, &chosen)?;
    shells(reader, types, &chosen)
}

fn find(types: &mut [Type], oid: u32) -> Result<&mut Type, Error> {
    match types.binary_search_by_key(&oid, |ty| ty.oid) {
        Ok(at) => Ok(&mut types[at]),
        Err(_) => Err(Error::unexpected(
            "types",
            format!("a type that was not read before, OID {oid}"),
        )),
    }
}

fn enums(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    // An enum may have no labels at all.
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_type t ON t.oid = src.oid AND t.typtype = 'e' \
         LEFT JOIN pg_enum e ON e.enumtypid = t.oid ORDER BY t.oid, e.enumsortorder"
    );
    reader.rows("labels of enums", &["t.oid", "e.enumlabel"], &from, |row| {
        let (oid, label) = (row.oid()?, row.optional()?);
        let ty = find(types, oid)?;
        match &mut ty.kind {
            TypeKind::Enum(labels) => labels.extend(label),
            kind => *kind = TypeKind::Enum(label.into_iter().collect()),
        }
        Ok(())
    })
}

fn domains(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_type t ON t.oid = src.oid AND t.typtype = 'd' JOIN pg_type b ON b.oid = t.typbasetype"
    );
    let columns = [
        "t.oid",
        "format_type(t.typbasetype, t.typtypmod)",
        &changed_collation("t.typcollation", "b.typcollation"),
        "t.typnotnull",
        "pg_get_expr(t.typdefaultbin, 'pg_type'::regclass)",
        "t.typdefault",
    ];
    reader.rows("domains", &columns, &from, |row| {
        let oid = row.oid()?;
        let (base_type, collation, not_null) = (row.text()?, row.optional()?, row.flag()?);
        let (expression, literal) = (row.optional()?, row.optional()?);
        let default = expression.or_else(|| literal.map(|literal| quote_literal(&literal)));
        find(types, oid)?.kind = TypeKind::Domain(Domain {
            base_type,
            collation,
            not_null,
            default,
        });
        Ok(())
    })
}

fn ranges(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_range r ON r.rngtypid = src.oid JOIN pg_type s ON s.oid = r.rngsubtype \
         JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace n ON n.oid = o.opcnamespace"
    );
    let columns = [
        "r.rngtypid",
        "format_type(r.rngsubtype, NULL)",
        // Multiranges are new in 14.
        reader
            .version
            .since(14, "format_type(r.rngmultitypid, NULL)", "NULL"),
        "CASE WHEN NOT o.opcdefault THEN quote_ident(n.nspname) || '.' || quote_ident(o.opcname) END",
        &changed_collation("r.rngcollation", "s.typcollation"),
        "nullif(r.rngcanonical::text, '-')",
        "nullif(r.rngsubdiff::text, '-')",
    ];
    reader.rows("range types", &columns, &from, |row| {
        let oid = row.oid()?;
        let range = Range {
            subtype: row.text()?,
            multirange: row.optional()?,
            operator_class: row.optional()?,
            collation: row.optional()?,
            canonical: row.optional()?,
            difference: row.optional()?,
        };
        find(types, oid)?.kind = TypeKind::Range(range);
        Ok(())
    })
}

fn composites(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_type c ON c.oid = src.oid AND c.typtype = 'c' \
         JOIN pg_attribute a ON a.attrelid = c.typrelid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_type t ON t.oid = a.atttypid ORDER BY c.oid, a.attnum"
    );
    let collation = changed_collation("a.attcollation", "t.typcollation");
    let columns = [
        "c.oid",
        "a.attnum",
        "a.attname",
        "format_type(a.atttypid, a.atttypmod)",
        &collation,
    ];
    reader.rows("columns of composite types", &columns, &from, |row| {
        let oid = row.oid()?;
        let attribute = Attribute {
            number: row.number()?,
            name: row.text()?,
            type_name: row.text()?,
            collation: row.optional()?,
        };
        if let TypeKind::Composite(attributes) = &mut find(types, oid)?.kind {
            attributes.push(attribute);
        }
        Ok(())
    })
}

fn base_types(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_type t ON t.oid = src.oid AND t.typtype = 'b' AND t.typisdefined"
    );
    let [
        receive,
        send,
        modifier_input,
        modifier_output,
        analyze,
        subscript,
    ] = [
        "t.typreceive",
        "t.typsend",
        "t.typmodin",
        "t.typmodout",
        "t.typanalyze",
        "t.typsubscript",
    ]
    .map(regproc);
    let columns = [
        "t.oid",
        "t.typlen",
        "t.typinput",
        "t.typoutput",
        &receive,
        &send,
        &modifier_input,
        &modifier_output,
        &analyze,
        // New in 14.
        reader.version.since(14, &subscript, "NULL"),
        "t.typcollation <> 0",
        "pg_get_expr(t.typdefaultbin, 0)",
        "t.typdefault",
        "CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END",
        "t.typcategory",
        "t.typispreferred",
        "t.typdelim",
        "t.typalign",
        "t.typstorage",
        "t.typbyval",
    ];
    reader.rows("base types", &columns, &from, |row| {
        let oid = row.oid()?;
        let base = BaseType {
            length: row.number()?,
            input: row.text()?,
            output: row.text()?,
            receive: row.optional()?,
            send: row.optional()?,
            modifier_input: row.optional()?,
            modifier_output: row.optional()?,
            analyze: row.optional()?,
            subscript: row.optional()?,
            collatable: row.flag()?,
            default: {
                let (expression, literal) = (row.optional()?, row.optional()?);
                expression.or_else(|| literal.map(|literal| quote_literal(&literal)))
            },
            element: row.optional()?,
            category: row.text()?,
            preferred: row.flag()?,
            delimiter: row.text()?,
            alignment: row.letter()?,
            storage: row.letter()?,
            by_value: row.flag()?,
        };
        find(types, oid)?.kind = TypeKind::Base(Box::new(base));
        Ok(())
    })
}

fn shells(reader: &mut Reader<'_>, types: &mut [Type], chosen: &str) -> Result<(), Error> {
    let from = format!(
        "FROM {chosen} AS src(oid) JOIN pg_type t ON t.oid = src.oid AND NOT t.typisdefined"
    );
    reader.rows("shell types", &["t.oid"], &from, |row| {
        find(types, row.oid()?)?.kind = TypeKind::Shell;
        Ok(())
    })
}

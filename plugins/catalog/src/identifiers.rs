//! Names and values as SQL text, and PostgreSQL's array text as values (`fe_utils/string_utils.c`).

/// Every keyword of 13 to 18 that is not unreserved (`kwlist.h`), sorted: such a name is quoted.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
    "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation",
    "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc",
    "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign", "freeze",
    "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", "int",
    "integer", "intersect", "interval", "into", "is", "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists",
    "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize", "json_table", "json_value", "lateral",
    "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "merge_action", "national", "natural", "nchar",
    "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer",
    "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references", "returning", "right", "row",
    "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "system_user", "table",
    "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using",
    "values", "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement",
    "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// A name as SQL needs it: quoted only where it must be.
pub fn quote_identifier(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && KEYWORDS.binary_search(&name).is_err();
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// `schema.name`, each quoted where it must be.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// A string literal under `standard_conforming_strings = on`.
pub fn quote_literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A dollar-quoted literal whose delimiter does not occur in the value.
pub(crate) fn dollar_quote(value: &str) -> String {
    let mut delimiter = String::from("$");
    let mut next = "_XXXXXXX".chars().cycle();
    // Looked for without its final `$`: a value that ends in `$_` must not be closed by `$_$`.
    while value.contains(&delimiter) {
        delimiter.extend(next.next());
    }
    delimiter.push('$');
    format!("{delimiter}{value}{delimiter}")
}

/// The elements of a one-dimensional array's text, `{a,"b c",NULL}`; NULL elements become empty.
/// `None` when it is no such text.
pub(crate) fn parse_array(text: &str) -> Option<Vec<String>> {
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut characters = body.chars().peekable();
    while characters.peek().is_some() {
        let mut element = String::new();
        let quoted = characters.next_if_eq(&'"').is_some();
        loop {
            match characters.peek().copied() {
                Some('"') if quoted => {
                    characters.next();
                    break;
                }
                Some(',') if !quoted => break,
                Some('\\') => {
                    characters.next();
                    element.push(characters.next()?);
                }
                Some(character) => {
                    characters.next();
                    element.push(character);
                }
                None if quoted => return None,
                None => break,
            }
        }
        elements.push(if !quoted && element == "NULL" {
            String::new()
        } else {
            element
        });
        match characters.next() {
            Some(',') if characters.peek().is_some() => {}
            None => break,
            _ => return None,
        }
    }
    Some(elements)
}

/// The elements of a setting that is a list of names (`search_path`), each with its double quotes removed.
pub(crate) fn parse_name_list(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted),
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim_end().to_owned(), &rest[end..])
            }
        };
        names.push(name);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    names
}

/// The name up to its closing quote, and what follows.
fn take_quoted(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return (name, &text[at + 1..]);
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn identifiers_are_quoted_where_they_must_be() {
        for (name, expected) in [
            ("plain_1", "plain_1"),
            ("User", "\"User\""),
            ("order", "\"order\""),
            ("a\"b", "\"a\"\"b\""),
            ("1a", "\"1a\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote_identifier(name), expected);
        }
    }

    #[test]
    fn a_dollar_quote_never_ends_early() {
        assert_eq!(dollar_quote("a"), "$$a$$");
        assert_eq!(dollar_quote("a $$ b"), "$_$a $$ b$_$");
        assert_eq!(dollar_quote("ends in $_"), "$_X$ends in $_$_X$");
    }

    #[test]
    fn arrays() {
        assert_eq!(parse_array("{}"), Some(vec![]));
        assert_eq!(
            parse_array(r#"{a,"b,\"c\\",NULL,"NULL"}"#),
            Some(vec![
                "a".into(),
                "b,\"c\\".into(),
                String::new(),
                "NULL".into()
            ])
        );
        assert_eq!(parse_array("{a"), None);
        assert_eq!(parse_array("{a,}"), None);
    }

    #[test]
    fn name_lists() {
        assert_eq!(
            parse_name_list(r#"a, "B ""c""", "$user","" "#),
            ["a", "B \"c\"", "$user", ""]
        );
    }

    proptest! {
        #[test]
        fn any_array_of_quoted_elements_is_read_back(elements in proptest::collection::vec(".*", 0..5)) {
            let text = elements.iter().map(|e| format!("\"{}\"", e.replace('\\', "\\\\").replace('"', "\\\""))).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse_array(&format!("{{{text}}}")), Some(elements));
        }

        #[test]
        fn a_dollar_quoted_value_holds_no_delimiter(value in "[$_X a]*") {
            let quoted = dollar_quote(&value);
            let end = quoted[1..].find('$').unwrap() + 2;
            let delimiter = quoted[..end].to_owned();
            prop_assert_eq!(quoted[end..].find(&delimiter), Some(value.len()));
        }
    }
}

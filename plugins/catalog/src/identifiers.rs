//! Names and values as SQL text, and PostgreSQL's array text as values (`fe_utils/string_utils.c`).

pub use archive::identifiers::{qualified, quote_identifier, quote_literal};

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

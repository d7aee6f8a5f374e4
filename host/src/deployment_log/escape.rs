//! Values from plugins and databases, made harmless in Markdown: they can add no line, no HTML, no link, no table cell.

use jiff::SignedDuration;

use crate::text::is_unseen;

/// Characters beyond which a value is cut in running text.
const LONGEST: usize = 1_000;

/// A value inside a line of Markdown. Control and bidirectional characters go, runs of white space become one space, and
/// what could be markup is escaped. Underscores inside words and the `*` of `count(*)` stay: they mark nothing up.
pub(super) fn inline(text: &str) -> String {
    let flat = flat(text);
    let characters: Vec<char> = flat.chars().collect();
    let mut escaped = String::with_capacity(flat.len() + 8);
    for (position, &character) in characters.iter().enumerate() {
        let before = position.checked_sub(1).map(|position| characters[position]);
        let after = characters.get(position + 1).copied();
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' if after.is_some_and(|after| after == '#' || after.is_alphanumeric()) => {
                escaped.push_str("&amp;")
            }
            // Without a target right behind it, a bracket links nothing.
            ']' if matches!(after, Some('(' | '[' | ':')) => escaped.push_str("\\]"),
            '*' if (before, after) == (Some('('), Some(')')) => escaped.push('*'),
            '_' if before.is_some_and(char::is_alphanumeric)
                && after.is_some_and(char::is_alphanumeric) =>
            {
                escaped.push('_')
            }
            '\\' | '`' | '*' | '_' | '|' | '~' | '$' | '#' => escaped.extend(['\\', character]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A value as a code span, whatever backticks it holds. Empty values are nothing at all.
pub(super) fn code(text: &str) -> String {
    let flat = flat(text);
    if flat.is_empty() {
        return flat;
    }
    let fence = "`".repeat(longest_run(&flat) + 1);
    let pad = if flat.starts_with('`') || flat.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{flat}{pad}{fence}")
}

/// A code span inside a table's cell, where `|` ends the cell even in code.
pub(super) fn cell_code(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A block of JSON behind a fence that its content cannot close.
pub(super) fn json_block(value: &serde_json::Value) -> String {
    let text: String = format!("{value:#}")
        .chars()
        .filter(|character| *character == '\n' || !is_unseen(*character))
        .collect();
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}json\n{text}\n{fence}\n")
}

/// `350 ms`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
pub(super) fn duration(duration: SignedDuration) -> String {
    let milliseconds = duration.as_millis().max(0);
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!(
            "{} min {:02} s",
            milliseconds / 60_000,
            milliseconds / 1_000 % 60
        ),
        _ => format!(
            "{} h {:02} min",
            milliseconds / 3_600_000,
            milliseconds / 60_000 % 60
        ),
    }
}

/// One line without what a reader cannot see, and of bounded length.
fn flat(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_unseen(*c))
        .collect();
    let flat = visible
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match flat.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shapes_that_users_write_stay() {
        for text in [
            r#"SELECT COUNT(*) FROM "Review"; -- Returns 0"#,
            "20260117120000_add_review_model",
            "R & D, 5 s (fast)",
        ] {
            assert_eq!(inline(text), text);
        }
    }

    #[test]
    fn markup_and_control_characters_go() {
        assert_eq!(
            inline("a\r\n## b\t\u{1b}[31mred\u{202e}"),
            r"a \#\# b [31mred"
        );
        assert_eq!(
            inline("<!-- x --> <b> &lt; ![i](u) **b** _i_ `c`"),
            r"&lt;!-- x --> &lt;b> &amp;lt; ![i\](u) \*\*b\*\* \_i\_ \`c\`"
        );
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(cell_code("a|b"), r"`a\|b`");
        assert_eq!(json_block(&json!("```")), "````json\n\"```\"\n````\n");
    }

    #[test]
    fn durations_are_short() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (12_345, "12.3 s"),
            (125_000, "2 min 05 s"),
            (3_725_000, "1 h 02 min"),
            (-5, "0 ms"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(milliseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn a_value_stays_one_line_without_html(text in any::<String>()) {
            let escaped = inline(&text);
            prop_assert!(!escaped.contains(['\n', '\r', '<', '\0']));
            prop_assert!(!escaped.trim_start().starts_with('#'));
        }
    }
}

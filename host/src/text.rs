//! Text that somebody else wrote, made harmless where people and programs read it line by line.

/// Control characters, and those that reorder or hide text (Unicode Technical Report 36, section 2.5).
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Text without what a terminal would obey: control characters, and those that reorder or hide what stands beside them. Ends of lines stay.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| matches!(character, '\n' | '\t') || !is_unseen(*character))
        .collect()
}

/// Text within a line of the log or of a summary: its own further lines are indented, so that none of them looks like a line of ours.
pub fn indented(text: &str) -> String {
    printable(text).replace('\n', "\n    ")
}

/// A JSON document with `\u` escapes for what a terminal would obey: the same document to a program.
pub fn visible_json(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    for character in json.chars() {
        // Outside of strings JSON knows no other control characters.
        if matches!(character, '\n' | '\r' | '\t') || !is_unseen(character) {
            visible.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                visible.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    visible
}

/// The beginning of a text that is longer than somebody would read.
pub fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_are_removed() {
        assert_eq!(
            printable("a\x1b[31mb\u{202e}c\r\n\td\0\u{9b}2J\u{200b}"),
            "a[31mbc\n\td2J"
        );
    }

    #[test]
    fn further_lines_are_seen_as_such() {
        assert_eq!(indented("a\nerror: b\u{2028}c"), "a\n    error: bc");
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let value = serde_json::json!({ "a\u{9b}": "\u{202e}\u{7f}\n\u{1b}x", "b": [1] });
        let visible = visible_json(&format!("{value:#}"));
        assert!(
            visible.chars().all(|c| c == '\n' || !is_unseen(c)),
            "{visible}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&visible).unwrap(),
            value
        );
    }

    #[test]
    fn long_texts_end_early_and_say_so() {
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("aéb", 2), "a…");
    }
}

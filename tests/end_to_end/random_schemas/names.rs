//! Identifiers and texts of all kinds, and how SQL quotes them.

use super::choices::Choices;

/// Roles belong to a server: these stay there. The first owners are superusers, so what they own may call and read everything.
pub const OWNERS: [&str; 3] = [
    "random_owner_1",
    "Random Owner 2",
    "random_\"quoted\"_owner",
];

/// A role that may only do what is granted to it.
pub const PLAIN_OWNER: &str = "random_plain_owner";

/// Roles that things are granted to.
pub const READERS: [&str; 3] = ["random_reader_1", "Random Reader-2", "random_lehrer_ß"];

const BASES: [&str; 16] = [
    "plain",
    "other",
    "Upper Case",
    "quo\"te",
    "ünïcödé",
    "select",
    "dollar$sign",
    "with.dot",
    "back\\slash",
    "apos'trophe",
    "%percent",
    "dash-ed",
    "名前",
    "UPPER",
    "123",
    " space",
];

/// A name that no other object has: a key is used once, and the letter tells the objects of one step apart.
pub fn name(choices: &mut Choices, letter: &str, key: u16) -> String {
    let base = if choices.chance(60) {
        choices.pick(&BASES)
    } else {
        "plain"
    };
    format!("{base}_{letter}{key}")
}

/// An identifier as SQL has it.
pub fn identifier(name: &str) -> String {
    let plain = name
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.contains('_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A string constant.
pub fn constant(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text that a format may stumble over.
pub fn text(choices: &mut Choices) -> String {
    choices
        .pick(&[
            "plain",
            "",
            " ",
            "back\\slash",
            "tab\there",
            "line\nbreak",
            "\\.",
            "\\N",
            "carriage\r\nreturn",
            "it's",
            "\"quoted\"",
            "{a,b}",
            "(1,2)",
            "NULL",
            "ünïcödé ✓ 𝄞",
            "$body$",
            "-- comment",
            "; DROP",
            "\u{1}\u{7f}",
            "%s %1$s",
            "\\r\\n\\",
            "a,b;c|d",
        ])
        .to_owned()
}

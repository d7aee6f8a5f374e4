//! What a migration says about itself in comments, for the deployment log and for what is checked after it:
//!
//! ```sql
//! -- change: Added user reviews
//! -- rollback: Drop the review tables
//! -- verify: SELECT count(*) FROM "Review"
//! ```

use sql::{Strings, TokenKind, Tokens};

/// The notes of a script. A note that is continued has its key again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What it changes, in a person's words.
    pub change: Option<String>,
    /// How it is taken back.
    pub rollback: Option<String>,
    /// Queries whose results show that it worked, in their order.
    pub verify: Vec<String>,
}

impl Notes {
    /// Reads the comments of a script. Whatever the text, it has notes or none.
    pub fn of(script: &str) -> Notes {
        let mut notes = Notes::default();
        let comments = Tokens::new(script, Strings::Standard)
            .filter(|token| token.kind == TokenKind::Comment)
            .filter_map(|token| token.text.strip_prefix("--"));
        for comment in comments {
            let Some((key, text)) = comment.split_once(':') else {
                continue;
            };
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match key.trim().to_ascii_lowercase().as_str() {
                "change" => join(&mut notes.change, text),
                "rollback" => join(&mut notes.rollback, text),
                "verify" => notes
                    .verify
                    .push(text.trim_end_matches(';').trim_end().to_owned()),
                _ => {}
            }
        }
        notes
    }
}

fn join(note: &mut Option<String>, text: &str) {
    match note {
        Some(note) => {
            note.push(' ');
            note.push_str(text);
        }
        None => *note = Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_comments_of_a_line() {
        let script = "-- Change: Added user reviews,\n-- change: with stars\n--rollback: Drop the table\n\
                      CREATE TABLE \"Review\" (a text DEFAULT '-- change: no');\n/* change: neither */\n\
                      -- verify: SELECT count(*) FROM \"Review\"; \n-- verify: SELECT 1\n-- note: else\n-- verify:\n";
        assert_eq!(
            Notes::of(script),
            Notes {
                change: Some("Added user reviews, with stars".to_owned()),
                rollback: Some("Drop the table".to_owned()),
                verify: vec![
                    "SELECT count(*) FROM \"Review\"".to_owned(),
                    "SELECT 1".to_owned()
                ],
            }
        );
    }
}

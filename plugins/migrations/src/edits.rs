//! What somebody has done to a script after it was applied.

use sql::{Strings, Token, Tokens};

/// The difference between what was applied and what is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Comments and space alone: it does what it did.
    Comments,
    /// The first place where it is another, by its lines in both, from 1.
    Statements {
        /// Of the script that was applied.
        before: usize,
        /// Of the file.
        after: usize,
    },
}

/// Compares two scripts.
pub fn compare(before: &str, after: &str) -> Edit {
    let significant = |script| Tokens::new(script, Strings::Standard).filter(Token::is_significant);
    let (mut one, mut other) = (significant(before), significant(after));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Edit::Comments,
            (Some(one), Some(other)) if one.text == other.text => {}
            (one, other) => {
                let line = |script: &str, token: Option<Token<'_>>| {
                    let at = token.map_or(script.trim_end().len(), |token| token.start);
                    script[..at].matches('\n').count() + 1
                };
                return Edit::Statements {
                    before: line(before, one),
                    after: line(after, other),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_statements() {
        let before = "CREATE TABLE t (a int);\nSELECT 1;\n";
        let commented = "-- now\r\nCREATE  TABLE t (a int) /* b */ ;SELECT 1;";
        assert_eq!(compare(before, commented), Edit::Comments);
        assert_eq!(
            compare(before, "CREATE TABLE t (a int);\n\nSELECT 2;\n"),
            Edit::Statements {
                before: 2,
                after: 3
            }
        );
        assert_eq!(
            compare(before, "CREATE TABLE t (a int);\n"),
            Edit::Statements {
                before: 2,
                after: 1
            }
        );
        assert_eq!(
            compare("SELECT 'a  b'", "SELECT 'a b'"),
            Edit::Statements {
                before: 1,
                after: 1
            }
        );
    }
}

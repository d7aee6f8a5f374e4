//! Patterns of names as psql's `\d` and `pg_restore`'s relatives read them (`processSQLNamePattern` in `string_utils.c`):
//! `users`, `sales.*`, `"User"`, `audit_20??`.
//!
//! Letters outside double quotes are lowercased; `*` stands for any characters and `?` for one; a dot parts the schema from the
//! name; within double quotes everything stands for itself. A pattern without a schema matches in all schemas.

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    schema: Option<Vec<Piece>>,
    name: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Is(char),
    AnyOne,
    AnyMany,
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let mut parts = vec![Vec::new()];
        let mut quoted = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let piece = match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    Piece::Is('"')
                }
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                '.' if !quoted => {
                    parts.push(Vec::new());
                    continue;
                }
                '*' if !quoted => Piece::AnyMany,
                '?' if !quoted => Piece::AnyOne,
                // As PostgreSQL folds unquoted names: ASCII alone.
                _ if !quoted => Piece::Is(character.to_ascii_lowercase()),
                _ => Piece::Is(character),
            };
            if let Some(part) = parts.last_mut() {
                part.push(piece);
            }
        }
        let problem = |what: &str| Err(format!("the pattern {text:?} {what}"));
        if quoted {
            return problem("has a double quote that is not closed");
        }
        let empty = parts.iter().any(Vec::is_empty);
        match (parts.pop(), parts.pop(), parts.pop()) {
            _ if empty => problem("has an empty name"),
            (Some(name), schema, None) => Ok(Pattern {
                text: text.to_owned(),
                schema,
                name,
            }),
            _ => problem("has more parts than a schema and a name"),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names this relation.
    pub fn matches(&self, schema: &str, name: &str) -> bool {
        let schema_fits = self
            .schema
            .as_ref()
            .is_none_or(|pieces| fits(pieces, schema));
        schema_fits && fits(&self.name, name)
    }
}

/// Matches greedily and goes back to the last `*` alone, so the time is at most the product of the lengths.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut piece, mut at) = (0, 0);
    let mut back = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::AnyMany) => {
                back = Some((piece, at));
                piece += 1;
            }
            Some(Piece::AnyOne) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::Is(character)) if *character == text[at] => {
                (piece, at) = (piece + 1, at + 1)
            }
            _ => {
                let Some((star, from)) = back else {
                    return false;
                };
                back = Some((star, from + 1));
                (piece, at) = (star + 1, from + 1);
            }
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::AnyMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, schema: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(schema, name)
    }

    #[test]
    fn patterns_match_as_in_psql() {
        for (pattern, schema, name) in [
            ("users", "public", "users"),
            ("USERS", "app", "users"),
            ("\"User\"", "public", "User"),
            ("sales.*", "sales", "orders"),
            ("s*.o*s", "sales", "orders"),
            ("audit_20??", "public", "audit_2026"),
            ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d"),
            ("*a*b*", "public", "xxaxxbbxa"),
            ("\"*\"", "public", "*"),
        ] {
            assert!(matches(pattern, schema, name), "{pattern}");
        }
        for (pattern, schema, name) in [
            ("User", "public", "User"),
            ("users", "public", "users2"),
            ("sales.*", "public", "orders"),
            ("audit_20??", "public", "audit_20267"),
            ("*a*b", "public", "ba"),
            ("\"*\"", "public", "x"),
        ] {
            assert!(!matches(pattern, schema, name), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", ".", "a.", ".a", "a.b.c", "\"a", "a..b", "\"\""] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}

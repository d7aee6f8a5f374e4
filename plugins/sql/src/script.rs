//! The statements of a script: where each begins and ends, and the rows that stand below a COPY FROM STDIN.

use crate::lexer::{Strings, Token, TokenKind, Tokens};

/// One statement as it stands in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// From its first word to its last, without the semicolon and without comments around it.
    pub text: &'a str,
    /// Where it begins in the script, in bytes.
    pub start: usize,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The lines below a COPY FROM STDIN, each with its end, without the mark of the end of data.
    pub copy_data: Option<&'a str>,
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A string, a quoted name or a comment without its end.
    #[error("line {line}: {what} that begins here has no end")]
    Cut {
        /// From 1.
        line: usize,
        /// `a string`
        what: &'static str,
    },
    /// A backslash outside of quotes.
    #[error("line {line}: {command} is a command of psql, and no SQL")]
    PsqlCommand {
        /// From 1.
        line: usize,
        /// As it is written, up to the first space.
        command: String,
    },
    /// A COPY FROM STDIN whose rows have no end.
    #[error("line {line}: the rows of this COPY have no end: a line with \\. alone")]
    CopyWithoutEnd {
        /// From 1; of the COPY.
        line: usize,
    },
}

/// Takes a script apart. `strings` is what the session begins with; a SET of the script changes it from there on.
pub fn statements(script: &str, strings: Strings) -> Result<Vec<Statement<'_>>, ScriptError> {
    let mut reader = Reader {
        script,
        tokens: Tokens::new(script, strings),
        lines: Lines::default(),
        statements: Vec::new(),
        words: Vec::new(),
        significant: None,
        depth: 0,
        body: Body::default(),
    };
    while let Some(token) = reader.tokens.next() {
        reader.take(token)?;
    }
    reader.end(script.len())?;
    Ok(reader.statements)
}

struct Reader<'a> {
    script: &'a str,
    tokens: Tokens<'a>,
    lines: Lines,
    statements: Vec<Statement<'a>>,
    /// Of the statement so far: words and strings, which is all that a SET or a COPY is known by.
    words: Vec<Token<'a>>,
    /// Of the statement so far: from its first token to the end of its last, without comments.
    significant: Option<(usize, usize)>,
    /// Open parentheses.
    depth: usize,
    body: Body,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) -> Result<(), ScriptError> {
        if token.is_cut {
            return Err(ScriptError::Cut {
                line: self.line(token.start),
                what: match token.kind {
                    TokenKind::Comment => "a comment",
                    TokenKind::QuotedName => "a quoted name",
                    _ => "a string",
                },
            });
        }
        match token.kind {
            TokenKind::Space | TokenKind::Comment => return Ok(()),
            TokenKind::PsqlCommand => {
                let command = token.text.split_whitespace().next().unwrap_or(token.text);
                return Err(ScriptError::PsqlCommand {
                    line: self.line(token.start),
                    command: command.to_owned(),
                });
            }
            TokenKind::Symbol => match token.text {
                "(" => self.depth += 1,
                ")" => self.depth = self.depth.saturating_sub(1),
                ";" if self.depth == 0 && self.body.depth == 0 => return self.end(token.start),
                _ => {}
            },
            TokenKind::Word => {
                self.body.take(token.text, self.depth);
                self.words.push(token);
            }
            TokenKind::String => self.words.push(token),
            _ => {}
        }
        let start = self.significant.map_or(token.start, |(start, _)| start);
        self.significant = Some((start, token.end()));
        Ok(())
    }

    /// The end of a statement, at its semicolon or at that of the script.
    fn end(&mut self, at: usize) -> Result<(), ScriptError> {
        let words = std::mem::take(&mut self.words);
        (self.depth, self.body) = (0, Body::default());
        let Some((start, end)) = self.significant.take() else {
            return Ok(());
        };
        if let Some(strings) = strings_set_to(&words) {
            self.tokens.strings = strings;
        }
        let line = self.line(start);
        let copy_data = match is_copy_from_stdin(&words) {
            true => Some(self.copy_data(at, line)?),
            false => None,
        };
        self.statements.push(Statement {
            text: &self.script[start..end],
            start,
            line,
            copy_data,
        });
        Ok(())
    }

    /// The lines after the one that the COPY ends on, up to the mark.
    fn copy_data(&mut self, at: usize, line: usize) -> Result<&'a str, ScriptError> {
        let script = self.script;
        let rest = &script[at..];
        let begin = at + rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        let mut position = begin;
        for row in script[begin..].split_inclusive('\n') {
            if row.trim_end_matches(['\n', '\r']) == "\\." {
                self.tokens.seek(position + row.len());
                return Ok(&script[begin..position]);
            }
            position += row.len();
        }
        Err(ScriptError::CopyWithoutEnd { line })
    }

    fn line(&mut self, position: usize) -> usize {
        self.lines.of(self.script, position)
    }
}

/// Counts lines, going forward.
#[derive(Default)]
struct Lines {
    position: usize,
    newlines: usize,
}

impl Lines {
    fn of(&mut self, script: &str, position: usize) -> usize {
        if position < self.position {
            *self = Self::default();
        }
        let passed = &script.as_bytes()[self.position..position];
        self.newlines += memchr::memchr_iter(b'\n', passed).count();
        self.position = position;
        self.newlines + 1
    }
}

/// BEGIN ATOMIC … END: the semicolons of a function's body, told as psql tells them.
#[derive(Default)]
struct Body {
    /// The first letters of the statement's first words, where they may be those of CREATE OR REPLACE FUNCTION or PROCEDURE.
    beginning: Vec<u8>,
    words: usize,
    /// Open BEGINs and CASEs.
    depth: usize,
}

impl Body {
    fn take(&mut self, word: &str, parentheses: usize) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        let tells = ["create", "or", "replace", "function", "procedure"]
            .into_iter()
            .find(|other| is(other));
        if let Some(word) = tells
            && self.words == self.beginning.len()
            && self.words < 4
        {
            self.beginning.push(word.as_bytes()[0]);
        }
        self.words += 1;
        let is_routine = matches!(
            &self.beginning[..],
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
        if !is_routine || parentheses > 0 {
            return;
        }
        if is("begin") || (self.depth > 0 && is("case")) {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
        }
    }
}

/// `SET [SESSION | LOCAL] standard_conforming_strings {TO | =} value`, and what pg_dump writes instead.
fn strings_set_to(words: &[Token<'_>]) -> Option<Strings> {
    let at = words
        .iter()
        .position(|word| {
            word.is_word("standard_conforming_strings")
                || word
                    .text
                    .eq_ignore_ascii_case("'standard_conforming_strings'")
        })
        .filter(|_| words[0].is_word("set") || words[0].is_word("select"))?;
    let mut values = words[at + 1..].iter().filter(|word| !word.is_word("to"));
    let value = values.next()?.text.trim_matches('\'').to_ascii_lowercase();
    // As the server reads a boolean: any beginning of a word that is no other's.
    let is_one_of = |words: [&str; 3]| {
        let mut words = words.into_iter();
        words.any(|word| !value.is_empty() && word.starts_with(&value))
    };
    if value == "on" || value == "1" || is_one_of(["true", "yes", "default"]) {
        Some(Strings::Standard)
    } else if value == "off" || value == "of" || value == "0" || is_one_of(["false", "no", "n"]) {
        Some(Strings::Escaping)
    } else {
        None
    }
}

fn is_copy_from_stdin(words: &[Token<'_>]) -> bool {
    words.first().is_some_and(|word| word.is_word("copy"))
        && words
            .windows(2)
            .any(|two| two[0].is_word("from") && two[1].is_word("stdin"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(script: &str) -> Vec<&str> {
        let statements = statements(script, Strings::Standard).expect("a script");
        statements.iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_in_quotes_comments_and_parentheses_end_nothing() {
        let script = "-- change: a; b\nCREATE TABLE t (a text DEFAULT ';'); /* ; */ ;;\n\
                      CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM t; SELECT 1);\nDO $x$ BEGIN a; b; END $x$; SELECT 1 -- last";
        assert_eq!(
            texts(script),
            [
                "CREATE TABLE t (a text DEFAULT ';')",
                "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM t; SELECT 1)",
                "DO $x$ BEGIN a; b; END $x$",
                "SELECT 1",
            ]
        );
        assert_eq!(texts(" -- nothing\n;"), [""; 0]);
    }

    #[test]
    fn bodies_of_functions_in_standard_sql_are_whole() {
        let function = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; \
                        SELECT CASE WHEN a > 1 THEN 2 END; END";
        let procedure = "create procedure p() begin atomic insert into t values (1); end";
        let script = format!("{function}; {procedure}; BEGIN; SELECT 1; END");
        assert_eq!(
            texts(&script),
            [function, procedure, "BEGIN", "SELECT 1", "END"]
        );
        // BEGIN elsewhere begins a transaction.
        assert_eq!(texts("CREATE TABLE begin (a int); SELECT 1").len(), 2);
    }

    #[test]
    fn lines_are_those_of_the_first_word() {
        let script = "\n-- one\nSELECT 1;\r\n\r\nSELECT\n 2; SELECT 3";
        let found = statements(script, Strings::Standard).expect("a script");
        let lines: Vec<(usize, &str)> = found.iter().map(|each| (each.line, each.text)).collect();
        assert_eq!(lines, [(3, "SELECT 1"), (5, "SELECT\n 2"), (6, "SELECT 3")]);
        assert!(script[found[1].start..].starts_with("SELECT\n"));
    }

    #[test]
    fn rows_below_a_copy_are_no_statements() {
        let script = "COPY t (a, b) FROM stdin;\n1\tit's; $$\n2\t\\N\n\\.\n\nSELECT 1;COPY e FROM STDIN WITH (FORMAT csv) ;\r\n\\.\r\n";
        let found = statements(script, Strings::Standard).expect("a script");
        let rows: Vec<Option<&str>> = found.iter().map(|each| each.copy_data).collect();
        assert_eq!(rows, [Some("1\tit's; $$\n2\t\\N\n"), None, Some("")]);
        assert_eq!(found[1].text, "SELECT 1");
        assert_eq!(found[2].line, 6);
        assert_eq!(
            statements("SELECT 1;\nCOPY t FROM stdin;\n1\n", Strings::Standard),
            Err(ScriptError::CopyWithoutEnd { line: 2 })
        );
    }

    #[test]
    fn a_script_may_change_what_a_backslash_means() {
        for off in [
            "SET standard_conforming_strings = off",
            "set local standard_conforming_strings to 'false'",
            "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false)",
        ] {
            let script = format!(
                "SELECT 'a\\'; {off}; SELECT 'b\\'; c'; SET standard_conforming_strings TO on; SELECT '\\'"
            );
            let found = texts(&script);
            assert_eq!(found.len(), 5, "{found:?}");
            assert_eq!(found[2], "SELECT 'b\\'; c'");
        }
    }

    #[test]
    fn what_is_no_script_is_told_with_its_line() {
        let fails = |script: &str| statements(script, Strings::Standard).expect_err("no script");
        assert_eq!(
            fails("SELECT 1;\nSELECT 'a;\n").to_string(),
            "line 2: a string that begins here has no end"
        );
        assert_eq!(
            fails("/* a").to_string(),
            "line 1: a comment that begins here has no end"
        );
        assert_eq!(
            fails("SELECT \"a").to_string(),
            "line 1: a quoted name that begins here has no end"
        );
        assert_eq!(
            fails("SELECT 1;\n\\connect other\n").to_string(),
            "line 2: \\connect is a command of psql, and no SQL"
        );
    }

    proptest! {
        /// Statements stand in the script in their order, and what is between them is space, comments, semicolons and rows.
        #[test]
        fn statements_are_parts_of_the_script(script in r#"([a-z'"\\; \n()é]|\$\$|/\*|\*/|--|copy t from stdin;\n|\n\\\.\n){0,40}"#) {
            let Ok(found) = statements(&script, Strings::Standard) else {
                return Ok(());
            };
            let mut end = 0;
            for statement in found {
                prop_assert!(statement.start >= end);
                prop_assert!(script[statement.start..].starts_with(statement.text));
                let newlines = script[..statement.start].matches('\n').count();
                prop_assert_eq!(statement.line, newlines + 1);
                end = statement.start + statement.text.len();
            }
        }
    }
}

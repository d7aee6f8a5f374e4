//! Tokens, without copying: the text of all of them is the input.

/// What a backslash means in a plain string: the setting `standard_conforming_strings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strings {
    /// Itself: the setting is on, as it is unless somebody turned it off.
    #[default]
    Standard,
    /// It escapes what follows, as in E'…': the setting is off.
    Escaping,
}

/// What a token is, as far as anybody here asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes, U&"…" included.
    QuotedName,
    /// '…', E'…', B'…', X'…', U&'…'; with all its continuations on later lines.
    String,
    /// $tag$…$tag$.
    DollarString,
    /// With its sign only in an exponent.
    Number,
    /// $1.
    Parameter,
    /// A character of an operator, or one that stands for itself.
    Symbol,
    /// -- to the end of the line, or /* … */.
    Comment,
    /// Any number of spaces, tabs and ends of lines.
    Space,
    /// A backslash outside of quotes: a command of psql, to the end of the line. SQL knows none.
    PsqlCommand,
}

/// A piece of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// As it is written.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
    /// It ends before what would end it: a string or a comment without its end.
    pub is_cut: bool,
}

impl Token<'_> {
    /// Where it ends, in bytes.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The same keyword, in whatever case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Neither a comment nor space.
    pub fn is_significant(&self) -> bool {
        !matches!(self.kind, TokenKind::Comment | TokenKind::Space)
    }
}

/// The tokens of a text, from a place on. Together they are the text.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// May be changed on the way, as a SET does.
    pub strings: Strings,
}

impl<'a> Tokens<'a> {
    /// From the beginning.
    pub fn new(text: &'a str, strings: Strings) -> Self {
        Self {
            text,
            at: 0,
            strings,
        }
    }

    /// Where the next token begins, in bytes.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes on at another place, which is no part of a token.
    pub fn seek(&mut self, position: usize) {
        self.at = position;
    }

    /// Length, kind, and whether the end is missing.
    fn measure(&self, rest: &[u8]) -> (usize, TokenKind, bool) {
        let second = rest.get(1).copied();
        match rest[0] {
            byte if is_space(byte) => {
                let length = run(rest, is_space);
                (length, TokenKind::Space, false)
            }
            b'-' if second == Some(b'-') => (line(rest), TokenKind::Comment, false),
            b'/' if second == Some(b'*') => {
                let (length, is_cut) = block_comment(rest);
                (length, TokenKind::Comment, is_cut)
            }
            b'\\' => (line(rest), TokenKind::PsqlCommand, false),
            b'\'' => self.string(rest, 0, self.strings),
            b'e' | b'E' if second == Some(b'\'') => self.string(rest, 1, Strings::Escaping),
            b'b' | b'B' | b'x' | b'X' if second == Some(b'\'') => {
                self.string(rest, 1, Strings::Standard)
            }
            // A national string is the keyword NCHAR and a plain one.
            b'n' | b'N' if second == Some(b'\'') => self.string(rest, 1, self.strings),
            b'u' | b'U' if rest[1..].starts_with(b"&'") => self.string(rest, 2, Strings::Standard),
            b'u' | b'U' if rest[1..].starts_with(b"&\"") => {
                let (length, is_cut) = quoted(&rest[2..], b'"', Strings::Standard);
                (2 + length, TokenKind::QuotedName, is_cut)
            }
            b'"' => {
                let (length, is_cut) = quoted(rest, b'"', Strings::Standard);
                (length, TokenKind::QuotedName, is_cut)
            }
            b'$' => dollar(rest),
            byte if is_name_start(byte) => (run(rest, is_name_part), TokenKind::Word, false),
            byte if byte.is_ascii_digit() => (number(rest), TokenKind::Number, false),
            b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => {
                (number(rest), TokenKind::Number, false)
            }
            _ => (1, TokenKind::Symbol, false),
        }
    }

    /// A string whose quote is at `prefix`, and what continues it: a quote after space with a line's end in it, in the same manner.
    fn string(&self, rest: &[u8], prefix: usize, strings: Strings) -> (usize, TokenKind, bool) {
        let mut end = prefix;
        loop {
            let (length, is_cut) = quoted(&rest[end..], b'\'', strings);
            end += length;
            if is_cut {
                return (end, TokenKind::String, true);
            }
            match continuation(&rest[end..]) {
                Some(gap) => end += gap,
                None => return (end, TokenKind::String, false),
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (length, kind, is_cut) = self.measure(rest.as_bytes());
        let token = Token {
            kind,
            // Only names, strings and comments hold more than ASCII, and those whole.
            text: rest.get(..length).unwrap_or(rest),
            start: self.at,
            is_cut,
        };
        self.at = token.end();
        Some(token)
    }
}

/// The spaces of `scan.l`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn run(rest: &[u8], belongs: fn(u8) -> bool) -> usize {
    let end = rest.iter().position(|byte| !belongs(*byte));
    end.unwrap_or(rest.len())
}

/// Up to the end of the line, without it.
fn line(rest: &[u8]) -> usize {
    memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())
}

/// Comments of this kind nest.
fn block_comment(rest: &[u8]) -> (usize, bool) {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return (at, false);
                }
            }
            _ => at += 1,
        }
    }
    (rest.len(), true)
}

/// From a quote to its end; a doubled one is two strings that touch, which is one.
fn quoted(rest: &[u8], quote: u8, strings: Strings) -> (usize, bool) {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if strings == Strings::Escaping => at += 2,
            byte if byte == quote && rest.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return (at + 1, false),
            _ => at += 1,
        }
    }
    (rest.len(), true)
}

/// What stands between a string and the quote that continues it: space and comments of lines, with a line's end among them.
fn continuation(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut has_newline = false;
    loop {
        match &rest[at..] {
            [b'\'', ..] if has_newline => return Some(at),
            [b'\n' | b'\r', ..] => {
                has_newline = true;
                at += 1;
            }
            [byte, ..] if is_space(*byte) => at += 1,
            [b'-', b'-', ..] => at += line(&rest[at..]),
            _ => return None,
        }
    }
}

/// A dollar-quoted string, a parameter, or a dollar that is neither.
fn dollar(rest: &[u8]) -> (usize, TokenKind, bool) {
    let digits = run(&rest[1..], |byte| byte.is_ascii_digit());
    if digits > 0 {
        return (1 + digits, TokenKind::Parameter, false);
    }
    // The characters of a name, but for the dollar.
    let name = run(&rest[1..], |byte| is_name_part(byte) && byte != b'$');
    if rest.get(1 + name) != Some(&b'$') {
        return (1, TokenKind::Symbol, false);
    }
    let tag = &rest[..name + 2];
    match memchr::memmem::find(&rest[tag.len()..], tag) {
        Some(end) => (tag.len() * 2 + end, TokenKind::DollarString, false),
        None => (rest.len(), TokenKind::DollarString, true),
    }
}

/// Digits, and whatever letters, points and signs of an exponent follow: what is wrong with a number is the server's to say.
fn number(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => at += 1,
            // In 1..2, of PL/pgSQL, the points are an operator.
            b'.' if rest.get(at + 1) != Some(&b'.') => at += 1,
            b'+' | b'-'
                if at > 0
                    && rest[at - 1].eq_ignore_ascii_case(&b'e')
                    && rest.get(at + 1).is_some_and(u8::is_ascii_digit)
                    && !rest.starts_with(b"0x")
                    && !rest.starts_with(b"0X") =>
            {
                at += 1;
            }
            _ => break,
        }
    }
    at.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The significant tokens, as kind and text.
    fn tokens(text: &str) -> Vec<(TokenKind, &str)> {
        let tokens = Tokens::new(text, Strings::Standard);
        let significant = tokens.filter(Token::is_significant);
        significant.map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn strings_end_where_the_server_ends_them() {
        use TokenKind::{DollarString, Parameter, QuotedName, String, Symbol, Word};
        for (text, expected) in [
            ("'it''s' x", vec![(String, "'it''s'"), (Word, "x")]),
            (r"'a\' x", vec![(String, r"'a\'"), (Word, "x")]),
            (r"E'a\' x'", vec![(String, r"E'a\' x'")]),
            (r"e'\\' x", vec![(String, r"e'\\'"), (Word, "x")]),
            (r"B'01' X'1f'", vec![(String, "B'01'"), (String, "X'1f'")]),
            (
                r#"U&"d\0061t" U&'\'"#,
                vec![(QuotedName, r#"U&"d\0061t""#), (String, r"U&'\'")],
            ),
            ("'a'\n 'b;' ;", vec![(String, "'a'\n 'b;'"), (Symbol, ";")]),
            ("'a' 'b'", vec![(String, "'a'"), (String, "'b'")]),
            (
                "E'a' -- so\n  '\\'b'",
                vec![(String, "E'a' -- so\n  '\\'b'")],
            ),
            ("\"a;\"\"b\"", vec![(QuotedName, "\"a;\"\"b\"")]),
            ("$$ ; ' $$", vec![(DollarString, "$$ ; ' $$")]),
            (
                "$a$ $b$ $$ $a$;",
                vec![(DollarString, "$a$ $b$ $$ $a$"), (Symbol, ";")],
            ),
            ("$1 a$1$b", vec![(Parameter, "$1"), (Word, "a$1$b")]),
            ("größe", vec![(Word, "größe")]),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn a_setting_turns_backslashes_into_escapes() {
        let all = Tokens::new(r"'a\'; b' c", Strings::Escaping);
        let all: Vec<&str> = all.map(|token| token.text).collect();
        assert_eq!(all, [r"'a\'; b'", " ", "c"]);
    }

    #[test]
    fn comments_nest_and_end_with_their_line() {
        assert_eq!(tokens("/* a /* ' */ ; */ x -- ; '\ny").len(), 2);
        let cut = Tokens::new("/* /* */", Strings::Standard).next();
        assert!(cut.is_some_and(|token| token.is_cut));
    }

    #[test]
    fn numbers_and_operators() {
        let text = "1e-5 .5 1..2 0x1F a->>'b' 1-e";
        let texts: Vec<&str> = tokens(text).into_iter().map(|(_, text)| text).collect();
        let expected = [
            "1e-5", ".5", "1", ".", ".2", "0x1F", "a", "-", ">", ">", "'b'", "1", "-", "e",
        ];
        assert_eq!(texts, expected);
    }

    proptest! {
        /// Nothing is lost and nothing is made up, whatever the input.
        #[test]
        fn the_tokens_are_the_text(text in r#"([a-zE$'"\\/*\-; \n.0-9é]|\$a\$|/\*|\*/|E'){0,40}"#) {
            for strings in [Strings::Standard, Strings::Escaping] {
                let again: String = Tokens::new(&text, strings).map(|token| token.text).collect();
                prop_assert_eq!(&again, &text);
            }
        }
    }
}

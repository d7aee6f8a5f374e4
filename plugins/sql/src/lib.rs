//! SQL as text, by PostgreSQL's lexing rules (`scan.l`, and `psqlscan.l` where it is about where a statement ends): tokens, the
//! statements of a script, and what kind of statement each is. No grammar: what a statement means is the server's to say.

pub mod kind;
pub mod lexer;
pub mod script;

pub use kind::{ConcurrentIndex, Kind, concurrent_index, kind};
pub use lexer::{Strings, Token, TokenKind, Tokens};
pub use script::{ScriptError, Statement, statements};

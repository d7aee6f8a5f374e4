//! Text search: pg_ts_parser, pg_ts_template, pg_ts_dict, pg_ts_config.

use super::Header;

/// A parser, by its functions.
#[derive(Clone, Debug)]
pub struct Parser {
    pub header: Header,
    pub start: String,
    pub get_token: String,
    pub end: String,
    pub headline: Option<String>,
    pub token_types: String,
}

/// A template of dictionaries, by its functions.
#[derive(Clone, Debug)]
pub struct Template {
    pub header: Header,
    pub init: Option<String>,
    pub lexize: String,
}

/// A dictionary.
#[derive(Clone, Debug)]
pub struct Dictionary {
    pub header: Header,
    /// Qualified.
    pub template: String,
    /// As the statement has them.
    pub options: Option<String>,
}

/// A configuration.
#[derive(Clone, Debug)]
pub struct TextSearchConfiguration {
    pub header: Header,
    /// Qualified.
    pub parser: String,
    pub mappings: Vec<Mapping>,
}

/// What happens to a type of tokens.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub token: String,
    /// Ready to print, in the order in which they are asked.
    pub dictionaries: Vec<String>,
}

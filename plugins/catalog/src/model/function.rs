//! Functions, procedures and aggregates: pg_proc and pg_aggregate.

use super::{Access, Name};
use crate::selection::Components;

/// What a row of pg_proc is.
#[derive(Clone, Debug)]
pub enum Routine {
    Function(Box<FunctionDetails>),
    Aggregate(Box<Aggregate>),
    /// A member of an extension or of the server, of which only the privileges are dumped.
    Undescribed,
}

/// A row of pg_proc.
#[derive(Clone, Debug)]
pub struct Function {
    pub oid: u32,
    pub name: String,
    pub schema: Name,
    pub owner: Name,
    pub access: Access,
    /// pg_proc.prokind
    pub kind: char,
    /// OIDs of the types of its input arguments.
    pub argument_types: Vec<u32>,
    /// As pg_get_function_identity_arguments prints them.
    pub identity_arguments: String,
    pub routine: Routine,
    pub dump: Components,
}

impl Function {
    /// The keyword of CREATE, DROP and COMMENT ON.
    pub fn keyword(&self) -> &'static str {
        match self.kind {
            'a' => "AGGREGATE",
            'p' => "PROCEDURE",
            _ => "FUNCTION",
        }
    }
}

/// What CREATE FUNCTION says.
#[derive(Clone, Debug)]
pub struct FunctionDetails {
    /// As pg_get_function_arguments prints them.
    pub arguments: String,
    /// `None` for procedures.
    pub result: Option<String>,
    pub returns_set: bool,
    pub language: String,
    /// Formatted types of TRANSFORM FOR TYPE.
    pub transforms: Vec<String>,
    pub volatility: char,
    pub strict: bool,
    pub security_definer: bool,
    pub leakproof: bool,
    pub cost: String,
    pub rows: String,
    /// `-` for none.
    pub support: String,
    pub parallel: char,
    pub configuration: Vec<String>,
    pub source: String,
    pub binary: Option<String>,
    /// BEGIN ATOMIC or RETURN (14).
    pub sql_body: Option<String>,
}

/// A final function and how it treats the state.
#[derive(Clone, Debug)]
pub struct AggregateFinal {
    /// `-` for none.
    pub function: String,
    pub extra: bool,
    pub modify: char,
}

/// What CREATE AGGREGATE says; functions are `-` for none.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub arguments: String,
    /// pg_aggregate.aggkind
    pub kind: char,
    pub transition: String,
    pub state_type: String,
    pub state_space: String,
    pub initial: Option<String>,
    pub last: AggregateFinal,
    pub combine: String,
    pub serialize: String,
    pub deserialize: String,
    pub moving_transition: String,
    pub moving_inverse: String,
    pub moving_state_type: String,
    pub moving_state_space: String,
    pub moving_initial: Option<String>,
    pub moving_last: AggregateFinal,
    /// `OPERATOR(schema.op)`
    pub sort_operator: Option<String>,
    pub parallel: char,
}

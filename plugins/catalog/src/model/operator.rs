//! Operators, and the classes and families that access methods know them by: pg_operator, pg_opclass, pg_opfamily, pg_amop,
//! pg_amproc.

use super::Header;

/// An operator; its parts are ready to print.
#[derive(Clone, Debug)]
pub struct Operator {
    pub header: Header,
    /// pg_operator.oprkind: l, b, and r before 14.
    pub kind: char,
    /// OIDs of the operands' types.
    pub operands: [u32; 2],
    pub left: String,
    pub right: String,
    pub function: String,
    pub commutator: Option<String>,
    pub negator: Option<String>,
    pub merges: bool,
    pub hashes: bool,
    pub restriction: Option<String>,
    pub join: Option<String>,
}

/// An operator that an access method uses.
#[derive(Clone, Debug)]
pub struct MemberOperator {
    pub strategy: String,
    /// With its operands.
    pub operator: String,
    /// The family that sorts what an ordering operator gives.
    pub sort_family: Option<String>,
}

/// A function that an access method uses.
#[derive(Clone, Debug)]
pub struct MemberFunction {
    pub number: String,
    pub left: String,
    pub right: String,
    /// With its arguments.
    pub function: String,
}

/// What belongs to an operator class, or to a family without being in a class.
#[derive(Clone, Debug, Default)]
pub struct Members {
    pub operators: Vec<MemberOperator>,
    pub functions: Vec<MemberFunction>,
}

/// An operator class.
#[derive(Clone, Debug)]
pub struct OperatorClass {
    pub header: Header,
    /// The access method's name.
    pub method: String,
    pub is_default: bool,
    pub input_type: String,
    /// Where what is stored has another type.
    pub storage: Option<String>,
    /// Qualified.
    pub family: String,
    pub members: Members,
}

/// An operator family.
#[derive(Clone, Debug)]
pub struct OperatorFamily {
    pub header: Header,
    /// The access method's name.
    pub method: String,
    pub members: Members,
}

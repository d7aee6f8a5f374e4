//! How catalogs refer to objects: the system catalog's OID and the object's own.

/// The OIDs of the system catalogs, the same in every release.
pub mod class {
    pub const DEFAULT_ACL: u32 = 826;
    pub const TYPE: u32 = 1247;
    pub const PROC: u32 = 1255;
    pub const RELATION: u32 = 1259;
    pub const DATABASE: u32 = 1262;
    pub const FOREIGN_SERVER: u32 = 1417;
    pub const FOREIGN_DATA_WRAPPER: u32 = 2328;
    pub const ACCESS_METHOD: u32 = 2601;
    pub const ATTRDEF: u32 = 2604;
    pub const CAST: u32 = 2605;
    pub const CONSTRAINT: u32 = 2606;
    pub const CONVERSION: u32 = 2607;
    pub const LANGUAGE: u32 = 2612;
    pub const LARGE_OBJECT: u32 = 2613;
    pub const NAMESPACE: u32 = 2615;
    pub const OPERATOR_CLASS: u32 = 2616;
    pub const OPERATOR: u32 = 2617;
    pub const REWRITE: u32 = 2618;
    pub const TRIGGER: u32 = 2620;
    pub const OPERATOR_FAMILY: u32 = 2753;
    pub const EXTENSION: u32 = 3079;
    pub const POLICY: u32 = 3256;
    pub const STATISTIC_EXT: u32 = 3381;
    pub const COLLATION: u32 = 3456;
    pub const EVENT_TRIGGER: u32 = 3466;
    pub const TRANSFORM: u32 = 3576;
    pub const TS_DICT: u32 = 3600;
    pub const TS_PARSER: u32 = 3601;
    pub const TS_CONFIG: u32 = 3602;
    pub const TS_TEMPLATE: u32 = 3764;
    pub const SUBSCRIPTION: u32 = 6100;
    pub const PUBLICATION: u32 = 6104;
    pub const PUBLICATION_REL: u32 = 6106;
    pub const PUBLICATION_NAMESPACE: u32 = 6237;
}

/// The first OID that initdb does not give out: everything below is part of the server.
pub const FIRST_NORMAL_OID: u32 = 16_384;

/// An object of any class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CatalogId {
    /// OID of the system catalog; 0 for what no catalog holds.
    pub class: u32,
    /// OID of the object.
    pub oid: u32,
}

impl CatalogId {
    /// The object `oid` of the catalog `class`.
    pub const fn new(class: u32, oid: u32) -> Self {
        Self { class, oid }
    }

    /// Made by initdb, not by a user.
    pub fn is_builtin(self) -> bool {
        self.oid < FIRST_NORMAL_OID
    }
}

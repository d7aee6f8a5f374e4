//! Extended statistics: pg_statistic_ext.

use super::Header;

/// A statistics object.
#[derive(Clone, Debug)]
pub struct ExtendedStatistics {
    pub header: Header,
    /// As pg_get_statisticsobjdef prints it.
    pub definition: String,
    /// Where it is not the default.
    pub target: Option<i32>,
}

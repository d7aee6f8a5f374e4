//! What every storage has to do.

mod listing;
mod reading;
mod writing;

pub use listing::*;
pub use reading::*;
pub use writing::*;

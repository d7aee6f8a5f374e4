//! What kind of place this is: it decides what may be destroyed without being asked.

use crate::database::ConnectionSettings;
use std::fmt;

/// From the least to the most careful: the stricter of two is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// A developer's own machine.
    Local,
    /// Shared, and not what customers use.
    Staging,
    /// What customers use.
    Production,
}

impl Environment {
    /// The names, as config, variables and flags have them.
    pub const NAMES: [&'static str; 3] = ["local", "staging", "production"];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Local, Self::Staging, Self::Production]
            .into_iter()
            .find(|environment| environment.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Where nobody said what it is: a database on this machine is local, any other one is production.
    pub fn presumed(settings: &ConnectionSettings) -> Self {
        if settings.is_local() {
            Self::Local
        } else {
            Self::Production
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Where a database belongs.

/// From the least to the most careful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Environment {
    /// A developer's own.
    Local,
    /// Shared, and not what customers use.
    Staging,
    /// What customers use.
    Production,
}

impl Environment {
    const ALL: [Self; 3] = [Self::Local, Self::Staging, Self::Production];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.name() == name)
    }

    /// `local`, `staging` or `production`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

//! The server's version, and a way to say which release changed an expression.

/// As in `server_version_num`: 150018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    /// The oldest release that can be read.
    pub const OLDEST: u32 = 13;
    /// The newest release whose catalogs are known.
    pub const NEWEST: u32 = 18;

    /// 15 of 150018.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// The release `major` or a later one.
    pub fn at_least(self, major: u32) -> bool {
        self.major() >= major
    }

    /// `now` on `major` and later, `before` on older servers.
    pub fn since<'a>(self, major: u32, now: &'a str, before: &'a str) -> &'a str {
        if self.at_least(major) { now } else { before }
    }
}

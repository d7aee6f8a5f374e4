//! What snapshots are called and tagged.

use archive::civil_time::CivilTime;
use orchestrator_sdk::snapshots::Snapshot;
use orchestrator_sdk::{Error, run};

/// The tag that names the run; servers made by a run carry it too.
const RUN: &str = "orchestrator:run-id";

/// The tag that holds the snapshot's own name. Providers copy tags: of a server to its snapshots, of a snapshot to copies of it, also where
/// people made these.
const NAME: &str = "orchestrator:snapshot";

/// The tag that says why it was taken.
const KIND: &str = "orchestrator:kind";

/// The tag of a snapshot that stays; its value is the reason. The host sets it, and whoever looks at the provider's console may.
const PIN: &str = "orchestrator:pin";

/// The kind of a snapshot of which nobody said why it is taken.
pub const BY_HAND: &str = "manual";

/// `app-pre-migrate-2026-01-17t02-00-00z-1f2e3d4c`: in the order of their times, and each run its own.
pub fn name(server: &str, kind: &str, begun: u64, run: &str) -> String {
    let time = CivilTime::from_unix_ms(begun)
        .file_name()
        .to_ascii_lowercase();
    let run: String = run.chars().filter(|c| *c != '-').collect();
    // The end of a UUIDv7 is its random part.
    let end = &run[run.len().saturating_sub(8)..];
    format!("{server}-{}-{time}-{end}", words(kind))
}

/// What of a text can stand in a name: letters, digits and single hyphens.
fn words(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
        .to_ascii_lowercase()
}

/// Of a new snapshot: for people who look at the provider's console, and for whoever prunes.
pub fn of_snapshot(name: &str, kind: &str) -> Vec<(String, String)> {
    let mut tags = tags(kind);
    tags.push((NAME.to_owned(), name.to_owned()));
    tags
}

/// For people who look at the provider's console.
pub fn tags(kind: &str) -> Vec<(String, String)> {
    [
        (RUN, run::id()),
        (KIND, kind.to_owned()),
        ("orchestrator:by", run::host()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Whether a run of this program made it.
pub fn is_of_a_run(snapshot: &Snapshot) -> bool {
    // Providers keep names in small letters.
    let is_its_own = |name: &str| name.eq_ignore_ascii_case(&snapshot.name);
    tag(snapshot, RUN).is_some() && tag(snapshot, NAME).is_some_and(is_its_own)
}

/// Why it was taken.
pub fn kind(snapshot: &Snapshot) -> Option<&str> {
    tag(snapshot, KIND)
}

/// Why it is pinned, which may be empty; `None` when it is not.
pub fn pin(snapshot: &Snapshot) -> Option<&str> {
    tag(snapshot, PIN)
}

fn tag<'a>(snapshot: &'a Snapshot, wanted: &str) -> Option<&'a str> {
    let mut tags = snapshot.tags.iter();
    tags.find(|(name, _)| name == wanted)
        .map(|(_, value)| value.as_str())
}

/// There is none of that name.
pub fn missing(server: &str, name: &str) -> Error {
    Error::not_found(format!("the server {server} has no snapshot {name}"))
        .hint("`orchestrator snapshot list` shows what there is")
}

/// Whether it is of this run.
pub fn is_ours(snapshot: &Snapshot) -> bool {
    let run = run::id();
    snapshot
        .tags
        .iter()
        .any(|(name, value)| name == RUN && *value == run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_are_of() {
        assert_eq!(
            name(
                "app",
                "Before 1.4!",
                1_768_615_200_000,
                "0198c0de-0000-7000-8000-00001f2e3d4c"
            ),
            "app-before-1-4-2026-01-17t02-00-00z-1f2e3d4c"
        );
    }
}

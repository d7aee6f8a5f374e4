//! The last line of a `manifest.json`: the SHA-256 of everything before it. The manifest says what every other object has to be,
//! and nothing else would say what it has to be itself.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// What comes before the digest, and after it.
const BEFORE: &str = ",\n  \"sha256\": \"";
const AFTER: &str = "\"\n}\n";

/// Puts the digest of an indented JSON object into it, as its last field.
pub(super) fn seal(mut json: String) -> String {
    json.truncate(json.trim_end().trim_end_matches('}').trim_end().len());
    let digest = digest(&json);
    json + BEFORE + &digest + AFTER
}

/// Whether the digest is the one of what is before it. Files of the first programs have none.
pub(super) fn holds(file: &str) -> bool {
    let Some(place) = file.rfind(BEFORE) else {
        return true;
    };
    let (sealed, digest_and_end) = file.split_at(place);
    digest_and_end[BEFORE.len()..].strip_suffix(AFTER) == Some(&digest(sealed))
}

fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

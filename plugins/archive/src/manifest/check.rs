//! Whether the bytes of a `manifest.json` are one that this code understands, and whether its parts agree.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::error::Category;

use super::{FORMAT_VERSION, Manifest, StoredObject, TableData, Tool, Totals};
use crate::civil_time::CivilTime;
use crate::layout::{ENCRYPTED, ENCRYPTED_MANIFEST, MANIFEST, is_object_name};
use crate::toc::Version;

/// Why a `manifest.json` cannot be used.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("manifest.json ends too early, at line {line}: it is cut off")]
    CutOff { line: usize },
    #[error("manifest.json is not JSON: {0}; it is damaged")]
    NotJson(String),
    #[error("manifest.json holds no backup's manifest: {0}")]
    Shape(String),
    #[error(
        "manifest.json has format version {found} and this program reads up to {FORMAT_VERSION}: use {needed} or newer"
    )]
    Newer {
        found: u32,
        /// The program that wrote it.
        needed: String,
    },
    #[error("manifest.json contradicts itself: {0}; it is damaged")]
    Invalid(String),
    #[error("manifest.json is not as it was written: its SHA-256 is another one; it is damaged")]
    Changed,
}

/// The part that every format version has.
#[derive(Deserialize)]
struct Beginning {
    format_version: u32,
    tool: Option<Tool>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let beginning: Beginning = serde_json::from_slice(bytes).map_err(explain)?;
    if beginning.format_version > FORMAT_VERSION {
        let needed = beginning.tool.map_or_else(
            || "the program that wrote it".to_owned(),
            |tool| format!("{} {}", tool.name, tool.version),
        );
        return Err(ManifestError::Newer {
            found: beginning.format_version,
            needed,
        });
    }
    serde_json::from_slice(bytes).map_err(explain)
}

fn explain(error: serde_json::Error) -> ManifestError {
    match error.classify() {
        Category::Eof => ManifestError::CutOff { line: error.line() },
        Category::Syntax | Category::Io => ManifestError::NotJson(error.to_string()),
        Category::Data => ManifestError::Shape(error.to_string()),
    }
}

pub(super) fn validate(manifest: &Manifest) -> Result<(), ManifestError> {
    ensure(manifest.format_version == FORMAT_VERSION, || {
        format!("format version {}", manifest.format_version)
    })?;
    ensure(manifest.backup.kind() == &manifest.kind, || {
        format!("{} is not of the kind {}", manifest.backup, manifest.kind)
    })?;
    ensure(!manifest.database.is_empty(), || {
        "the database has no name".to_owned()
    })?;
    ensure(manifest.snapshot.time.parse::<CivilTime>().is_ok(), || {
        format!("the snapshot's time {:?}", manifest.snapshot.time)
    })?;
    ensure(manifest.archive.version.parse::<Version>().is_ok(), || {
        format!("archive version {:?}", manifest.archive.version)
    })?;
    if let Some(sha256) = &manifest.plugin.sha256 {
        ensure(is_sha256(sha256), || {
            format!("the plugin's digest {sha256:?}")
        })?;
    }
    let mut names = BTreeSet::new();
    for object in &manifest.objects {
        validate_object(object, manifest.archive.encryption.is_some())?;
        ensure(names.insert(&object.name), || {
            format!("two objects are called {}", object.name)
        })?;
    }
    ensure(
        Totals::of(&manifest.objects) == Some(manifest.totals),
        || "the totals are not the sums of the objects".to_owned(),
    )
}

fn validate_object(object: &StoredObject, encrypted: bool) -> Result<(), ManifestError> {
    let name = &object.name;
    let manifest = name == MANIFEST || name == ENCRYPTED_MANIFEST;
    ensure(is_object_name(name) && !manifest, || {
        format!("{name:?} cannot be the name of an object")
    })?;
    ensure(name.ends_with(ENCRYPTED) == encrypted, || {
        format!("{name} is encrypted, or the others are, and not both")
    })?;
    ensure(is_sha256(&object.sha256), || {
        format!("the digest of {name} is not a SHA-256")
    })?;
    let Some(table) = &object.table else {
        return Ok(());
    };
    ensure(table.dump_id > 0, || format!("{name} has dump id 0"))?;
    let digests = table
        .chunks
        .iter()
        .filter_map(|chunk| chunk.sha256.as_ref());
    ensure(digests.into_iter().all(|digest| is_sha256(digest)), || {
        format!("the digest of a chunk of {name} is not a SHA-256")
    })?;
    let whole = (object.bytes, table.plain_bytes, table.rows);
    ensure(joined(table) == Some(whole), || {
        format!("the chunks of {name} do not add up to the whole")
    })
}

/// Bytes, bytes before compression and rows of all chunks; `None` when there is a gap or a sum is past 64 bits.
fn joined(table: &TableData) -> Option<(u64, u64, u64)> {
    table
        .chunks
        .iter()
        .try_fold((0u64, 0u64, 0u64), |(bytes, plain_bytes, rows), chunk| {
            (chunk.offset == bytes).then_some((
                bytes.checked_add(chunk.bytes)?,
                plain_bytes.checked_add(chunk.plain_bytes)?,
                rows.checked_add(chunk.rows)?,
            ))
        })
}

fn is_sha256(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(digit)
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), ManifestError> {
    if holds {
        Ok(())
    } else {
        Err(ManifestError::Invalid(problem()))
    }
}

//! The folder of seeds.

use orchestrator_sdk::{Error, ErrorKind, files};
use seeds::{Format, Set};

/// All sets, in the order of their files' names; folders below it are not looked into: there are the files that sets name.
pub fn read(binding: &str) -> Result<Vec<Set>, Error> {
    let source = files::open(binding).map_err(|error| match error.kind {
        ErrorKind::NotFound => error.hint("name it: --seeds FOLDER, or `folder` under [seeds]"),
        _ => error,
    })?;
    let entries = source.entries()?;
    // Files of rows are not read here: they may be larger than memory.
    let is_of_rows = |path: &str| format(path) == Some(Format::Rows);
    let wanted = entries
        .iter()
        .filter(|entry| format(&entry.path).is_some() && !is_of_rows(&entry.path));
    let mut found: Vec<Set> = Vec::new();
    for (path, text) in source.texts(wanted)? {
        let Some(format) = format(path) else { continue };
        let set = Set::read(path, format, text)
            .map_err(|error| Error::invalid_input(error.to_string()))?;
        found.push(set);
    }
    let rows = entries
        .iter()
        .filter(|entry| !entry.is_folder && is_of_rows(&entry.path));
    found.extend(rows.map(|entry| Set::of_rows(&entry.path)));
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let mut sets: Vec<Set> = Vec::new();
    for set in found {
        if sets.iter().any(|other| other.name == set.name) {
            return Err(Error::invalid_input(format!(
                "two files declare a set named {}",
                set.name
            )));
        }
        sets.push(set);
    }
    Ok(sets)
}

/// Of a file that declares a set.
fn format(path: &str) -> Option<Format> {
    match path.contains('/') || path.starts_with('.') {
        true => None,
        false => Format::of(path),
    }
}

//! The folder of migrations.

use std::collections::BTreeMap;

use migrations::{Folder, Migration, folder};
use orchestrator_sdk::{Error, ErrorKind, files};

const SCRIPT: &str = "migration.sql";
const DOWN: &str = "down.sql";
const LOCK: &str = "migration_lock.toml";

/// Everything that is known of the folder, scripts included.
pub fn read(binding: &str) -> Result<Folder, Error> {
    let source = files::open(binding).map_err(|error| match error.kind {
        ErrorKind::NotFound => {
            error.hint("name it: --migrations FOLDER, or `folder` under [migrations]")
        }
        _ => error,
    })?;
    let entries = source.entries()?;
    let mut migrations: BTreeMap<&str, Migration> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_folder) {
        let name = entry.path.as_str();
        // Hidden folders are somebody's tools'.
        if !name.contains('/') && !name.starts_with('.') {
            let migration = Migration {
                name: name.to_owned(),
                script: None,
                down: None,
            };
            migrations.insert(name, migration);
        }
    }
    let wanted = entries.iter().filter(|entry| {
        let file = entry.path.split_once('/').map(|(_, file)| file);
        entry.path == LOCK || matches!(file, Some(SCRIPT | DOWN))
    });
    let mut provider = None;
    for (path, text) in source.texts(wanted)? {
        let Some((name, file)) = path.split_once('/') else {
            provider = folder::provider(&text);
            continue;
        };
        if let Some(migration) = migrations.get_mut(name) {
            match file {
                SCRIPT => migration.script = Some(text),
                _ => migration.down = Some(text),
            }
        }
    }
    Ok(Folder::new(migrations.into_values().collect(), provider))
}

//! What is read of a configuration without connecting to anything that it names: for authors of plugins, on whose machines the variables
//! of its addresses need not be set.

use super::configuration::{self, Sources};
use super::error::{ConfigError, Place};
use super::reader::{Document, Section};
use super::reference::{MIGRATIONS_FOLDER, PLUGIN_SHA256};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A part of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The file.
    pub file: PathBuf,
    /// `[migrations] folder`, when the file says so or the usual folder is there.
    pub migrations: Option<PathBuf>,
    /// What it pins the plugin to, when it has it.
    pub pin: Option<Pin>,
}

/// The digest of a plugin, as a configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// As it is written.
    pub sha256: String,
    /// Where.
    pub place: Place,
}

impl Glance {
    /// Looks for the file as a load of the configuration does; `None` when there is none.
    pub fn of(plugin: &str, sources: &Sources<'_>) -> Result<Option<Self>, ConfigError> {
        let Some((file, text)) = configuration::find(sources)? else {
            return Ok(None);
        };
        let document = Document {
            file: Some(&file),
            text: &text,
            folder: file.parent().unwrap_or(sources.working_folder),
            working_folder: sources.working_folder,
            process: sources.process,
            files: RefCell::default(),
        };
        let table = configuration::parse(&document)?;
        Self::read(&document, table.get_ref(), plugin).map(Some)
    }

    fn read(
        document: &Document<'_>,
        table: &DeTable<'_>,
        plugin: &str,
    ) -> Result<Self, ConfigError> {
        let root = document.root(table)?;
        let section = root.section("migrations", "migrations")?;
        let folder = section.required::<PathBuf>(&MIGRATIONS_FOLDER)?.value;
        let is_meant = section.gives(&MIGRATIONS_FOLDER) || folder.is_dir();
        Ok(Self {
            file: document.file.unwrap_or(Path::new("")).to_path_buf(),
            migrations: is_meant.then_some(folder),
            pin: pin(&root, plugin)?,
        })
    }
}

fn pin(root: &Section<'_>, plugin: &str) -> Result<Option<Pin>, ConfigError> {
    let plugins = root.named("plugins", "plugins")?;
    let section = plugins.iter().find(|(name, _)| name.as_str() == plugin);
    Ok(section.and_then(|(_, section)| {
        let (place, value) = section.raw(&PLUGIN_SHA256)?;
        Some(Pin {
            sha256: value.as_str()?.to_owned(),
            place: place?,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::ProcessEnvironment;

    #[test]
    fn variables_of_addresses_need_not_be_set() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("plugins/my-seed");
        std::fs::create_dir_all(&inside).unwrap();
        let file = folder.path().join("orchestrator.toml");
        let process = ProcessEnvironment::of([("WHERE", "db")]);
        let sources = Sources {
            file: None,
            environment: None,
            working_folder: &inside,
            process: &process,
        };
        assert_eq!(Glance::of("my-seed", &sources).unwrap(), None);
        let address = "[databases.app]\nurl = \"${NOT_SET}\"\n";
        std::fs::write(&file, address).unwrap();
        let glance = Glance::of("my-seed", &sources).unwrap().unwrap();
        assert_eq!((glance.migrations, glance.pin), (None, None));
        let text = format!(
            "{address}[migrations]\nfolder = \"${{WHERE}}/migrations\"\n[plugins.my-seed]\nfile = \"x.wasm\"\nsha256 = \"abc\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let glance = Glance::of("my-seed", &sources).unwrap().unwrap();
        assert_eq!(glance.migrations, Some(folder.path().join("db/migrations")));
        let pin = glance.pin.unwrap();
        assert_eq!(
            (pin.sha256.as_str(), pin.place),
            ("abc", Place::Line(file.clone(), 7))
        );
        std::fs::write(&file, "[plugin]\n").unwrap();
        let error = Glance::of("my-seed", &sources).unwrap_err();
        assert!(error.message.contains("unknown key"), "{error}");
    }
}

//! `[plugins]`: plugins that are not built in, what they are granted, and limits of any plugin.

use super::error::{ConfigError, Problem};
use super::jobs::BUILT_IN_PLUGINS;
use super::limits::{self, Limits};
use super::name::Name;
use super::reader::Section;
use super::reference::{
    GRANT_DATABASE_ACCESS, GRANT_DATABASE_TABLE, GRANT_FILES, GRANT_SNAPSHOT_RIGHTS,
    GRANT_STORAGE_RIGHTS, PLUGIN_FILE, PLUGIN_LIMITS, PLUGIN_SHA256,
};
use manifest::{Access, SnapshotRight, StorageRight, TableName, TableRight};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A plugin that is not built in, pinned by its digest, and what it may touch.
#[derive(Clone, Debug)]
pub struct PluginGrant {
    /// The component.
    pub file: PathBuf,
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// What it may touch; nothing else.
    pub grants: Grants,
    /// What it may use up.
    pub limits: Limits,
}

/// What a plugin may touch. What is not named is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// By the name of the binding.
    pub databases: BTreeMap<Name, DatabaseGrant>,
    /// By the name of the binding.
    pub storage: BTreeMap<Name, StorageGrant>,
    /// By the name of the database that is on the managed server.
    pub snapshots: BTreeMap<Name, BTreeSet<SnapshotRight>>,
    /// Folders whose files it may read, with all that lies below them.
    pub files: Vec<PathBuf>,
}

/// What a plugin may do with a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseGrant {
    /// All of it; each access holds the ones before it.
    Whole(Access),
    /// These tables, and nothing else.
    Tables(BTreeMap<TableName, BTreeSet<TableRight>>),
}

/// What a plugin may do with a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageGrant {
    /// None holds another.
    pub rights: BTreeSet<StorageRight>,
}

/// `[plugins]` sorted into plugins of their own, and limits of built-in ones.
pub(super) type Plugins = (BTreeMap<Name, PluginGrant>, BTreeMap<Name, Limits>);

pub(super) fn read(
    root: &Section<'_>,
    databases: &[&str],
    storage: &[&str],
    defaults: &Limits,
) -> Result<Plugins, ConfigError> {
    let (mut plugins, mut built_in) = Plugins::default();
    for (name, section) in root.named("plugins", "plugins")? {
        let limits = limits::read(
            &section.section(PLUGIN_LIMITS.name(), "limits")?,
            Some(defaults),
        )?;
        if BUILT_IN_PLUGINS.contains(&name.as_str()) {
            if [&PLUGIN_FILE, &PLUGIN_SHA256]
                .into_iter()
                .any(|key| section.gives(key))
                || section.has("grants")
            {
                return Err(section.problem(Problem::new(
                    "this plugin is built in, and takes neither a file nor grants",
                    "choose another name for your own plugin; limits may stay",
                )));
            }
            built_in.insert(name, limits);
            continue;
        }
        let file = section.required::<PathBuf>(&PLUGIN_FILE)?.value;
        let sha256 = section
            .required::<String>(&PLUGIN_SHA256)?
            .try_map(digest)?;
        plugins.insert(
            name,
            PluginGrant {
                file,
                sha256,
                grants: grants(&section, databases, storage)?,
                limits,
            },
        );
    }
    Ok((plugins, built_in))
}

fn grants(
    plugin: &Section<'_>,
    databases: &[&str],
    storage: &[&str],
) -> Result<Grants, ConfigError> {
    let section = plugin.section("grants", "plugins.<name>.grants")?;
    let mut grants = Grants::default();
    for (name, section) in section.named("databases", "plugins.<name>.grants.databases")? {
        known(&section, "database", &name, databases)?;
        grants.databases.insert(name, database(&section)?);
    }
    for (name, section) in section.named("storage", "plugins.<name>.grants.storage")? {
        known(&section, "storage", &name, storage)?;
        let rights = section
            .required::<Vec<String>>(&GRANT_STORAGE_RIGHTS)?
            .value;
        let right = |word: &String| match word.as_str() {
            "delete" => StorageRight::Delete,
            "write" => StorageRight::Write,
            _ => StorageRight::Read,
        };
        grants.storage.insert(
            name,
            StorageGrant {
                rights: rights.iter().map(right).collect(),
            },
        );
    }
    for (name, section) in section.named("snapshots", "plugins.<name>.grants.snapshots")? {
        known(&section, "database", &name, databases)?;
        let rights = section
            .required::<Vec<String>>(&GRANT_SNAPSHOT_RIGHTS)?
            .value;
        let right = |word: &String| match word.as_str() {
            "create" => SnapshotRight::Create,
            "delete" => SnapshotRight::Delete,
            "restore" => SnapshotRight::Restore,
            _ => SnapshotRight::Read,
        };
        grants
            .snapshots
            .insert(name, rights.iter().map(right).collect());
    }
    grants.files = match section.value(&GRANT_FILES)? {
        Some(found) => found.value,
        None => Vec::new(),
    };
    Ok(grants)
}

fn database(section: &Section<'_>) -> Result<DatabaseGrant, ConfigError> {
    if section.has("tables") {
        if section.gives(&GRANT_DATABASE_ACCESS) {
            return Err(section.problem(Problem::new(
                "access is all of the database, and tables are given too",
                "keep the one that the plugin asks for: see `orchestrator plugin inspect FILE`",
            )));
        }
        return tables(section).map(DatabaseGrant::Tables);
    }
    let access = section.required::<String>(&GRANT_DATABASE_ACCESS)?.value;
    Ok(DatabaseGrant::Whole(match access.as_str() {
        "admin" => Access::Admin,
        "write" => Access::Write,
        _ => Access::Read,
    }))
}

fn tables(
    database: &Section<'_>,
) -> Result<BTreeMap<TableName, BTreeSet<TableRight>>, ConfigError> {
    let mut tables = BTreeMap::new();
    for (name, rights) in database.values::<Vec<String>>("tables", &GRANT_DATABASE_TABLE)? {
        let table = match TableName::parse(name) {
            Ok(table) => table,
            Err(problem) => {
                return Err(rights.problem(Problem::new(
                    problem,
                    "name a table of the application, such as \"User\"",
                )));
            }
        };
        if rights.value.is_empty() {
            return Err(rights.problem(Problem::new(
                "no right is granted",
                "name the rights, such as [\"select\", \"insert\"], or leave the table out",
            )));
        }
        let rights = rights.value.iter();
        tables.insert(
            table,
            rights
                .filter_map(|right| TableRight::named(right))
                .collect(),
        );
    }
    Ok(tables)
}

fn known(
    section: &Section<'_>,
    what: &str,
    name: &Name,
    bindings: &[&str],
) -> Result<(), ConfigError> {
    if bindings.contains(&name.as_str()) {
        return Ok(());
    }
    Err(section.problem(Problem::unknown(
        what,
        name.as_str(),
        bindings.iter().copied(),
    )))
}

fn digest(text: String) -> Result<String, Problem> {
    let is_hex = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new(
        "this is no SHA-256 digest of 64 hexadecimal digits",
        "copy it from `orchestrator plugin inspect FILE`, after reading what the plugin asks for",
    ))
}

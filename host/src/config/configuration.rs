//! The whole configuration, from wherever it comes.

use super::check::{self, CheckSettings};
use super::daemon::{self, DaemonSettings};
use super::databases::{self, DatabaseBinding};
use super::environment::Environment;
use super::error::{ConfigError, Place, Problem};
use super::http::{self, HttpSettings};
use super::jobs::{self, Bindings, Job, SafetyNet};
use super::limits::{self, Limits};
use super::log::{self, LogSettings};
use super::name::Name;
use super::notifications::{self, NotifyTarget};
use super::plugins::{self, PluginGrant};
use super::reader::{Document, Section};
use super::reference::{
    ENVIRONMENT, MIGRATIONS_FOLDER, MIGRATIONS_SNAPSHOT, SCHEDULES_FOLDER, SEEDS_FOLDER,
};
use super::storage::{self, StorageBinding};
use crate::database::{ConnectionSettings, ProcessEnvironment};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The file's name, looked for in the working folder and above it.
const FILE_NAME: &str = "orchestrator.toml";

/// Everything that is configured, checked as far as it can be without connecting to anything.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, when there was one.
    pub file: Option<PathBuf>,
    /// Where relative paths start: the file's folder, or the working folder.
    pub folder: PathBuf,
    /// What the user said this is: `--environment`, `ORCHESTRATOR_ENVIRONMENT`, the file. See `environment_of`.
    pub stated_environment: Option<Environment>,
    /// May be empty: a restore needs none.
    pub databases: BTreeMap<Name, DatabaseBinding>,
    /// At least one.
    pub storage: BTreeMap<Name, StorageBinding>,
    /// Where the record of every run is kept.
    pub log: LogSettings,
    /// Where migrations are.
    pub migrations: MigrationSettings,
    /// What `orchestrator check` holds backups to.
    pub check: CheckSettings,
    /// `[seeds] folder`: a file for each set of rows.
    pub seeds: PathBuf,
    /// How the daemon works.
    pub daemon: DaemonSettings,
    /// `[schedules] folder`: a file for each schedule. `Schedules::read` reads them.
    pub schedules: PathBuf,
    /// What the daemon's HTTP is told in `[daemon]`.
    pub http: HttpSettings,
    /// Those of the file and the built-in ones.
    pub jobs: BTreeMap<Name, Job>,
    /// Whoever is told of runs.
    pub notify: BTreeMap<Name, NotifyTarget>,
    /// Plugins that are not built in.
    pub plugins: BTreeMap<Name, PluginGrant>,
    /// Limits of built-in plugins that the file names.
    pub built_in_limits: BTreeMap<Name, Limits>,
    /// Limits of any other plugin.
    pub limits: Limits,
    /// What `*_file` keys name.
    value_files: Vec<PathBuf>,
}

/// `[migrations]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationSettings {
    /// In Prisma's layout.
    pub folder: PathBuf,
    /// What the built-in jobs take before them.
    pub snapshot: SafetyNet,
}

/// What a configuration is read from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// `--config`.
    pub file: Option<&'a Path>,
    /// `--environment`.
    pub environment: Option<Environment>,
    /// Where the search for the file begins, and where relative paths start without one.
    pub working_folder: &'a Path,
    /// Variables, home and user.
    pub process: &'a ProcessEnvironment,
}

impl Config {
    /// Reads the file that `--config` or `ORCHESTRATOR_CONFIG` names, else the nearest `orchestrator.toml` upward. Without
    /// any, what the environment says is enough.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        match find(sources)? {
            Some((file, text)) => Self::parse(&text, Some(&file), sources),
            None => Self::parse("", None, sources),
        }
    }

    /// From the text of a file; `file` is what messages call it, and its folder is where relative paths start.
    pub fn parse(
        text: &str,
        file: Option<&Path>,
        sources: &Sources<'_>,
    ) -> Result<Self, ConfigError> {
        let folder = match file.and_then(Path::parent) {
            Some(folder) => sources.working_folder.join(folder),
            None => sources.working_folder.to_path_buf(),
        };
        let document = Document {
            file,
            text,
            folder: &folder,
            working_folder: sources.working_folder,
            process: sources.process,
            files: RefCell::default(),
        };
        let parsed = parse(&document)?;
        let config = Self::read(&document.root(parsed.get_ref())?, sources)?;
        Ok(Self {
            value_files: document.files.take(),
            ..config
        })
    }

    /// The files that it was read from: its own, and those that `*_file` keys name. When one of them changes, it may be another.
    /// Those of schedules are `Schedules::files`.
    pub fn files(&self) -> Vec<PathBuf> {
        self.file.iter().chain(&self.value_files).cloned().collect()
    }

    /// How careful to be with a database: what the user said, else what its address lets us presume.
    pub fn environment_of(&self, settings: &ConnectionSettings) -> Environment {
        self.stated_environment
            .unwrap_or_else(|| Environment::presumed(settings))
    }

    /// How careful to be with everything: the strictest that holds for any database.
    pub fn environment(&self) -> Environment {
        let presumed = self
            .databases
            .values()
            .map(|binding| Environment::presumed(&binding.settings))
            .max();
        self.stated_environment
            .or(presumed)
            .unwrap_or(Environment::Production)
    }

    /// A database by its name, or the usual one: `app`, else the only one.
    pub fn database(&self, name: Option<&str>) -> Result<(&Name, &DatabaseBinding), ConfigError> {
        const HINT: &str =
            "set DATABASE_URL, or run `orchestrator init` to write orchestrator.toml";
        self.binding("database", &self.databases, name, "app", HINT)
    }

    /// A storage by its name, or the usual one: `main`, else the only one.
    pub fn storage(&self, name: Option<&str>) -> Result<(&Name, &StorageBinding), ConfigError> {
        self.binding(
            "storage",
            &self.storage,
            name,
            "main",
            "add one to [storage]",
        )
    }

    /// A job by its name.
    pub fn job(&self, name: &str) -> Result<&Job, ConfigError> {
        self.jobs.get(name).ok_or_else(|| {
            let problem = Problem::unknown("job", name, self.jobs.keys().map(Name::as_str));
            ConfigError::new(None, problem.message, problem.hint)
        })
    }

    /// The limits that hold for a plugin.
    pub fn limits_of(&self, plugin: &str) -> &Limits {
        let own = self.plugins.get(plugin).map(|plugin| &plugin.limits);
        own.or_else(|| self.built_in_limits.get(plugin))
            .unwrap_or(&self.limits)
    }

    fn read(root: &Section<'_>, sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let databases = databases::read(root)?;
        let storage = storage::read(root)?;
        let limits = limits::read(&root.section("limits", "limits")?, None)?;
        let database_names: Vec<&str> = databases.keys().map(Name::as_str).collect();
        let storage_names: Vec<&str> = storage.keys().map(Name::as_str).collect();
        let (plugins, built_in_limits) =
            plugins::read(root, &database_names, &storage_names, &limits)?;
        let bindings = Bindings {
            databases: database_names,
            storage: storage_names,
            plugins: &plugins,
        };
        let section = root.section("migrations", "migrations")?;
        let migrations = MigrationSettings {
            folder: section.required(&MIGRATIONS_FOLDER)?.value,
            snapshot: SafetyNet::named(&section.required::<String>(&MIGRATIONS_SNAPSHOT)?.value),
        };
        let jobs = jobs::read(root, &bindings, migrations.snapshot)?;
        let stated = root
            .value::<String>(&ENVIRONMENT)?
            .and_then(|found| Environment::named(&found.value));
        Ok(Self {
            file: root.document.file.map(Path::to_path_buf),
            folder: root.document.folder.to_path_buf(),
            stated_environment: sources.environment.or(stated),
            log: log::read(root, &databases)?,
            migrations,
            check: check::read(root)?,
            seeds: root
                .section("seeds", "seeds")?
                .required(&SEEDS_FOLDER)?
                .value,
            daemon: daemon::read(root)?,
            schedules: root
                .section("schedules", "schedules")?
                .required(&SCHEDULES_FOLDER)?
                .value,
            http: http::read(root)?,
            databases,
            storage,
            jobs,
            notify: notifications::read(root)?,
            plugins,
            built_in_limits,
            limits,
            value_files: Vec::new(),
        })
    }

    fn binding<'a, T>(
        &self,
        what: &str,
        bindings: &'a BTreeMap<Name, T>,
        name: Option<&str>,
        usual_name: &str,
        hint: &str,
    ) -> Result<(&'a Name, &'a T), ConfigError> {
        let failed = |problem: Problem| ConfigError::new(None, problem.message, problem.hint);
        let names = || bindings.keys().map(Name::as_str);
        let found = match name {
            Some(name) => bindings.get_key_value(name),
            None => usual(bindings, usual_name).and_then(|name| bindings.get_key_value(name)),
        };
        match (found, name) {
            (Some(found), _) => Ok(found),
            (None, _) if bindings.is_empty() => Err(failed(Problem::new(
                format!("no {what} is configured"),
                hint,
            ))),
            (None, Some(name)) => Err(failed(Problem::unknown(what, name, names()))),
            (None, None) => Err(failed(Problem::new(
                format!("there are several of the kind {what}, and none is named {usual_name:?}"),
                format!(
                    "choose one with --{what}: {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            ))),
        }
    }
}

/// The name that is meant when none is given: the usual one, else the only one.
pub(super) fn usual<'a, T>(bindings: &'a BTreeMap<Name, T>, name: &str) -> Option<&'a Name> {
    let only = || bindings.keys().next().filter(|_| bindings.len() == 1);
    bindings
        .get_key_value(name)
        .map(|(name, _)| name)
        .or_else(only)
}

/// The file that `--config` or `ORCHESTRATOR_CONFIG` names, else the nearest one upward, and its text.
pub(super) fn find(sources: &Sources<'_>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named = match (
        sources.file,
        sources.process.variable("ORCHESTRATOR_CONFIG"),
    ) {
        (Some(file), _) => Some((file, Place::Flag("--config"))),
        (None, Some(file)) => Some((
            Path::new(file),
            Place::Variable("ORCHESTRATOR_CONFIG".to_owned()),
        )),
        (None, None) => None,
    };
    let (file, place) = match named {
        Some((file, place)) => (sources.working_folder.join(file), Some(place)),
        None => match find_upward(sources.working_folder) {
            Some(file) => (file, None),
            None => return Ok(None),
        },
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) => Err(ConfigError::new(
            place,
            format!("reading {}: {error}", file.display()),
            "check the path, or make one with `orchestrator init`",
        )),
    }
}

/// The TOML of a file, with the places of its parts.
pub(super) fn parse<'a>(
    document: &Document<'a>,
) -> Result<toml::Spanned<DeTable<'a>>, ConfigError> {
    DeTable::parse(document.text).map_err(|error| {
        let place = error.span().and_then(|span| document.place(span.start));
        ConfigError::new(
            place,
            error.message().replace('\n', ", "),
            "see https://toml.io for how TOML is written",
        )
    })
}

fn find_upward(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|file| file.is_file())
}

//! The flags of every command, and the project they lead to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{Config, DatabaseBinding, Environment, Name, Sources};
use crate::database::{ConnectionSettings, ProcessEnvironment};
use crate::failure::Failure;
use crate::jobs::{self, Project};
use crate::transfer::Keys;

#[derive(Clone, Debug, Args)]
pub(super) struct Globals {
    /// Configuration file; by default orchestrator.toml, looked for upward from here
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// local, staging or production; comes before the configuration's
    #[arg(long, global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// Identity file of age that decrypts backups; comes before the storage's own
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORCHESTRATOR_AGE_IDENTITY_FILE"
    )]
    pub identity: Option<PathBuf>,
    /// What stdout is for
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Errors alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More of the log; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Who reads stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A person
    Human,
    /// A program: one JSON document
    Json,
}

impl Globals {
    /// Reads the configuration; without a file, what the environment variables say.
    pub fn load_config(&self) -> Result<Config, Failure> {
        let environment = self
            .environment
            .as_deref()
            .map(parse_environment)
            .transpose()?;
        let folder = std::env::current_dir().map_err(|error| {
            Failure::invalid_input(format!("finding the working folder: {error}"))
        })?;
        let sources = Sources {
            file: self.config.as_deref(),
            environment,
            working_folder: &folder,
            process: &ProcessEnvironment::from_process(),
        };
        Ok(Config::load(&sources)?)
    }

    /// Reads the configuration, opens the log, and closes what dead runs left.
    pub async fn open_project(&self) -> Result<Project, Failure> {
        self.open(self.load_config()?).await
    }

    /// Opens a configuration that the command line may have added to.
    pub async fn open(&self, mut config: Config) -> Result<Project, Failure> {
        self.identify(&mut config)?;
        open(config).await
    }

    /// Gives the storages the identity that the command line names.
    pub fn identify(&self, config: &mut Config) -> Result<(), Failure> {
        if let Some(file) = &self.identity {
            let keys = Keys::default().read_identities(file).map_err(|error| {
                Failure::invalid_input(format!("--identity: {error}"))
                    .hint("name the file that `age-keygen` wrote")
            })?;
            for binding in config.storage.values_mut() {
                binding.keys.identify_as(&keys);
            }
        }
        Ok(())
    }
}

fn parse_environment(name: &str) -> Result<Environment, Failure> {
    Environment::named(name).ok_or_else(|| {
        Failure::invalid_input(format!("there is no environment named {name:?}"))
            .hint(format!("there are: {}", Environment::NAMES.join(", ")))
    })
}

/// Opens a configuration as it is.
pub(super) async fn open(config: Config) -> Result<Project, Failure> {
    let project = project(config)?;
    let recovered = jobs::recover(&project).await?;
    for run in recovered.runs {
        tracing::warn!("the run {run} was interrupted; it is closed now");
    }
    for name in recovered.removed {
        tracing::warn!("the unfinished {name} was removed");
    }
    for database in recovered.databases {
        tracing::warn!("{database}");
    }
    Ok(project)
}

/// Opens a configuration's log, and leaves what dead runs left.
pub(super) fn project(config: Config) -> Result<Project, Failure> {
    Project::open(config, compiled_code())
}

/// Where compiled plugins are kept: the user's cache folder (XDG Base Directory Specification).
fn compiled_code() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("orchestrator").join("compiled"))
}

/// What the binding made from a URL is called.
const TARGET: &str = "target";

/// The name of a binding, or one that is made of a URL.
pub(super) fn bind_database(config: &mut Config, named: &str) -> Result<String, Failure> {
    if !named.contains("://") {
        return Ok(named.to_owned());
    }
    let settings = ConnectionSettings::parse(named, &ProcessEnvironment::from_process())?;
    let binding = DatabaseBinding::at(settings);
    config.databases.insert(TARGET.parse::<Name>()?, binding);
    Ok(TARGET.to_owned())
}

//! One project: its configuration, its log, its plugins, its connections.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tracing::{debug, warn};

use crate::capabilities::BoundStorage;
use crate::config::{Channel, Config, DatabaseBinding, StorageBinding};
use crate::database::{self, Connection};
use crate::deployment_log::{DeploymentLog, LogPaths, Page, Proven, Redactor, RunRecord, Status};
use crate::failure::Failure;
use crate::plugins::{Plugin, Runtime};
use crate::secret_url::SecretUrl;
use crate::snapshots::{self, ManagedServer};
use crate::storage::{self, AccessKey, S3Settings, StorageOptions};

/// Nobody waits longer for the table to say what was before: what this machine's journal knows has to do.
const LOG_TIMEOUT: Duration = Duration::from_secs(30);
/// Records that are looked through for the run before: most jobs have some that were cancelled or skipped.
const BEFORE: usize = 50;

/// What a command works with.
pub struct Project {
    /// What the operator configured.
    pub config: Config,
    /// The record of every run.
    pub log: DeploymentLog,
    compiled_code: Option<PathBuf>,
    runtime: OnceLock<Arc<Runtime>>,
}

impl Project {
    /// Opens the log. `compiled_code` is the folder that keeps compiled plugins between runs.
    pub fn open(config: Config, compiled_code: Option<PathBuf>) -> Result<Self, Failure> {
        let redactor = Redactor::default();
        register_secrets(&config, &redactor);
        let log = DeploymentLog::open(
            LogPaths {
                state: config.log.state.clone(),
                markdown: config.log.markdown.clone(),
                reports: config.log.reports.clone(),
            },
            redactor,
        )?;
        Ok(Self {
            config,
            log,
            compiled_code,
            runtime: OnceLock::new(),
        })
    }

    /// The plugins' engine, started on first use.
    pub fn runtime(&self) -> Result<Arc<Runtime>, Failure> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.clone());
        }
        let runtime = Arc::new(Runtime::new(self.compiled_code.as_deref())?);
        Ok(self.runtime.get_or_init(|| runtime).clone())
    }

    /// A plugin by its name, compiled.
    pub async fn plugin(&self, name: &str) -> Result<Arc<Plugin>, Failure> {
        super::plan::compile(self, &super::plan::Source::of(self, name)?).await
    }

    /// The binding of a database.
    pub fn database(&self, name: &str) -> Result<&DatabaseBinding, Failure> {
        self.config.databases.get(name).ok_or_else(|| {
            unknown(
                "database",
                name,
                self.config.databases.keys().map(|name| name.as_str()),
            )
        })
    }

    /// A client for the managed server that a database is on.
    pub async fn server(&self, database: &str) -> Result<Arc<dyn ManagedServer>, Failure> {
        match &self.database(database)?.rds {
            Some(settings) => Ok(snapshots::open(settings).await),
            None => Err(unmanaged(database)),
        }
    }

    /// A folder by the name of its binding: `migrations` is `[migrations] folder`.
    pub fn folder(&self, name: &str) -> Result<&Path, Failure> {
        match name {
            "migrations" => Ok(&self.config.migrations.folder),
            "seeds" => Ok(&self.config.seeds),
            other => Err(unknown(
                "folder",
                other,
                ["migrations", "seeds"].into_iter(),
            )),
        }
    }

    /// Opens a storage by the name of its binding.
    pub async fn storage(&self, name: &str) -> Result<BoundStorage, Failure> {
        let binding = self.config.storage.get(name).ok_or_else(|| {
            unknown(
                "storage",
                name,
                self.config.storage.keys().map(|name| name.as_str()),
            )
        })?;
        open_storage(binding).await
    }

    /// A connection to the database that holds the log's table, where the configuration names one.
    pub async fn log_connection(&self) -> Option<Result<Connection, Failure>> {
        let name = self.config.log.database.as_ref()?;
        let binding = match self.database(name.as_str()) {
            Ok(binding) => binding,
            Err(failure) => return Some(Err(failure)),
        };
        let connection = database::connect(&binding.settings, "orchestrator log").await;
        if let Err(error) = &connection {
            debug!("the database of the log cannot be reached: {error}");
        }
        Some(connection.map_err(Failure::from))
    }

    /// The backups that are known to restore: to the log's table where it answers in time, else to this machine's journal.
    pub async fn proofs(&self) -> Result<Vec<Proven>, Failure> {
        let asked = tokio::time::timeout(LOG_TIMEOUT, async {
            let connection = self.log_connection().await.and_then(Result::ok);
            let client = connection.as_ref().map(|connection| &connection.client);
            self.log.proofs(client).await
        });
        match asked.await {
            Ok(proofs) => Ok(proofs?),
            Err(_) => Ok(self.log.proven()?),
        }
    }

    /// How the last run of the job before this one ended that was run to an end, as far as anybody can say.
    pub async fn outcome_before(&self, record: &RunRecord) -> Option<Status> {
        let page = Page {
            limit: BEFORE,
            before: Some(record.run_id),
            job: Some(record.job.clone()),
            ..Page::default()
        };
        let asked = tokio::time::timeout(LOG_TIMEOUT, async {
            let connection = self.log_connection().await.and_then(Result::ok);
            let client = connection.as_ref().map(|connection| &connection.client);
            self.log.page(&page, client).await
        });
        let found = match asked.await {
            Ok(found) => found,
            Err(_) => self.log.page(&page, None).await,
        };
        let runs = match found {
            Ok(runs) => runs,
            Err(error) => {
                warn!("looking for the run before, to tell whether all is well again: {error}");
                return None;
            }
        };
        let ends = [Status::Succeeded, Status::Failed, Status::Refused];
        let mut ended = runs.iter().map(|run| run.status);
        ended.find(|status| ends.contains(status))
    }
}

/// The database is on no server that a provider manages, as far as anybody has said.
pub(super) fn unmanaged(database: &str) -> Failure {
    Failure::invalid_input(format!(
        "the configuration does not say which server of AWS RDS the database {database} is on"
    ))
    .hint(format!(
        "write [databases.{database}.rds] with `instance` or `cluster` into orchestrator.toml"
    ))
}

/// Opens a storage that need not be part of a project.
pub async fn open_storage(binding: &StorageBinding) -> Result<BoundStorage, Failure> {
    let access_key = match (&binding.access_key, &binding.secret_key) {
        (Some(id), Some(secret)) => Some(AccessKey {
            id: id.clone(),
            secret: secret.clone(),
            session_token: None,
        }),
        _ => None,
    };
    let s3 = S3Settings {
        endpoint: binding.endpoint.clone(),
        region: binding.region.clone(),
        path_style: binding.path_style.then_some(true),
        sse_kms_key: binding.sse_kms_key.clone(),
        storage_class: binding.storage_class.clone(),
        access_key,
        ..S3Settings::default()
    };
    let options = StorageOptions {
        s3,
        ..StorageOptions::default()
    };
    Ok(BoundStorage {
        objects: storage::open(&binding.location.to_string(), options).await?,
        keys: binding.keys.clone(),
    })
}

/// Whatever the configuration holds that nobody should read in a log.
fn register_secrets(config: &Config, redactor: &Redactor) {
    for binding in config.databases.values() {
        for settings in std::iter::once(&binding.settings).chain(&binding.direct_settings) {
            for password in settings
                .endpoints
                .iter()
                .filter_map(|endpoint| endpoint.password.as_ref())
            {
                redactor.register(password.expose_secret());
            }
        }
    }
    for secret in config
        .storage
        .values()
        .filter_map(|binding| binding.secret_key.as_ref())
    {
        redactor.register(secret.expose_secret());
    }
    for target in config.notify.values() {
        match &target.channel {
            Channel::Webhook { url, headers } => {
                register_url(redactor, url);
                for (_, value) in headers {
                    register_header(redactor, value.expose_secret());
                }
            }
            Channel::Slack { url } => register_url(redactor, url),
            Channel::Email(email) => {
                if let Some((_, password)) = &email.login {
                    redactor.register(password.expose_secret());
                }
            }
        }
    }
    for binding in config.storage.values() {
        for identity in binding.keys.secrets() {
            redactor.register(identity.expose_secret());
        }
    }
}

/// An address that is a secret: of a webhook, of a dead man's switch.
pub fn register_url(redactor: &Redactor, url: &SecretUrl) {
    for secret in url.secrets() {
        redactor.register(&secret);
    }
}

/// `Bearer KEY` is a secret, and so is `KEY` without the word before it.
fn register_header(redactor: &Redactor, value: &str) {
    redactor.register(value);
    if let Some((_, key)) = value.split_once(' ') {
        redactor.register(key.trim());
    }
}

/// Nothing of that name, and the nearest name there is.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let failure = Failure::invalid_input(format!("there is no {what} named {name:?}"));
    match crate::database::nearest(name, known.iter().copied()) {
        Some(nearest) => failure.hint(format!("did you mean {nearest:?}?")),
        None if known.is_empty() => failure.hint(format!("the configuration names no {what}")),
        None => failure.hint(format!("there are: {}", known.join(", "))),
    }
}

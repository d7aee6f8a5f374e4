//! What an environment asks for before a step may do what it does.

use manifest::{Manifest, SnapshotRight, StorageRight};
use serde_json::{Map, Value};

use super::plan::PlannedStep;
use super::project::Project;
use crate::config::Environment;
use crate::database::{self, environment_marker};
use crate::deployment_log::Trigger;
use crate::failure::Failure;

/// What a person has agreed to, on the command line or at the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// `--confirm DATABASE_NAME`.
    pub confirmed_database: Option<String>,
    /// `--yes`, or the answer to a question.
    pub yes: bool,
}

/// What a step does to its database, as far as an environment has a say in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that would have to be agreed to.
    Harmless,
    /// What was in it is gone.
    Replaces,
    /// Its schema is changed.
    Migrates,
    /// Its schema is changed, and data may go with it.
    TakesBack,
    /// Everything in it is dropped, and nobody has a copy.
    Resets,
    /// It says another environment of itself.
    Marks(Environment),
    /// Rows are written that are meant for other environments than production.
    Seeds,
}

/// The effect of a plugin with these parameters.
pub(super) fn effect(manifest: &Manifest, parameters: &Map<String, Value>) -> Effect {
    if manifest.seed.is_some_and(|seed| !seed.production) {
        return Effect::Seeds;
    }
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    match (
        manifest.name.as_str(),
        text("mode"),
        text("command"),
        text("environment"),
    ) {
        ("restore", Some("clean" | "swap"), _, _) => Effect::Replaces,
        ("migrate", _, Some("deploy"), _) => Effect::Migrates,
        ("migrate", _, Some("down"), _) => Effect::TakesBack,
        ("migrate", _, Some("reset"), _) => Effect::Resets,
        ("mark", _, _, Some(name)) => {
            Environment::named(name).map_or(Effect::Harmless, Effect::Marks)
        }
        _ => Effect::Harmless,
    }
}

/// Refuses parameters for what deletes where a token is all that is known of who gives them: a job says what goes, and a person at the command
/// line is shown it.
pub(super) fn check_given(
    trigger: Trigger,
    given: &Map<String, Value>,
    steps: &[PlannedStep],
) -> Result<(), Failure> {
    if trigger != Trigger::Api {
        return Ok(());
    }
    for PlannedStep { plugin, .. } in steps {
        let manifest = &plugin.manifest;
        let deletes = manifest.asks.storage.contains(&StorageRight::Delete)
            || manifest.asks.snapshots.contains(&SnapshotRight::Delete);
        let mut names = given.keys();
        if let Some(name) = names.find(|name| deletes && manifest.parameter(name).is_some()) {
            return Err(Failure::refused(format!(
                "the plugin {} may delete: its parameter {name} cannot be given by the API",
                manifest.name
            ))
            .hint("write it into a job of the configuration, and run that"));
        }
    }
    Ok(())
}

/// How careful to be with a database: as careful as the user says, and as the database itself says.
pub(super) async fn environment(project: &Project, name: &str) -> Result<Environment, Failure> {
    let binding = project.database(name)?;
    let stated = project.config.environment_of(&binding.settings);
    let marked = match database::connect(binding.direct(), "environment marker").await {
        Ok(connection) => environment_marker(&connection.client).await?,
        // A database that is not there yet says nothing.
        Err(error) if error.sqlstate() == Some("3D000") => None,
        Err(error) => return Err(error.into()),
    };
    // A name that this program does not know is no reason to be careless.
    let marked = marked.map(|name| Environment::named(&name).unwrap_or(Environment::Production));
    Ok(stated.max(marked.unwrap_or(Environment::Local)))
}

/// Whether a step leaves what a database can be brought back to: a whole backup of it, or a named one that is read back
/// and has to be whole.
pub(super) fn backs_up(step: &PlannedStep, database: &str, database_name: &str) -> bool {
    let parameters = &step.parameters;
    let is_set = |name: &str| match parameters.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    match step.plugin.manifest.name.as_str() {
        "backup" => {
            step.named.databases.contains(database)
                && ![
                    "schema_only",
                    "table",
                    "exclude_table",
                    "exclude_table_data",
                ]
                .into_iter()
                .any(is_set)
        }
        "snapshot" => {
            step.named.databases.contains(database)
                && matches!(
                    parameters.get("command").and_then(Value::as_str),
                    Some("create" | "verify")
                )
        }
        "verify" => {
            let named = parameters.get("backup").and_then(Value::as_str);
            let is_of_it = named
                .and_then(|backup| backup.split_once('/'))
                .is_some_and(|(of, _)| of == database_name);
            is_of_it && is_set("whole")
        }
        _ => false,
    }
}

/// Refuses what the environment does not allow. `database` is the name that the server knows.
pub(super) fn check(
    effect: Effect,
    environment: Environment,
    database: &str,
    is_backed_up: bool,
    consent: &Consent,
) -> Result<(), Failure> {
    match effect {
        Effect::Harmless => Ok(()),
        Effect::Marks(new) if new >= environment => Ok(()),
        Effect::Resets if environment == Environment::Local => Ok(()),
        Effect::Resets => Err(Failure::refused(format!(
            "{database} is a {environment} database: only a local one is reset"
        ))
        .hint(format!(
            "where that is wrong, look at the URL and at `environment`, or `orchestrator mark local --confirm {database}` says so"
        ))),
        Effect::Seeds if environment < Environment::Production => Ok(()),
        Effect::Seeds => Err(Failure::refused(format!(
            "{database} is a production database, and the seed is not meant for one"
        ))
        .hint("a plugin whose seeds are meant for production says so in its plugin.toml: production = true under [seed]")),
        Effect::Migrates => backed_up(environment, database, is_backed_up),
        Effect::TakesBack => {
            backed_up(environment, database, is_backed_up)?;
            agreed(environment, database, consent)
        }
        Effect::Replaces | Effect::Marks(_) => agreed(environment, database, consent),
    }
}

/// Production is migrated when there is a way back.
fn backed_up(environment: Environment, database: &str, is_backed_up: bool) -> Result<(), Failure> {
    if environment < Environment::Production || is_backed_up {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{database} is a production database: it is migrated after a backup or a snapshot of the same run, or after one that is named"
    ))
    .hint("`orchestrator run deploy` takes one first; `orchestrator migrate deploy --after-backup ID` verifies the one that you name"))
}

/// Local: yes. Staging asks. Production wants the database's name typed out.
fn agreed(environment: Environment, database: &str, consent: &Consent) -> Result<(), Failure> {
    let confirmed = consent.confirmed_database.as_deref() == Some(database);
    match environment {
        Environment::Local => Ok(()),
        _ if confirmed => Ok(()),
        Environment::Staging if consent.yes => Ok(()),
        Environment::Staging => {
            Err(refusal("staging", database).hint("agree with --yes, after a look at --dry-run"))
        }
        Environment::Production => Err(refusal("production", database).hint(format!(
            "look at --dry-run first; then agree with --confirm {database}"
        ))),
    }
}

fn refusal(environment: &str, database: &str) -> Failure {
    Failure::refused(format!(
        "this would destroy or replace what is in the database {database} of a {environment} environment"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_environment_has_its_price() {
        let none = Consent::default();
        let yes = Consent {
            yes: true,
            ..Consent::default()
        };
        let named = Consent {
            confirmed_database: Some("app".into()),
            ..Consent::default()
        };
        let replaces = |environment, database, consent: &Consent| {
            check(Effect::Replaces, environment, database, false, consent).is_ok()
        };
        assert!(replaces(Environment::Local, "app", &none));
        assert!(!replaces(Environment::Staging, "app", &none));
        assert!(replaces(Environment::Staging, "app", &yes));
        assert!(!replaces(Environment::Production, "app", &yes));
        assert!(replaces(Environment::Production, "app", &named));
        assert!(!replaces(Environment::Production, "shop", &named));
    }

    /// The table of the design, and of docs/architecture.md.
    #[test]
    fn production_is_migrated_after_a_backup_and_never_reset() {
        let allowed = |effect, environment, is_backed_up| {
            check(
                effect,
                environment,
                "app",
                is_backed_up,
                &Consent::default(),
            )
            .is_ok()
        };
        for environment in [Environment::Local, Environment::Staging] {
            assert!(allowed(Effect::Migrates, environment, false));
        }
        assert!(!allowed(Effect::Migrates, Environment::Production, false));
        assert!(allowed(Effect::Migrates, Environment::Production, true));
        assert!(!allowed(Effect::TakesBack, Environment::Production, true));
        assert!(allowed(Effect::Resets, Environment::Local, false));
        assert!(!allowed(Effect::Resets, Environment::Staging, true));
        assert!(!allowed(Effect::Resets, Environment::Production, true));
        let unmark = Effect::Marks(Environment::Local);
        assert!(!allowed(unmark, Environment::Production, true));
        assert!(allowed(Effect::Seeds, Environment::Staging, false));
        assert!(!allowed(Effect::Seeds, Environment::Production, true));
        assert!(allowed(
            Effect::Marks(Environment::Production),
            Environment::Local,
            false
        ));
    }

    #[test]
    fn effects_are_told_from_parameters() {
        let of = |plugin: &str, parameters: Value| {
            let manifest = serde_json::from_value(
                json!({"name": plugin, "version": "1.0.0", "description": "x"}),
            );
            effect(&manifest.unwrap(), parameters.as_object().unwrap())
        };
        assert_eq!(of("restore", json!({"mode": "swap"})), Effect::Replaces);
        assert_eq!(of("restore", json!({"mode": "create"})), Effect::Harmless);
        assert_eq!(
            of("migrate", json!({"command": "status"})),
            Effect::Harmless
        );
        assert_eq!(of("migrate", json!({"command": "reset"})), Effect::Resets);
        assert_eq!(
            of("mark", json!({"environment": "staging"})),
            Effect::Marks(Environment::Staging)
        );
        for (production, expected) in [(false, Effect::Seeds), (true, Effect::Harmless)] {
            let manifest = json!({
                "name": "rows", "version": "1.0.0", "description": "x", "seed": {"production": production},
            });
            let manifest = serde_json::from_value(manifest).unwrap();
            assert_eq!(effect(&manifest, &Map::new()), expected);
        }
    }
}

//! Whether a run may do what it is asked for: everything is planned and judged before anything has an effect.

use std::collections::BTreeSet;

use archive::layout::escape_database;
use manifest::{Kind, Parameter};
use retention::{Policy, Rules};
use serde_json::{Map, Value};

use super::plan::{PlannedStep, plan};
use super::project::Project;
use super::rollback;
use super::rules::{self, Effect};
use super::run::RunRequest;
use crate::config::Environment;
use crate::failure::Failure;

/// What is to be run, and allowed.
pub(super) struct Prepared {
    pub steps: Vec<PlannedStep>,
    /// For when a migration fails.
    pub way_back: Option<PlannedStep>,
    /// The strictest of the databases that something is done to.
    pub environment: Option<Environment>,
}

/// Plans all steps, and refuses what an environment does not allow.
pub(super) async fn prepare(project: &Project, request: &RunRequest) -> Result<Prepared, Failure> {
    let mut steps = plan(project, &request.steps, &request.overrides).await?;
    rules::check_given(request.trigger, &request.overrides, &steps)?;
    let told = tell_environments(project, &mut steps).await?;
    check_policies(&steps)?;
    tell_of_backups(project, &mut steps).await?;
    let way_back = match request.auto_restore {
        true => Some(way_back(project, &steps).await?),
        false => None,
    };
    let mut environment = told;
    for (at, step) in steps.iter().chain(&way_back).enumerate() {
        let effect = rules::effect(&step.plugin.manifest, &step.parameters);
        if effect == Effect::Harmless && !leads_to_a_migration(&steps, at) {
            continue;
        }
        for database in &step.named.databases {
            let found = rules::environment(project, database).await?;
            environment = environment.max(Some(found));
            if request.dry_run {
                continue;
            }
            let name = &project.database(database)?.settings.database;
            let is_backed_up = steps
                .iter()
                .take(at)
                .any(|before| rules::backs_up(before, database, name));
            rules::check(effect, found, name, is_backed_up, &request.consent)?;
        }
    }
    Ok(Prepared {
        steps,
        way_back,
        environment,
    })
}

/// Fills in the parameters by which plugins hear of the environment; the strictest of those told.
async fn tell_environments(
    project: &Project,
    steps: &mut [PlannedStep],
) -> Result<Option<Environment>, Failure> {
    let mut strictest = None;
    for step in steps {
        let asks = |parameter: &&Parameter| parameter.kind == Kind::Environment;
        let Some(parameter) = step.plugin.manifest.parameters.iter().find(asks) else {
            continue;
        };
        let mut found = Environment::Local;
        for database in &step.named.databases {
            found = found.max(rules::environment(project, database).await?);
        }
        step.parameters
            .insert(parameter.name.clone(), found.name().into());
        strictest = strictest.max(Some(found));
    }
    Ok(strictest)
}

/// A policy that cannot be followed is a mistake of the request, found before anything has an effect.
fn check_policies(steps: &[PlannedStep]) -> Result<(), Failure> {
    for step in steps {
        let is = |name: &str, value: &str| {
            step.parameters.get(name).and_then(Value::as_str) == Some(value)
        };
        let prunes = match step.plugin.manifest.name.as_str() {
            "prune" => true,
            "snapshot" => is("command", "prune"),
            _ => false,
        };
        if !prunes {
            continue;
        }
        let rules: Rules = serde_json::from_value(Value::Object(step.parameters.clone()))
            .map_err(|error| Failure::invalid_input(format!("reading the policy: {error}")))?;
        let named = step.parameters.get("backups").and_then(Value::as_array);
        let names_backups = named.is_some_and(|backups| !backups.is_empty());
        if names_backups && rules != Rules::default() {
            return Err(Failure::invalid_input(
                "both backups and a policy are given: one of them says what is deleted",
            )
            .hint("leave out `backups`, or all of keep_last, keep_within, keep_daily and so on"));
        }
        if !names_backups && let Err(error) = Policy::new(&rules) {
            return Err(Failure::invalid_input(error.to_string()).hint(error.hint()));
        }
    }
    Ok(())
}

/// What `prune` decides by: the name that the server has for a database, and which backups are known to restore, or to be damaged.
async fn tell_of_backups(project: &Project, steps: &mut [PlannedStep]) -> Result<(), Failure> {
    for step in steps {
        if step.plugin.manifest.name != "prune" {
            continue;
        }
        let text = |name: &str| step.parameters.get(name).and_then(Value::as_str);
        let binding = text("database").and_then(|name| project.config.databases.get(name));
        let database = binding.map(|binding| Value::from(binding.settings.database.as_str()));
        let damaged = match text("storage") {
            Some(storage) => project.log.damaged(storage)?,
            None => BTreeSet::new(),
        };
        let proven = project.proofs().await?;
        let proven = proven
            .into_iter()
            .map(|proven| format!("{}/{}", escape_database(&proven.database), proven.backup));
        step.parameters
            .extend(database.map(|database| ("database".to_owned(), database)));
        add(&mut step.parameters, "proven", proven);
        add(&mut step.parameters, "damaged", damaged);
    }
    Ok(())
}

/// Adds to a list, where there is one of that name.
fn add(parameters: &mut Map<String, Value>, list: &str, items: impl IntoIterator<Item = String>) {
    if let Some(Value::Array(list)) = parameters.get_mut(list) {
        list.extend(items.into_iter().map(Value::from));
    }
}

/// A backup before a migration: how to go back depends on the environment.
fn leads_to_a_migration(steps: &[PlannedStep], at: usize) -> bool {
    let name = |step: &PlannedStep| step.plugin.manifest.name.clone();
    let is_for_one = steps
        .iter()
        .any(|step| ["migrate", "preflight"].contains(&name(step).as_str()));
    is_for_one && steps.get(at).is_some_and(|step| name(step) == "backup")
}

/// The restore of the backup that a run takes before it migrates.
async fn way_back(project: &Project, steps: &[PlannedStep]) -> Result<PlannedStep, Failure> {
    let backup = steps
        .iter()
        .find(|step| step.plugin.manifest.name == "backup");
    let named =
        backup.and_then(|step| Some((step.named.databases.first()?, step.named.storage.first()?)));
    let (database, storage) = named.ok_or_else(|| {
        Failure::invalid_input("the job takes no backup that it could go back to")
            .hint("--auto-restore is for jobs with a backup before a migration, as `deploy`")
    })?;
    let mut planned = plan(project, &[rollback::step(database, storage)], &Map::new()).await?;
    planned
        .pop()
        .ok_or_else(|| Failure::internal("a plan of one step is empty"))
}

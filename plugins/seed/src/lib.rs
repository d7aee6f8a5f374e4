//! Writes sets of rows into a database. What a file is, and where it is meant for, is decided by the crate `seeds`; here it is written.

mod declared;
mod folder;
mod script;
mod writing;
mod written;

use orchestrator_sdk::{Error, Operation, run};
use seeds::{Environment, Set};
use serde::Deserialize;
use serde_json::{Value, json};

struct Seed;

#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    database: String,
    folder: String,
    environment: String,
    command: String,
    sets: Vec<String>,
}

impl Operation for Seed {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        let environment = Environment::named(&parameters.environment).ok_or_else(|| {
            Error::internal(format!(
                "the host says that the environment is {:?}",
                parameters.environment
            ))
        })?;
        let all = folder::read(&parameters.folder)?;
        match parameters.command.as_str() {
            "list" => Ok(listed(&all, environment)),
            "run" => {
                let chosen = chosen(&all, &parameters.sets, environment)?;
                write(&parameters, &chosen, dry_run)
            }
            other => Err(Error::invalid_input(format!(
                "the parameter command is {other:?}, not one of run, list"
            ))),
        }
    }
}

fn listed(all: &[Set], environment: Environment) -> Value {
    let sets: Vec<Value> = all
        .iter()
        .map(|set| {
            json!({
                "name": set.name,
                "description": set.description,
                "production": set.production,
                "environments": set.environments.iter().map(|environment| environment.name()).collect::<Vec<_>>(),
                "is_meant": set.is_for(environment),
            })
        })
        .collect();
    json!({ "environment": environment.name(), "sets": sets })
}

/// Those that are named, which have to be meant for the environment; else all that are.
fn chosen<'a>(
    all: &'a [Set],
    names: &[String],
    environment: Environment,
) -> Result<Vec<&'a Set>, Error> {
    if names.is_empty() {
        return Ok(all.iter().filter(|set| set.is_for(environment)).collect());
    }
    names
        .iter()
        .map(|name| {
            let set = all.iter().find(|set| set.name == *name).ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|set| set.name.as_str()).collect();
                Error::not_found(format!("there is no set of seeds named {name:?}"))
                    .hint(format!("there are: {}", known.join(", ")))
            })?;
            match set.is_for(environment) {
                true => Ok(set),
                false => Err(Error::refused(format!(
                    "the set {name} is not meant for a {} database",
                    environment.name()
                ))
                .hint("its file says where it is meant for: `-- production: true`, `-- environments: …`")),
            }
        })
        .collect()
}

fn write(parameters: &Parameters, sets: &[&Set], dry_run: bool) -> Result<Value, Error> {
    let connection = history::session::connect(&parameters.database)?;
    run::expect(0, sets.len() as u64);
    let mut written = Vec::new();
    for set in sets {
        run::phase(&format!("writing {}", set.name));
        written.push(writing::write(
            &connection,
            &parameters.folder,
            set,
            dry_run,
        )?);
    }
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    if !dry_run && !names.is_empty() {
        run::fact("change", &format!("Seeded {}", names.join(", ")))?;
    }
    let summary = written::summary(&written::totals(&written));
    run::info(&summary);
    Ok(json!({
        "database": connection.server().database,
        "environment": parameters.environment,
        "sets": written,
        "summary": summary,
    }))
}

orchestrator_sdk::export!(Seed);

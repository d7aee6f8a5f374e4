//! `orchestrator seed`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::globals::Globals;
use super::output::Output;
use super::run::{parse_parameter, run_and_report, single};
use super::{signals, table};
use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Project, RunRequest, Silent, StepRequest};
use crate::plugins::Inspection;

#[derive(Debug, Args)]
pub(super) struct SeedCommand {
    /// The sets to write, and the plugins to run, by their names [default: all sets that are meant for the environment]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The database; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The folder of seeds [default: `folder` under [seeds]]
    #[arg(long, value_name = "FOLDER")]
    seeds: Option<PathBuf>,
    /// A parameter of the plugins that are named; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter, requires = "names")]
    parameters: Vec<(String, String)>,
    /// List the sets and plugins, and where they are meant for
    #[arg(long, conflicts_with_all = ["names", "dry_run"])]
    list: bool,
    /// Write them in transactions that are rolled back, and show what would change
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn execute(
    command: SeedCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let mut config = globals.load_config()?;
    if let Some(folder) = &command.seeds {
        config.seeds = std::path::absolute(folder)
            .map_err(|error| Failure::invalid_input(format!("{}: {error}", folder.display())))?;
    }
    let plugins = plugins(&config);
    let project = globals.open(config).await?;
    let mut shared = Map::new();
    if let Some(database) = &command.database {
        shared.insert("database".to_owned(), database.as_str().into());
    }
    if command.list {
        shared.insert("command".to_owned(), "list".into());
        return list(&project, single("seed", "seed", shared), &plugins, output).await;
    }
    let mut request = single("seed", "seed", Map::new());
    request.steps = steps(&command.names, &shared, &plugins);
    request.dry_run = command.dry_run;
    request.overrides = command
        .parameters
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    run_and_report(&project, request, output).await
}

/// A plugin of the configuration that writes seeds.
struct SeedPlugin {
    name: String,
    description: String,
    production: bool,
}

/// Those of the configuration. One that cannot be read is told of when it is run.
fn plugins(config: &Config) -> Vec<SeedPlugin> {
    let mut plugins = Vec::new();
    for (name, plugin) in &config.plugins {
        let Ok(component) = std::fs::read(&plugin.file) else {
            continue;
        };
        let Ok(inspection) = Inspection::read(&component) else {
            continue;
        };
        if let Some(seed) = inspection.manifest.seed {
            plugins.push(SeedPlugin {
                name: name.to_string(),
                description: inspection.manifest.description,
                production: seed.production,
            });
        }
    }
    plugins
}

/// In the order in which they are named; sets beside each other are one step.
fn steps(
    names: &[String],
    shared: &Map<String, Value>,
    plugins: &[SeedPlugin],
) -> Vec<StepRequest> {
    let mut steps: Vec<(String, Vec<Value>)> = Vec::new();
    for name in names {
        let is_plugin = plugins.iter().any(|plugin| plugin.name == *name);
        match steps.last_mut() {
            _ if is_plugin => steps.push((name.clone(), Vec::new())),
            Some((plugin, sets)) if plugin == "seed" => sets.push(name.as_str().into()),
            _ => steps.push(("seed".to_owned(), vec![name.as_str().into()])),
        }
    }
    if steps.is_empty() {
        steps.push(("seed".to_owned(), Vec::new()));
    }
    let step = |(plugin, sets): (String, Vec<Value>)| {
        let mut parameters = shared.clone();
        if plugin == "seed" {
            parameters.insert("command".to_owned(), "run".into());
            parameters.insert("sets".to_owned(), sets.into());
        }
        StepRequest { plugin, parameters }
    };
    steps.into_iter().map(step).collect()
}

/// Looked at, and not recorded: nothing is changed.
async fn list(
    project: &Project,
    mut request: RunRequest,
    plugins: &[SeedPlugin],
    output: &Output,
) -> Result<u8, Failure> {
    request.dry_run = true;
    let outcome = jobs::run(project, request, &signals::cancellation()?, &Silent)
        .await?
        .closed()?;
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    let step = outcome.record.steps.first();
    let mut result = step
        .and_then(|step| step.result.clone())
        .unwrap_or_default();
    let is_production = result["environment"] == "production";
    result["plugins"] = plugins
        .iter()
        .map(|plugin| {
            json!({
                "name": plugin.name,
                "description": plugin.description,
                "production": plugin.production,
                "is_meant": plugin.production || !is_production,
            })
        })
        .collect();
    output.result(&result, || described(&result))?;
    Ok(exit::DONE)
}

fn described(result: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_kind = |kind: &'static str, list: &'static str| {
        let seeds = result[list].as_array().into_iter().flatten();
        seeds.map(move |seed| {
            let meant = match seed["is_meant"].as_bool() {
                Some(true) => "yes",
                _ => "no",
            };
            vec![
                text(&seed["name"]),
                kind.to_owned(),
                meant.to_owned(),
                text(&seed["description"]),
            ]
        })
    };
    let rows: Vec<Vec<String>> = of_kind("set", "sets")
        .chain(of_kind("plugin", "plugins"))
        .collect();
    if rows.is_empty() {
        return "no seeds".to_owned();
    }
    let environment = format!("FOR {}", text(&result["environment"]).to_uppercase());
    table::table(&["SEED", "", &environment, ""], &[], rows)
}

/// What became of the rows, as people know it of seeds: a heading a table, a line a row, and a summary. `None` for what is no result of a seed.
pub(super) fn told(result: &Value, is_dry_run: bool) -> Option<String> {
    let sets: Vec<(Option<&str>, &Vec<Value>)> = match result["sets"].as_array() {
        Some(sets) => sets
            .iter()
            .map(|set| Some((set["set"].as_str(), set["tables"].as_array()?)))
            .collect::<Option<_>>()?,
        None => vec![(None, result["tables"].as_array()?)],
    };
    let summary = result["summary"].as_str()?;
    let mut text = String::new();
    for (set, tables) in sets {
        for table in tables {
            let name = table["table"].as_str()?;
            match set {
                Some(set) => text.push_str(&format!("  {set}: {name}\n")),
                None => text.push_str(&format!("  {name}\n")),
            }
            for row in table["rows"].as_array().into_iter().flatten() {
                text.push_str(&format!("    {}\n", told_row(row, is_dry_run)));
            }
        }
    }
    text.push_str(&format!("  {summary}\n"));
    Some(text)
}

/// `✓ Alice Johnson (alice@example.com)`
fn told_row(row: &Value, is_dry_run: bool) -> String {
    let mark = match (row["change"].as_str(), is_dry_run) {
        (Some("unchanged"), _) => '·',
        (_, false) => '✓',
        (Some("inserted"), true) => '+',
        (_, true) => '~',
    };
    let columns: Vec<String> = row["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|column| {
            format!(
                "{} {} → {}",
                column["column"].as_str().unwrap_or_default(),
                told_value(&column["before"]),
                told_value(&column["after"])
            )
        })
        .collect();
    let name = row["row"].as_str().unwrap_or_default();
    match columns.is_empty() {
        true => format!("{mark} {name}"),
        false => format!("{mark} {name}: {}", columns.join(", ")),
    }
}

/// In quotes, and no longer than a line can bear.
fn told_value(value: &Value) -> String {
    /// Characters of a value that are shown.
    const SHOWN: usize = 60;
    let Some(text) = value.as_str() else {
        return "NULL".to_owned();
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

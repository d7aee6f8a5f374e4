//! `[jobs]`: ordered lists of steps.

use super::error::{ConfigError, Problem};
use super::interpolation::interpolate;
use super::name::Name;
use super::plugins::PluginGrant;
use super::reader::{Document, Section, problem_at};
use super::reference::{JOB_DESCRIPTION, JOB_STEPS};
use super::value::wrong_kind;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The plugins that come with the program.
pub const BUILT_IN_PLUGINS: [&str; 9] = [
    "backup",
    "mark",
    "migrate",
    "preflight",
    "prune",
    "restore",
    "seed",
    "snapshot",
    "verify",
];

/// What is taken of a database before it is migrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafetyNet {
    /// A backup, which is read back.
    Backup,
    /// A snapshot of the server by AWS RDS.
    Rds,
    /// The one and the other.
    Both,
}

impl SafetyNet {
    /// By the word of the configuration, which the reader has looked at.
    pub(super) fn named(word: &str) -> Self {
        match word {
            "rds" => Self::Rds,
            "both" => Self::Both,
            _ => Self::Backup,
        }
    }

    fn plugins(self) -> &'static [&'static str] {
        match self {
            Self::Backup => &["backup", "verify"],
            Self::Rds => &["snapshot"],
            // What RDS keeps is the quicker way back, and begins at the earlier moment.
            Self::Both => &["snapshot", "backup", "verify"],
        }
    }
}

/// Jobs that need no configuration, on the usual database and storage: the plugins of their steps.
fn built_in_jobs(net: SafetyNet) -> [(&'static str, &'static str, Vec<&'static str>); 8] {
    let guarded = |last: &[&'static str]| [&["preflight"], net.plugins(), last].concat();
    [
        ("backup", "Take a backup.", vec!["backup"]),
        ("verify", "Check the newest backup.", vec!["verify"]),
        (
            "drill",
            "Restore the newest backup beside the database, ask and compare what came back, and remove it again.",
            vec!["restore"],
        ),
        (
            "prune",
            "Delete backups that a policy no longer keeps: say which by parameters, as keep_daily.",
            vec!["prune"],
        ),
        ("migrate", "Apply what is pending.", vec!["migrate"]),
        (
            "seed",
            "Write the seeds that are meant for the environment.",
            vec!["seed"],
        ),
        (
            "pre-migrate",
            "Look whether the database is ready, and take a backup that is read back, or a snapshot.",
            guarded(&[]),
        ),
        (
            "deploy",
            "The same, and then apply what is pending.",
            guarded(&["migrate"]),
        ),
    ]
}

/// What `orchestrator run NAME` does.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What it is for.
    pub description: Option<String>,
    /// In this order; at least one.
    pub steps: Vec<Step>,
}

/// One plugin with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A built-in plugin, or one of `[plugins]`.
    pub plugin: Name,
    /// As the plugin's manifest declares them; `database` and `storage` name bindings.
    pub parameters: Map<String, Json>,
}

/// The names that steps may refer to.
pub(super) struct Bindings<'a> {
    pub(super) databases: Vec<&'a str>,
    pub(super) storage: Vec<&'a str>,
    pub(super) plugins: &'a BTreeMap<Name, PluginGrant>,
}

/// The built-in jobs, and those of the file, which come first.
pub(super) fn read(
    root: &Section<'_>,
    bindings: &Bindings<'_>,
    net: SafetyNet,
) -> Result<BTreeMap<Name, Job>, ConfigError> {
    let mut jobs = BTreeMap::new();
    for (name, description, plugins) in built_in_jobs(net) {
        let parse = |name| Name::parse(name).map_err(|problem| root.problem(problem));
        let mut steps = Vec::with_capacity(plugins.len());
        for plugin in &plugins {
            let mut parameters = Map::new();
            // Its name says what it is for.
            if ["backup", "snapshot"].contains(plugin) && plugins.contains(&"preflight") {
                parameters.insert("kind".to_owned(), Json::from("pre-migrate"));
            }
            if name == "drill" {
                parameters.insert("mode".to_owned(), Json::from("check"));
                // As `backup verify --deep`: the server that it is tried on need not know the roles of the other.
                let left_out = [
                    "no_owner",
                    "no_privileges",
                    "no_security_labels",
                    "no_tablespaces",
                ];
                parameters.extend(left_out.map(|flag| (flag.to_owned(), Json::from(true))));
            }
            steps.push(Step {
                plugin: parse(plugin)?,
                parameters,
            });
        }
        jobs.insert(
            parse(name)?,
            Job {
                description: Some(description.to_owned()),
                steps,
            },
        );
    }
    for (name, section) in root.named("jobs", "jobs")? {
        jobs.insert(name, job(&section, bindings)?);
    }
    Ok(jobs)
}

fn job(section: &Section<'_>, bindings: &Bindings<'_>) -> Result<Job, ConfigError> {
    let (place, value) = section
        .raw(&JOB_STEPS)
        .ok_or_else(|| section.missing(&JOB_STEPS))?;
    let path = format!("{}.steps", section.path);
    let at = |problem| problem_at(place.clone(), &path, problem);
    let DeValue::Array(items) = value else {
        return Err(at(wrong_kind("a list of steps", value)));
    };
    if items.is_empty() {
        return Err(at(Problem::new(
            "the list is empty",
            "write at least one step: { plugin = \"backup\" }",
        )));
    }
    let mut steps = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let place = section.document.place(item.span().start);
        let DeValue::Table(table) = item.get_ref() else {
            return Err(problem_at(
                place,
                &path,
                wrong_kind("a table { plugin = NAME, … }", item.get_ref()),
            ));
        };
        let step = step(table, section.document, bindings)
            .map_err(|problem| problem_at(place, &path, problem))?;
        steps.push(step);
    }
    Ok(Job {
        description: section.value(&JOB_DESCRIPTION)?.map(|found| found.value),
        steps,
    })
}

fn step(
    table: &DeTable<'_>,
    document: &Document<'_>,
    bindings: &Bindings<'_>,
) -> Result<Step, Problem> {
    let mut parameters = Map::new();
    for (name, value) in table {
        parameters.insert(name.get_ref().to_string(), json(value.get_ref(), document)?);
    }
    let plugin = match parameters.remove("plugin") {
        Some(Json::String(plugin)) => plugin,
        Some(_) => {
            return Err(Problem::new(
                "plugin is no text",
                "write plugin = \"backup\"",
            ));
        }
        None => {
            return Err(Problem::new(
                "plugin is missing",
                "write plugin = \"backup\"",
            ));
        }
    };
    let is_known = BUILT_IN_PLUGINS.contains(&plugin.as_str())
        || bindings.plugins.contains_key(plugin.as_str());
    if !is_known {
        let known = BUILT_IN_PLUGINS
            .into_iter()
            .chain(bindings.plugins.keys().map(Name::as_str));
        return Err(Problem::unknown("plugin", &plugin, known));
    }
    for (kind, known) in [
        ("database", &bindings.databases),
        ("storage", &bindings.storage),
    ] {
        if let Some(Json::String(name)) = parameters.get(kind)
            && !known.contains(&name.as_str())
        {
            return Err(Problem::unknown(kind, name, known.iter().copied()));
        }
    }
    Ok(Step {
        plugin: Name::parse(&plugin)?,
        parameters,
    })
}

/// A parameter of any shape; strings after `${…}`, dates and times as text.
pub(super) fn json(value: &DeValue<'_>, document: &Document<'_>) -> Result<Json, Problem> {
    Ok(match value {
        DeValue::String(text) => Json::String(interpolate(text, document.process)?),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Datetime(time) => Json::String(time.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Json::from)
            .map_err(|_| {
                Problem::new(
                    "a number is too big",
                    "write a number of 64 bits, or a text",
                )
            })?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Json::Number)
            .ok_or_else(|| Problem::new("a number is infinite or none", "write a finite number"))?,
        DeValue::Array(items) => Json::Array(
            items
                .iter()
                .map(|item| json(item.get_ref(), document))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => {
            let mut object = Map::new();
            for (name, value) in table {
                object.insert(name.get_ref().to_string(), json(value.get_ref(), document)?);
            }
            Json::Object(object)
        }
    })
}

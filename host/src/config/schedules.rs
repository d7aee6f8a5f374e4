//! `schedules/*.toml`: one schedule in each file. A file with a mistake is told of; the others are read.

use super::configuration::{Config, parse};
use super::error::{ConfigError, Place, Problem};
use super::jobs::{Job, json};
use super::name::Name;
use super::reader::{Document, Section, problem_at};
use super::reference::{
    RETRY_ATTEMPTS, RETRY_BACKOFF, RETRY_MAX_BACKOFF, SCHEDULE, SCHEDULE_CRON,
    SCHEDULE_DESCRIPTION, SCHEDULE_ENABLED, SCHEDULE_JITTER, SCHEDULE_JOB, SCHEDULE_MISSED,
    SCHEDULE_NAME, SCHEDULE_NOTIFY, SCHEDULE_OVERLAP, SCHEDULE_PARAMETERS, SCHEDULE_PING,
    SCHEDULE_PING_FILE, SCHEDULE_TIME_ZONE, SCHEDULE_TIMEOUT,
};
use super::value::wrong_kind;
use crate::database::{ProcessEnvironment, nearest};
use crate::plugins::{Inspection, builtin};
use crate::schedules::{Cron, Missed, Overlap, Ping, Retry, Schedule};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// What the folder holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedules {
    /// Those without a mistake.
    pub schedules: BTreeMap<Name, Schedule>,
    /// What is wrong with the others: one for each file, or for the folder. `ConfigError::file` says which.
    pub problems: Vec<ConfigError>,
}

impl Schedules {
    /// Reads `[schedules] folder`, with this process' variables. No folder, no schedules.
    pub fn read(config: &Config) -> Self {
        Self::read_with(config, &ProcessEnvironment::from_process())
    }

    /// The same with other variables.
    pub fn read_with(config: &Config, process: &ProcessEnvironment) -> Self {
        match files(&config.schedules) {
            Ok(files) => Self::read_files(config, &files, process),
            Err(problem) => Self {
                schedules: BTreeMap::new(),
                problems: vec![problem],
            },
        }
    }

    /// A schedule by its name; where its file has a mistake, that is what is told.
    pub fn find(&self, name: &str) -> Result<&Schedule, ConfigError> {
        if let Some(schedule) = self.schedules.get(name) {
            return Ok(schedule);
        }
        let of_file = |problem: &&ConfigError| {
            let stem = problem.file().and_then(Path::file_stem);
            stem.is_some_and(|stem| stem == name)
        };
        if let Some(problem) = self.problems.iter().find(of_file) {
            return Err(problem.clone());
        }
        let problem = Problem::unknown("schedule", name, self.schedules.keys().map(Name::as_str));
        Err(ConfigError::new(None, problem.message, problem.hint))
    }

    /// Reads these files. Of two schedules with one name the first stays.
    pub fn read_files(config: &Config, files: &[PathBuf], process: &ProcessEnvironment) -> Self {
        let mut all = Self::default();
        for file in files {
            match read_file(config, file, process) {
                Ok((schedule, place)) => all.add(schedule, place),
                Err(problem) => all.problems.push(problem),
            }
        }
        all
    }

    fn add(&mut self, schedule: Schedule, place: Option<Place>) {
        match self.schedules.get(&schedule.name) {
            Some(other) => self.problems.push(ConfigError::new(
                place.or(Some(Place::File(schedule.file.clone()))),
                format!(
                    "name: {} is another schedule already, in {}",
                    schedule.name,
                    other.file.display()
                ),
                "give one of the two another name",
            )),
            None => {
                self.schedules.insert(schedule.name.clone(), schedule);
            }
        }
    }
}

/// In the order of their names. What begins with a dot is not for us, as what Kubernetes and editors leave.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |error: std::io::Error| {
        ConfigError::new(
            Some(Place::File(folder.to_path_buf())),
            format!("reading the folder of schedules: {error}"),
            "check [schedules] folder, and that this user may read it",
        )
    };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|end| end == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The schedule, and where its name is given.
fn read_file(
    config: &Config,
    file: &Path,
    process: &ProcessEnvironment,
) -> Result<(Schedule, Option<Place>), ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        ConfigError::new(
            Some(Place::File(file.to_path_buf())),
            format!("reading the schedule: {error}"),
            "check that this user may read it, and that it is text",
        )
    })?;
    let document = Document {
        file: Some(file),
        text: &text,
        folder: &config.folder,
        working_folder: &config.folder,
        process,
    };
    let table = parse(&document)?;
    let root = document.root_of(table.get_ref(), SCHEDULE)?;
    // A mistake without a line of its own (a key is missing) is still one of this file.
    let schedule = schedule(&root, config, file).map_err(|mut problem| {
        problem.place = problem.place.or(Some(Place::File(file.to_path_buf())));
        problem
    })?;
    Ok((
        schedule,
        root.raw(&SCHEDULE_NAME).and_then(|(place, _)| place),
    ))
}

fn schedule(root: &Section<'_>, config: &Config, file: &Path) -> Result<Schedule, ConfigError> {
    let name = match root.value::<String>(&SCHEDULE_NAME)? {
        Some(found) => found.try_map(|name| Name::parse(&name))?,
        None => name_of(file)?,
    };
    let cron = root.required::<String>(&SCHEDULE_CRON)?.try_map(|text| {
        Cron::parse(&text).map_err(|error| Problem::new(error.message, error.hint))
    })?;
    let time_zone = root
        .required::<String>(&SCHEDULE_TIME_ZONE)?
        .try_map(|name| time_zone(&name))?;
    let (job_name, job) = root.required::<String>(&SCHEDULE_JOB)?.try_map(|name| {
        let known = || config.jobs.keys().map(Name::as_str);
        let job = config.jobs.get_key_value(name.as_str());
        job.ok_or_else(|| Problem::unknown("job", &name, known()))
    })?;
    let notify = match root.value::<Vec<String>>(&SCHEDULE_NOTIFY)? {
        Some(found) => {
            let known = |name: &String| {
                let target = config.notify.get_key_value(name.as_str());
                target.map(|(name, _)| name.clone()).ok_or_else(|| {
                    Problem::unknown(
                        "notify target",
                        name,
                        config.notify.keys().map(Name::as_str),
                    )
                })
            };
            found.try_map(|names| names.iter().map(known).collect())?
        }
        None => Vec::new(),
    };
    let duration = |key| -> Result<Option<Duration>, ConfigError> {
        Ok(root.value::<Duration>(key)?.map(|found| found.value))
    };
    let is = |key, word: &str| -> Result<bool, ConfigError> {
        Ok(root.required::<String>(key)?.value == word)
    };
    Ok(Schedule {
        name,
        file: file.to_path_buf(),
        description: root.value(&SCHEDULE_DESCRIPTION)?.map(|found| found.value),
        enabled: root.required(&SCHEDULE_ENABLED)?.value,
        cron,
        time_zone,
        job: job_name.clone(),
        parameters: parameters(root, job_name, job)?,
        jitter: duration(&SCHEDULE_JITTER)?.unwrap_or_default(),
        timeout: duration(&SCHEDULE_TIMEOUT)?,
        retry: retry(root)?,
        overlap: match is(&SCHEDULE_OVERLAP, Overlap::Queue.as_str())? {
            true => Overlap::Queue,
            false => Overlap::Skip,
        },
        missed: match is(&SCHEDULE_MISSED, Missed::Skip.as_str())? {
            true => Missed::Skip,
            false => Missed::Once,
        },
        notify,
        ping: ping(root)?,
    })
}

fn name_of(file: &Path) -> Result<Name, ConfigError> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    Name::parse(&stem).map_err(|problem| {
        ConfigError::new(
            Some(Place::File(file.to_path_buf())),
            format!("the file's name: {}", problem.message),
            format!("write name = …, or rename the file: {}", problem.hint),
        )
    })
}

fn time_zone(name: &str) -> Result<TimeZone, Problem> {
    let found = TimeZone::get(name).ok();
    let zone = found.filter(|zone| !zone.is_unknown() && zone.iana_name().is_some());
    zone.ok_or_else(|| {
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => {
                "write a name of IANA's database: Europe/Berlin, Africa/Nairobi, UTC".to_owned()
            }
        };
        Problem::new(format!("unknown time zone {name:?}"), hint)
    })
}

fn parameters(
    root: &Section<'_>,
    name: &Name,
    job: &Job,
) -> Result<Map<String, Json>, ConfigError> {
    let Some((place, value)) = root.raw(&SCHEDULE_PARAMETERS) else {
        return Ok(Map::new());
    };
    let path = SCHEDULE_PARAMETERS.name();
    let DeValue::Table(table) = value else {
        return Err(problem_at(place, path, wrong_kind("a table", value)));
    };
    let known = known_parameters(job);
    let mut parameters = Map::new();
    for (key, value) in table {
        let key_name = key.get_ref().as_ref();
        let at = |problem| {
            let place = root.document.place(key.span().start);
            problem_at(place, &format!("{path}.{key_name}"), problem)
        };
        if let Some(known) = &known
            && !known.contains(key_name)
        {
            let what = format!("parameter of the job {name}:");
            let known = known.iter().map(String::as_str);
            return Err(at(Problem::unknown(&what, key_name, known)));
        }
        let value = json(value.get_ref(), root.document).map_err(at)?;
        parameters.insert(key_name.to_owned(), value);
    }
    Ok(parameters)
}

/// What the steps' plugins take. None where one of them is not built in: its manifest is in a file that the step reads when it runs.
fn known_parameters(job: &Job) -> Option<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for step in &job.steps {
        let plugin = builtin::find(step.plugin.as_str())?;
        let manifest = Inspection::read(plugin.component).ok()?.manifest;
        known.extend(
            manifest
                .parameters
                .into_iter()
                .map(|parameter| parameter.name),
        );
    }
    Some(known)
}

fn retry(root: &Section<'_>) -> Result<Retry, ConfigError> {
    let section = root.section("retry", "<schedule>.retry")?;
    let waits = section.gives(&RETRY_BACKOFF) || section.gives(&RETRY_MAX_BACKOFF);
    if waits && !section.gives(&RETRY_ATTEMPTS) {
        return Err(section.missing(&RETRY_ATTEMPTS));
    }
    let attempts = section.required(&RETRY_ATTEMPTS)?.value;
    let backoff: Duration = section.required(&RETRY_BACKOFF)?.value;
    let longest = section.required::<Duration>(&RETRY_MAX_BACKOFF)?;
    if longest.value < backoff && section.gives(&RETRY_MAX_BACKOFF) {
        return Err(longest.problem(Problem::new(
            "it is shorter than backoff",
            "the wait grows from backoff to max_backoff",
        )));
    }
    Ok(Retry {
        attempts,
        backoff,
        max_backoff: longest.value.max(backoff),
    })
}

/// Never quoted: whoever knows the address can keep the switch quiet.
fn ping(root: &Section<'_>) -> Result<Option<Ping>, ConfigError> {
    let Some(found) = root.text_or_file(&SCHEDULE_PING, &SCHEDULE_PING_FILE)? else {
        return Ok(None);
    };
    let ping = found.try_map(|text| {
        Ping::parse(&text).map_err(|problem| {
            Problem::new(
                problem,
                "write the address that the service gave you: https://…",
            )
        })
    })?;
    Ok(Some(ping))
}

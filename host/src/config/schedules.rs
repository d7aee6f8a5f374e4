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
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// What the folder holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedules {
    /// Those without a mistake.
    pub schedules: BTreeMap<Name, Schedule>,
    /// Each mistake in the others, or what is wrong with the folder. `ConfigError::file` says where.
    pub problems: Vec<ConfigError>,
    /// What was read, with or without a mistake: the files of the folder, and those that `*_file` keys name.
    pub files: Vec<PathBuf>,
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
                problems: vec![problem],
                ..Self::default()
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
            all.files.push(file.clone());
            match read_file(config, file, process, &mut all.files) {
                Ok((schedule, place)) => all.add(schedule, place),
                Err(mut mistakes) => all.problems.append(&mut mistakes),
            }
        }
        all
    }

    fn add(&mut self, schedule: Schedule, place: Option<Place>) {
        match self.schedules.get(&schedule.name) {
            Some(other) => {
                let problem = ConfigError::new(
                    place.or(Some(Place::File(schedule.file.clone()))),
                    format!(
                        "name: {} is another schedule already, in {}",
                        schedule.name,
                        other.file.display()
                    ),
                    "give one of the two another name",
                );
                self.problems.push(problem.about(SCHEDULE_NAME.name()));
            }
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

/// What is wrong with a file so far. A value with a mistake is none, and the reading goes on.
#[derive(Default)]
struct Mistakes(Vec<ConfigError>);

impl Mistakes {
    /// The value, or one mistake more.
    fn sift<T>(&mut self, read: Result<T, ConfigError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.0.push(mistake);
                None
            }
        }
    }

    /// In the order of the file. A mistake without a line of its own (a key is missing) is still one of this file, and comes first.
    fn of_file(self, file: &Path) -> Vec<ConfigError> {
        let mut mistakes = self.0;
        for mistake in &mut mistakes {
            let place = mistake.place.take();
            mistake.place = place.or(Some(Place::File(file.to_path_buf())));
        }
        mistakes.sort_by_key(|mistake| match &mistake.place {
            Some(Place::Line(_, line)) => *line,
            _ => 0,
        });
        mistakes
    }
}

/// The schedule, and where its name is given; or every mistake.
fn read_file(
    config: &Config,
    file: &Path,
    process: &ProcessEnvironment,
    files: &mut Vec<PathBuf>,
) -> Result<(Schedule, Option<Place>), Vec<ConfigError>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![ConfigError::new(
            Some(Place::File(file.to_path_buf())),
            format!("reading the schedule: {error}"),
            "check that this user may read it, and that it is text",
        )]
    })?;
    let document = Document {
        file: Some(file),
        text: &text,
        folder: &config.folder,
        working_folder: &config.folder,
        process,
        files: RefCell::default(),
    };
    let table = parse(&document).map_err(|problem| vec![problem])?;
    let root = document.unchecked(table.get_ref());
    let mut mistakes = Mistakes::default();
    let schedule = schedule(&root, config, file, &mut mistakes);
    files.append(&mut document.files.borrow_mut());
    let place = root.raw(&SCHEDULE_NAME).and_then(|(place, _)| place);
    match schedule {
        Some(schedule) if mistakes.0.is_empty() => Ok((schedule, place)),
        _ => Err(mistakes.of_file(file)),
    }
}

/// None only where there is a mistake.
fn schedule(
    root: &Section<'_>,
    config: &Config,
    file: &Path,
    mistakes: &mut Mistakes,
) -> Option<Schedule> {
    mistakes.0.append(&mut root.strangers(SCHEDULE));
    let name = mistakes.sift(name(root, file));
    let cron = mistakes.sift(cron(root));
    let zone = mistakes.sift(zone(root));
    let job = mistakes.sift(job(root, config));
    let parameters = parameters(root, job, mistakes);
    let notify = notify(root, config, mistakes);
    let description = mistakes.sift(root.value(&SCHEDULE_DESCRIPTION));
    let enabled = mistakes.sift(root.required(&SCHEDULE_ENABLED));
    let jitter = mistakes.sift(root.value(&SCHEDULE_JITTER));
    let timeout = mistakes.sift(root.value(&SCHEDULE_TIMEOUT));
    let retry = retry(root, mistakes);
    let overlap = mistakes.sift(root.required::<String>(&SCHEDULE_OVERLAP));
    let missed = mistakes.sift(root.required::<String>(&SCHEDULE_MISSED));
    let ping = mistakes.sift(ping(root));
    Some(Schedule {
        name: name?,
        file: file.to_path_buf(),
        description: description?.map(|found| found.value),
        enabled: enabled?.value,
        cron: cron?,
        time_zone: zone?,
        job: job?.0.clone(),
        parameters,
        jitter: jitter?.map(|found| found.value).unwrap_or_default(),
        timeout: timeout?.map(|found| found.value),
        retry: retry?,
        overlap: match overlap?.value == Overlap::Queue.as_str() {
            true => Overlap::Queue,
            false => Overlap::Skip,
        },
        missed: match missed?.value == Missed::Skip.as_str() {
            true => Missed::Skip,
            false => Missed::Once,
        },
        notify,
        ping: ping?,
    })
}

fn name(root: &Section<'_>, file: &Path) -> Result<Name, ConfigError> {
    if let Some(found) = root.value::<String>(&SCHEDULE_NAME)? {
        return found.try_map(|name| Name::parse(&name));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    Name::parse(&stem).map_err(|problem| {
        let problem = ConfigError::new(
            Some(Place::File(file.to_path_buf())),
            format!("the file's name: {}", problem.message),
            format!("write name = …, or rename the file: {}", problem.hint),
        );
        problem.about(SCHEDULE_NAME.name())
    })
}

fn cron(root: &Section<'_>) -> Result<Cron, ConfigError> {
    root.required::<String>(&SCHEDULE_CRON)?
        .try_map(|text| Cron::parse(&text).map_err(|error| Problem::new(error.message, error.hint)))
}

fn zone(root: &Section<'_>) -> Result<TimeZone, ConfigError> {
    root.required::<String>(&SCHEDULE_TIME_ZONE)?
        .try_map(|name| time_zone(&name))
}

fn job<'a>(root: &Section<'_>, config: &'a Config) -> Result<(&'a Name, &'a Job), ConfigError> {
    root.required::<String>(&SCHEDULE_JOB)?.try_map(|name| {
        let known = || config.jobs.keys().map(Name::as_str);
        let job = config.jobs.get_key_value(name.as_str());
        job.ok_or_else(|| Problem::unknown("job", &name, known()))
    })
}

/// Those that are known.
fn notify(root: &Section<'_>, config: &Config, mistakes: &mut Mistakes) -> Vec<Name> {
    let Some(Some(found)) = mistakes.sift(root.value::<Vec<String>>(&SCHEDULE_NOTIFY)) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for name in &found.value {
        match config.notify.get_key_value(name.as_str()) {
            Some((name, _)) => names.push(name.clone()),
            None => {
                let known = config.notify.keys().map(Name::as_str);
                let problem = Problem::unknown("notify target", name, known);
                mistakes.0.push(found.problem(problem));
            }
        }
    }
    names
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

/// Those without a mistake. Of an unknown job it is not known what it takes.
fn parameters(
    root: &Section<'_>,
    job: Option<(&Name, &Job)>,
    mistakes: &mut Mistakes,
) -> Map<String, Json> {
    let mut parameters = Map::new();
    let Some((place, value)) = root.raw(&SCHEDULE_PARAMETERS) else {
        return parameters;
    };
    let path = SCHEDULE_PARAMETERS.name();
    let DeValue::Table(table) = value else {
        let problem = problem_at(place, path, wrong_kind("a table", value));
        mistakes.0.push(problem);
        return parameters;
    };
    let known = job.and_then(|(name, job)| Some((name, known_parameters(job)?)));
    for (key, value) in table {
        let key_name = key.get_ref().as_ref();
        let at = |problem| {
            let place = root.document.place(key.span().start);
            problem_at(place, &format!("{path}.{key_name}"), problem)
        };
        if let Some((name, known)) = &known
            && !known.contains(key_name)
        {
            let what = format!("parameter of the job {name}:");
            let known = known.iter().map(String::as_str);
            mistakes
                .0
                .push(at(Problem::unknown(&what, key_name, known)));
            continue;
        }
        let value = json(value.get_ref(), root.document).map_err(at);
        if let Some(value) = mistakes.sift(value) {
            parameters.insert(key_name.to_owned(), value);
        }
    }
    parameters
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

fn retry(root: &Section<'_>, mistakes: &mut Mistakes) -> Option<Retry> {
    let section = mistakes.sift(root.unchecked("retry"))?;
    mistakes
        .0
        .append(&mut section.strangers("<schedule>.retry"));
    let waits = section.gives(&RETRY_BACKOFF) || section.gives(&RETRY_MAX_BACKOFF);
    if waits && !section.gives(&RETRY_ATTEMPTS) {
        mistakes.0.push(section.missing(&RETRY_ATTEMPTS));
    }
    let attempts = mistakes.sift(section.required::<u32>(&RETRY_ATTEMPTS));
    let backoff = mistakes.sift(section.required::<Duration>(&RETRY_BACKOFF));
    let longest = mistakes.sift(section.required::<Duration>(&RETRY_MAX_BACKOFF));
    let (attempts, backoff, longest) = (attempts?.value, backoff?.value, longest?);
    if longest.value < backoff && section.gives(&RETRY_MAX_BACKOFF) {
        mistakes.0.push(longest.problem(Problem::new(
            "it is shorter than backoff",
            "the wait grows from backoff to max_backoff",
        )));
    }
    Some(Retry {
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

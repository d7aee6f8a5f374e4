//! Tables of the file with their line numbers: known names, values after variables and defaults.

use super::error::{ConfigError, Place, Problem};
use super::name::Name;
use super::reference::{Key, Kind, names_in};
use super::value::{Value, wrong_kind};
use crate::database::ProcessEnvironment;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file that is being read, and what its values refer to.
pub(super) struct Document<'a> {
    /// As the user named it, for messages; absent when there is no file.
    pub(super) file: Option<&'a Path>,
    /// The file's text, empty when there is none.
    pub(super) text: &'a str,
    /// Relative paths of the file start here.
    pub(super) folder: &'a Path,
    /// Relative paths of variables start here.
    pub(super) working_folder: &'a Path,
    pub(super) process: &'a ProcessEnvironment,
    /// Further files that values were read from so far.
    pub(super) files: RefCell<Vec<PathBuf>>,
}

/// One table of the file, or its absence, where variables and defaults still count.
pub(super) struct Section<'a> {
    pub(super) document: &'a Document<'a>,
    /// `databases.app`; empty for the whole file.
    pub(super) path: String,
    table: Option<&'a DeTable<'a>>,
    place: Option<Place>,
}

/// A value and where it is from, for messages about it.
pub(super) struct Found<T> {
    pub(super) value: T,
    place: Option<Place>,
    path: String,
}

impl<'a> Document<'a> {
    /// The whole file. The names directly in it are checked.
    pub(super) fn root(&'a self, table: &'a DeTable<'a>) -> Result<Section<'a>, ConfigError> {
        let root = self.unchecked(table);
        root.check_names("")?;
        Ok(root)
    }

    /// The whole file, where it is another than the configuration's. `strangers` checks the names in it.
    pub(super) fn unchecked(&'a self, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            document: self,
            path: String::new(),
            table: Some(table),
            place: None,
        }
    }

    /// The place of a part of the text.
    pub(super) fn place(&self, start: usize) -> Option<Place> {
        let line = self
            .text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        self.file.map(|file| Place::Line(file.to_path_buf(), line))
    }
}

impl<'a> Section<'a> {
    /// A table below this one; `known` is the table of the reference whose names it may hold.
    pub(super) fn section(&self, name: &str, known: &str) -> Result<Section<'a>, ConfigError> {
        let section = self.unchecked(name)?;
        section.check_names(known)?;
        Ok(section)
    }

    /// A table below this one. `strangers` checks the names in it.
    pub(super) fn unchecked(&self, name: &str) -> Result<Section<'a>, ConfigError> {
        let path = self.path_of(name);
        let Some((place, value)) = self.entry(name) else {
            return Ok(Section {
                document: self.document,
                path,
                table: None,
                place: self.place.clone(),
            });
        };
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| {
            problem_at(place.clone(), &path, wrong_kind("a table", value.get_ref()))
        })?;
        Ok(Section {
            document: self.document,
            path,
            table: Some(table),
            place,
        })
    }

    /// The tables of the user's choice below a table: `[databases.app]`, `[databases.other]`.
    pub(super) fn named(
        &self,
        name: &str,
        known: &str,
    ) -> Result<Vec<(Name, Section<'a>)>, ConfigError> {
        let parent = self.section(name, known)?;
        let known = format!("{known}.<name>");
        let mut sections = Vec::new();
        for child in parent.names() {
            let section = parent.section(child, &known)?;
            let name = Name::parse(child).map_err(|problem| section.problem(problem))?;
            sections.push((name, section));
        }
        Ok(sections)
    }

    /// The values of the user's choice of names below a table: `tables = { "User" = ["select"] }`. `key` says what each of them is.
    pub(super) fn values<T: Value>(
        &self,
        name: &str,
        key: &Key,
    ) -> Result<Vec<(&'a str, Found<T>)>, ConfigError> {
        let known = key.path.rsplit_once('.').map_or("", |(table, _)| table);
        let parent = self.section(name, known)?;
        let mut values = Vec::new();
        for name in parent.names() {
            let path = parent.path_of(name);
            if let Some((place, value)) = parent.entry(name) {
                match T::from_toml(value.get_ref(), key, self.document) {
                    Ok(value) => values.push((name, Found { value, place, path })),
                    Err(problem) => return Err(problem_at(place, &path, problem)),
                }
            }
        }
        Ok(values)
    }

    /// Whether the file gives this key here.
    pub(super) fn gives(&self, key: &Key) -> bool {
        self.has(key.name())
    }

    /// Whether the file has this name here.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The value of a key: from its variable, the file after `${…}`, or the reference's default.
    pub(super) fn value<T: Value>(&self, key: &Key) -> Result<Option<Found<T>>, ConfigError> {
        let path = self.path_of(key.name());
        if let Some(found) = self.in_variable(key)? {
            return Ok(Some(found));
        }
        if let Some((place, value)) = self.entry(key.name()) {
            return match T::from_toml(value.get_ref(), key, self.document) {
                Ok(value) => Ok(Some(Found { value, place, path })),
                Err(problem) => Err(problem_at(place, &path, problem)),
            };
        }
        let Some(default) = key.default else {
            return Ok(None);
        };
        match T::from_text(default, key, self.document.folder) {
            Ok(value) => Ok(Some(Found {
                value,
                place: None,
                path,
            })),
            Err(problem) => Err(problem_at(None, &path, problem)),
        }
    }

    /// The value of a key that has a default, or must be there.
    pub(super) fn required<T: Value>(&self, key: &Key) -> Result<Found<T>, ConfigError> {
        self.value(key)?.ok_or_else(|| self.missing(key))
    }

    /// A text, path or secret; or the content of the file that the second key names, without the line break at its end.
    pub(super) fn text_or_file(
        &self,
        key: &Key,
        file_key: &Key,
    ) -> Result<Option<Found<String>>, ConfigError> {
        let Some(file) = self.value::<PathBuf>(file_key)? else {
            return self.value(key);
        };
        if self.gives(key) {
            let problem = Problem::new(
                format!("{} is given too", key.name()),
                "keep one of the two",
            );
            return Err(file.problem(problem));
        }
        let path = &file.value;
        self.document.files.borrow_mut().push(path.clone());
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => Err(file.problem(Problem::new(
                format!("the file {} is empty", path.display()),
                "write the value into it",
            ))),
            Ok(text) => {
                let value = text.trim_end_matches(['\n', '\r']).to_owned();
                Ok(Some(Found {
                    value,
                    place: file.place,
                    path: file.path,
                }))
            }
            Err(error) => Err(file.problem(Problem::new(
                format!("reading {}: {error}", path.display()),
                "check the path, and that this user may read it",
            ))),
        }
    }

    /// The raw value of a key, for lists of tables.
    pub(super) fn raw(&self, key: &Key) -> Option<(Option<Place>, &'a DeValue<'a>)> {
        self.entry(key.name())
            .map(|(place, value)| (place, value.get_ref()))
    }

    /// Complains about this table as a whole.
    pub(super) fn problem(&self, problem: Problem) -> ConfigError {
        problem_at(self.place.clone(), &self.path, problem)
    }

    /// Complains that a key is missing.
    pub(super) fn missing(&self, key: &Key) -> ConfigError {
        let hint = match key.kind {
            Kind::OneOf(words) => format!("write one of {}", words.join(", ")),
            kind => format!("write {} = …: {kind}", key.name()),
        };
        self.problem(Problem::new(format!("{} is missing", key.name()), hint))
            .about(self.path_of(key.name()))
    }

    fn in_variable<T: Value>(&self, key: &Key) -> Result<Option<Found<T>>, ConfigError> {
        let path = self.path_of(key.name());
        // The limits of one plugin have the keys of [limits], but not their variables.
        let Some(name) = key.variable().filter(|_| path == key.path) else {
            return Ok(None);
        };
        let Some(text) = self.document.process.variable(&name) else {
            return Ok(None);
        };
        let place = Some(Place::Variable(name));
        match T::from_text(text, key, self.document.working_folder) {
            Ok(value) => Ok(Some(Found { value, place, path })),
            Err(problem) => Err(problem_at(place, &path, problem)),
        }
    }

    fn names(&self) -> Vec<&'a str> {
        self.table
            .iter()
            .flat_map(|table| table.keys())
            .map(|name| name.get_ref().as_ref())
            .collect()
    }

    fn entry(&self, name: &str) -> Option<(Option<Place>, &'a Spanned<DeValue<'a>>)> {
        let (key, value) = self.table?.iter().find(|(key, _)| key.get_ref() == name)?;
        Some((self.document.place(key.span().start), value))
    }

    /// Complains about each name in this table that is none of the reference's table `known`.
    pub(super) fn strangers(&self, known: &str) -> Vec<ConfigError> {
        let Some(known) = names_in(known) else {
            return Vec::new();
        };
        let what = match self.path.as_str() {
            "" => "key".to_owned(),
            path => format!("key in [{path}]:"),
        };
        let names = self.table.into_iter().flat_map(|table| table.keys());
        let strange = names.filter(|name| !known.contains(&name.get_ref().as_ref()));
        let complain = |name: &Spanned<std::borrow::Cow<'_, str>>| {
            let problem = Problem::unknown(&what, name.get_ref(), known.iter().copied());
            let place = self.document.place(name.span().start);
            ConfigError::new(place, problem.message, problem.hint)
                .about(self.path_of(name.get_ref()))
        };
        strange.map(complain).collect()
    }

    fn check_names(&self, known: &str) -> Result<(), ConfigError> {
        self.strangers(known).into_iter().next().map_or(Ok(()), Err)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl<T> Found<T> {
    /// Complains about this value.
    pub(super) fn problem(&self, problem: Problem) -> ConfigError {
        problem_at(self.place.clone(), &self.path, problem)
    }

    /// Turns the value into another, or complains about it.
    pub(super) fn try_map<U>(
        self,
        turn: impl FnOnce(T) -> Result<U, Problem>,
    ) -> Result<U, ConfigError> {
        let Self { value, place, path } = self;
        turn(value).map_err(|problem| problem_at(place, &path, problem))
    }
}

/// Complains about the value at a path of keys.
pub(super) fn problem_at(place: Option<Place>, path: &str, problem: Problem) -> ConfigError {
    if path.is_empty() {
        return ConfigError::new(place, problem.message, problem.hint);
    }
    ConfigError::new(place, format!("{path}: {}", problem.message), problem.hint).about(path)
}

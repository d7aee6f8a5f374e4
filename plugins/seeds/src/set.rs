//! One file of seeds.

use sql::{Kind, Statement, Strings, kind, statements};

use crate::Environment;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A script. Comments at its top say what it is for: `-- production: true`.
    Sql,
}

/// A file: rows that belong together, written in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The file's name without its ending, and without digits that only order it: `users` of `10_users.sql`.
    pub name: String,
    /// In a line.
    pub description: Option<String>,
    /// Whether it is meant for production too: never without being said.
    pub production: bool,
    /// Where it is meant for; empty for everywhere (but production, see there).
    pub environments: Vec<Environment>,
    /// What is run.
    pub script: String,
}

/// A file that is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SetError {
    /// Below the folder of seeds.
    pub path: String,
    /// What is wrong, and where.
    pub problem: String,
}

impl Format {
    /// By the ending of a file's name; `None` for what is no seed.
    pub fn of(path: &str) -> Option<Self> {
        path.ends_with(".sql").then_some(Self::Sql)
    }
}

impl Set {
    /// Reads a file.
    pub fn read(path: &str, text: String) -> Result<Self, SetError> {
        let failed = |problem: String| SetError {
            path: path.to_owned(),
            problem,
        };
        let mut set = Self {
            name: name_of(path).to_owned(),
            description: None,
            production: false,
            environments: Vec::new(),
            script: text,
        };
        let notes: Vec<(String, String)> = notes(&set.script).collect();
        for (name, value) in notes {
            match name.as_str() {
                "description" => set.description = Some(value),
                "production" => {
                    set.production = value.parse().map_err(|_| {
                        failed(format!("production is {value:?}, not true or false"))
                    })?;
                }
                "environments" => {
                    for name in value.split(',').map(str::trim) {
                        let environment = Environment::named(name).ok_or_else(|| {
                            failed(format!(
                                "the environment {name:?} is not one of local, staging, production"
                            ))
                        })?;
                        set.environments.push(environment);
                    }
                }
                _ => {}
            }
        }
        if set.environments.contains(&Environment::Production) && !set.production {
            return Err(failed(
                "it is meant for production, and does not say production: true".to_owned(),
            ));
        }
        set.statements().map_err(failed)?;
        Ok(set)
    }

    /// Whether it is meant for an environment.
    pub fn is_for(&self, environment: Environment) -> bool {
        let is_named = self.environments.is_empty() || self.environments.contains(&environment);
        is_named && (environment < Environment::Production || self.production)
    }

    /// What is run, in its order, in one transaction.
    pub fn statements(&self) -> Result<Vec<Statement<'_>>, String> {
        let statements =
            statements(&self.script, Strings::Standard).map_err(|error| error.to_string())?;
        for statement in &statements {
            let (Kind::Alone(what) | Kind::TransactionControl(what)) = kind(statement.text) else {
                continue;
            };
            return Err(format!(
                "line {}: {what} cannot be in the transaction that a set of seeds is",
                statement.line
            ));
        }
        Ok(statements)
    }
}

/// `name: value` in the comments before the first statement.
fn notes(script: &str) -> impl Iterator<Item = (String, String)> {
    script
        .lines()
        .map_while(|line| match line.trim() {
            "" => Some(""),
            line => line.strip_prefix("--"),
        })
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
}

/// `users` of `demo/10_users.sql`.
fn name_of(path: &str) -> &str {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let rest = stem.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(['_', '-']) {
        Some(name) if rest.len() < stem.len() && !name.is_empty() => name,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_where_a_script_is_meant_for() {
        let text = "-- description: Plans and prices.\n\n-- production: true\n-- environments: staging, production\n\
                    INSERT INTO t VALUES (1);\n-- production: false\n";
        let set = Set::read("10_plans.sql", text.to_owned()).expect("a set");
        assert_eq!(set.name, "plans");
        assert_eq!(set.description.as_deref(), Some("Plans and prices."));
        assert!(set.is_for(Environment::Production) && set.is_for(Environment::Staging));
        assert!(!set.is_for(Environment::Local));
        let plain = Set::read("a.sql", "SELECT 1;".to_owned()).expect("a set");
        assert!(plain.is_for(Environment::Local) && plain.is_for(Environment::Staging));
        assert!(!plain.is_for(Environment::Production));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, expected) in [
            ("-- production: yes\n", "not true or false"),
            ("-- environments: prod\n", "not one of local"),
            (
                "-- environments: production\n",
                "does not say production: true",
            ),
            ("SELECT 1;\nCOMMIT;", "line 2: COMMIT cannot"),
            ("VACUUM;", "line 1: VACUUM cannot"),
            ("\\i other.sql", "line 1: \\i"),
            ("SELECT 'x", "line 1: a string"),
        ] {
            let error = Set::read("a.sql", text.to_owned())
                .expect_err(text)
                .to_string();
            assert!(
                error.contains(expected) && error.starts_with("a.sql: "),
                "{error}"
            );
        }
    }

    #[test]
    fn names_lose_what_only_orders_them() {
        for (path, name) in [
            ("10_users.sql", "users"),
            ("demo/User.sql", "User"),
            ("2026.sql", "2026"),
            ("3d-models.sql", "3d-models"),
        ] {
            assert_eq!(name_of(path), name);
        }
    }
}

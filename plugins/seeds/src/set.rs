//! One file of seeds.

use sql::{Kind, Statement, Strings, kind, statements};

use crate::Environment;
use crate::declared::{Declared, Table};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A script. Comments at its top say what it is for: `-- production: true`.
    Sql,
    /// Declared rows, as in the other two.
    Toml,
    /// Declared rows.
    Json,
    /// Declared rows.
    Yaml,
    /// Rows and nothing else, CSV or NDJSON: of the table that the file is named after, and never for production.
    Rows,
}

/// A file: rows that belong together, written in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The file, below the folder of seeds.
    pub path: String,
    /// The file's name without its ending, and without digits that only order it: `users` of `10_users.sql`.
    pub name: String,
    /// In a line.
    pub description: Option<String>,
    /// Whether it is meant for production too: never without being said.
    pub production: bool,
    /// Where it is meant for; empty for everywhere (but production, see there).
    pub environments: Vec<Environment>,
    /// What is written.
    pub content: Content,
}

/// What a set writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// What a script does.
    Script(String),
    /// Declared rows.
    Tables(Vec<Table>),
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
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "sql" => Some(Self::Sql),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "csv" | "ndjson" | "jsonl" => Some(Self::Rows),
            _ => None,
        }
    }
}

impl Set {
    /// Reads a file.
    pub fn read(path: &str, format: Format, text: String) -> Result<Self, SetError> {
        let failed = |problem: String| SetError {
            path: path.to_owned(),
            problem,
        };
        let set = match format {
            Format::Rows => Ok(Self::of_rows(path)),
            Format::Sql => script(path, text),
            Format::Toml => toml::from_str(&text)
                .map_err(|error| error.to_string())
                .and_then(|file| declared(path, file)),
            Format::Json => serde_json::from_str(&text)
                .map_err(|error| error.to_string())
                .and_then(|file| declared(path, file)),
            Format::Yaml => serde_saphyr::from_str(&text)
                .map_err(|error| error.to_string())
                .and_then(|file| declared(path, file)),
        }
        .map_err(failed)?;
        if set.environments.contains(&Environment::Production) && !set.production {
            return Err(failed(
                "it is meant for production, and does not say production: true".to_owned(),
            ));
        }
        Ok(set)
    }

    /// A file of rows: its name is the table's.
    pub fn of_rows(path: &str) -> Self {
        let table = Table {
            table: name_of(path).to_owned(),
            key: None,
            label: None,
            rows: Vec::new(),
            file: Some(path.to_owned()),
        };
        Self {
            path: path.to_owned(),
            name: name_of(path).to_owned(),
            description: None,
            production: false,
            environments: Vec::new(),
            content: Content::Tables(vec![table]),
        }
    }

    /// Whether it is meant for an environment.
    pub fn is_for(&self, environment: Environment) -> bool {
        let is_named = self.environments.is_empty() || self.environments.contains(&environment);
        is_named && (environment < Environment::Production || self.production)
    }
}

/// What a script runs, in its order, in one transaction.
pub fn script_statements(script: &str) -> Result<Vec<Statement<'_>>, String> {
    let statements = statements(script, Strings::Standard).map_err(|error| error.to_string())?;
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

fn script(path: &str, text: String) -> Result<Set, String> {
    script_statements(&text)?;
    let mut set = Set {
        path: path.to_owned(),
        name: name_of(path).to_owned(),
        description: None,
        production: false,
        environments: Vec::new(),
        content: Content::Tables(Vec::new()),
    };
    for (name, value) in notes(&text) {
        match name.as_str() {
            "description" => set.description = Some(value),
            "production" => {
                set.production = value
                    .parse()
                    .map_err(|_| format!("production is {value:?}, not true or false"))?;
            }
            "environments" => set.environments = environments(value.split(',').map(str::trim))?,
            _ => {}
        }
    }
    set.content = Content::Script(text);
    Ok(set)
}

fn declared(path: &str, mut file: Declared) -> Result<Set, String> {
    file.check()?;
    Ok(Set {
        path: path.to_owned(),
        name: name_of(path).to_owned(),
        description: file.description,
        production: file.production,
        environments: environments(file.environments.iter().map(String::as_str))?,
        content: Content::Tables(file.tables),
    })
}

fn environments<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Environment>, String> {
    names
        .map(|name| {
            Environment::named(name).ok_or_else(|| {
                format!("the environment {name:?} is not one of local, staging, production")
            })
        })
        .collect()
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
        let set = Set::read("10_plans.sql", Format::Sql, text.to_owned()).expect("a set");
        assert_eq!(set.name, "plans");
        assert_eq!(set.description.as_deref(), Some("Plans and prices."));
        assert!(set.is_for(Environment::Production) && set.is_for(Environment::Staging));
        assert!(!set.is_for(Environment::Local));
        let plain = Set::read("a.sql", Format::Sql, "SELECT 1;".to_owned()).expect("a set");
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
            let error = Set::read("a.sql", Format::Sql, text.to_owned())
                .expect_err(text)
                .to_string();
            assert!(
                error.contains(expected) && error.starts_with("a.sql: "),
                "{error}"
            );
        }
    }

    #[test]
    fn three_formats_say_the_same() {
        let toml = "description = \"People\"\nenvironments = [\"local\"]\n[[tables]]\ntable = \"User\"\nkey = [\"email\"]\n\
                    rows = [{ email = \"a@example.com\", born = 1990-01-02, score = 1.5, phone.area = 1 }]\n";
        let json = r#"{"description": "People", "environments": ["local"], "tables": [{"table": "User", "key": ["email"],
            "rows": [{"email": "a@example.com", "born": "1990-01-02", "score": 1.5, "phone": {"area": 1}}]}]}"#;
        let yaml = "description: People\nenvironments: [local]\ntables:\n- table: User\n  key: [email]\n  rows:\n  \
                    - {email: a@example.com, born: '1990-01-02', score: 1.5, phone: {area: 1}}\n";
        let read = |format, text: &str| {
            Set::read("people.x", format, text.to_owned()).unwrap_or_else(|error| panic!("{error}"))
        };
        let set = read(Format::Json, json);
        assert!(set.is_for(Environment::Local) && !set.is_for(Environment::Staging));
        let Content::Tables(tables) = &set.content else {
            panic!("{set:?}");
        };
        assert_eq!(tables[0].rows[0]["born"], "1990-01-02");
        assert_eq!(read(Format::Toml, toml), set);
        assert_eq!(read(Format::Yaml, yaml), set);
    }

    #[test]
    fn rows_that_cannot_be_meant_are_refused() {
        for (text, expected) in [
            ("tabels = []", "unknown field `tabels`"),
            ("description = \"x\"", "missing field `tables`"),
            (
                "[[tables]]\ntable = \"t\"\nkeys = []",
                "unknown field `keys`",
            ),
            (
                "[[tables]]\ntable = \"t\"\nkey = []",
                "the key of t is empty",
            ),
            (
                "[[tables]]\ntable = \"t\"\nrows = [{}]",
                "row 1 of t is empty",
            ),
            (
                "[[tables]]\ntable = \"t\"\nfile = \"../x.csv\"",
                "no path below the folder",
            ),
            (
                "[[tables]]\ntable = \"t\"\nfile = \"x.csv\"\nrows = [{ a = 1 }]",
                "and a file of rows",
            ),
            (
                "[[tables]]\ntable = \"t\"\nrows = [{ a = 12345678901234567890.0 }]",
                "row 1 of t, a: 1.2345678901234567e+19 has more digits",
            ),
            (
                "environments = [\"production\"]\ntables = []",
                "does not say production: true",
            ),
        ] {
            let error = Set::read("a.toml", Format::Toml, text.to_owned())
                .expect_err(text)
                .to_string();
            assert!(
                error.contains(expected) && error.starts_with("a.toml: "),
                "{error}"
            );
        }
        let error = Set::read(
            "a.yaml",
            Format::Yaml,
            "tables:\n- table: 1\n  rows: [".to_owned(),
        )
        .expect_err("no YAML")
        .to_string();
        assert!(error.starts_with("a.yaml: "), "{error}");
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

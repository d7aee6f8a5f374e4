//! What the process was started with: environment variables, home, user. Passed in, so that rules can be tested.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variables, the home folder and the user of this process. Debug prints the names of the variables alone.
#[derive(Clone, Default)]
pub struct ProcessEnvironment {
    /// Environment variables whose names and values are UTF-8.
    pub variables: BTreeMap<String, String>,
    /// Where `.pgpass` and `.postgresql/` lie.
    pub home: Option<PathBuf>,
    /// The operating system's user, libpq's default for `user`.
    pub user: Option<String>,
}

impl ProcessEnvironment {
    /// Reads the environment of this process, and its user from `/etc/passwd` (else `USER`, `LOGNAME`).
    pub fn from_process() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let account = std::fs::read_to_string("/etc/passwd")
            .ok()
            .and_then(|accounts| account_of(&accounts, rustix::process::geteuid().as_raw()));
        let named = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        Self {
            home: named("HOME")
                .map(PathBuf::from)
                .or_else(|| account.as_ref().map(|(_, home)| home.clone())),
            user: account
                .map(|(user, _)| user)
                .or_else(|| named("USER").or_else(|| named("LOGNAME")).cloned()),
            variables,
        }
    }

    /// Variables given one by one, without home and user.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            variables,
            home: None,
            user: None,
        }
    }

    /// The value of a variable that is set and not empty; libpq takes an empty variable for an unset one too.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// `~` and `~/…` with the home folder in place of `~`; any other path as it is.
    pub fn expand_home(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => Path::new(path).to_path_buf(),
        }
    }
}

impl std::fmt::Debug for ProcessEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessEnvironment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish()
    }
}

/// Name and home of the user id, from lines `name:password:uid:gid:comment:home:shell`.
fn account_of(accounts: &str, uid: u32) -> Option<(String, PathBuf)> {
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, id, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        (id.parse() == Ok(uid)).then(|| (name.to_owned(), PathBuf::from(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_id() {
        let accounts =
            "root:x:0:0:root:/root:/bin/bash\nbroken\nada:x:1000:1000:Ada:/home/ada:/bin/zsh\n";
        assert_eq!(
            account_of(accounts, 1000),
            Some(("ada".to_owned(), PathBuf::from("/home/ada")))
        );
        assert_eq!(account_of(accounts, 7), None);
    }

    #[test]
    fn debug_keeps_values_secret() {
        let environment = ProcessEnvironment::of([("PGPASSWORD", "geheim")]);
        let printed = format!("{environment:?}");
        assert!(printed.contains("PGPASSWORD") && !printed.contains("geheim"));
    }

    #[test]
    fn home_stands_for_the_tilde() {
        let environment = ProcessEnvironment {
            home: Some("/home/ada".into()),
            ..Default::default()
        };
        assert_eq!(
            environment.expand_home("~/ca.pem"),
            PathBuf::from("/home/ada/ca.pem")
        );
        assert_eq!(
            environment.expand_home("~bob/ca.pem"),
            PathBuf::from("~bob/ca.pem")
        );
    }
}

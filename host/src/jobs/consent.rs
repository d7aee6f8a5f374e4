//! The environment's consent to what destroys something.

use serde_json::{Map, Value};

use crate::config::Environment;
use crate::failure::Failure;

/// What a person has agreed to, on the command line or at the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// `--confirm DATABASE_NAME`.
    pub confirmed_database: Option<String>,
    /// `--yes`, or the answer to a question.
    pub yes: bool,
}

/// Whether a step destroys what is in its database.
pub(super) fn is_destructive(plugin: &str, parameters: &Map<String, Value>) -> bool {
    let mode = parameters.get("mode").and_then(Value::as_str);
    plugin == "restore" && matches!(mode, Some("clean" | "swap"))
}

/// Local: yes. Staging asks. Production wants the database's name typed out.
pub(super) fn check(
    environment: Environment,
    database: &str,
    consent: &Consent,
) -> Result<(), Failure> {
    let confirmed = consent.confirmed_database.as_deref() == Some(database);
    match environment {
        Environment::Local => Ok(()),
        _ if confirmed => Ok(()),
        Environment::Staging if consent.yes => Ok(()),
        Environment::Staging => {
            Err(refusal("staging", database).hint("agree with --yes, after a look at --dry-run"))
        }
        Environment::Production => Err(refusal("production", database).hint(format!(
            "look at --dry-run first; then agree with --confirm {database}"
        ))),
    }
}

fn refusal(environment: &str, database: &str) -> Failure {
    Failure::refused(format!(
        "this would destroy or replace what is in the database {database} of a {environment} environment"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_environment_has_its_price() {
        let yes = Consent {
            yes: true,
            ..Consent::default()
        };
        let named = Consent {
            confirmed_database: Some("app".into()),
            yes: false,
        };
        let none = Consent::default();
        assert!(check(Environment::Local, "app", &none).is_ok());
        assert!(check(Environment::Staging, "app", &none).is_err());
        assert!(check(Environment::Staging, "app", &yes).is_ok());
        assert!(check(Environment::Production, "app", &yes).is_err());
        assert!(check(Environment::Production, "app", &named).is_ok());
        assert!(check(Environment::Production, "shop", &named).is_err());
    }
}

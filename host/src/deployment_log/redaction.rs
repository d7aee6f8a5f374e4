//! Keeps secrets out of what is written: those that were registered, and whatever looks like one.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use regex_lite::Regex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::record::{ErrorRecord, RunRecord, StepRecord, whole_microseconds};

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// Shorter secrets would shred ordinary words; the patterns below still catch them in URLs and `password=`.
const SHORTEST_SECRET: usize = 4;

/// Removes secrets from text. Clones share the registered secrets.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<SecretString>>>);

impl Redactor {
    /// From now on this secret is removed wherever it stands, also percent-encoded. Shorter than 4 bytes it is ignored.
    pub fn register(&self, secret: &str) {
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret.to_owned(), encoded.replace('+', "%20"), encoded] {
            if form.len() >= SHORTEST_SECRET
                && secrets.iter().all(|known| known.expose_secret() != form)
            {
                secrets.push(form.into());
            }
        }
        // A secret that contains another one goes first, or its rest would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    /// The text without registered secrets and without what looks like a password or a key.
    pub fn text(&self, text: &str) -> String {
        let mut clean = Cow::Borrowed(text);
        for secret in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), REDACTED));
            }
        }
        without_patterns(&clean)
    }

    /// The same for every string in a JSON value; strings under keys such as `password` go as a whole.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    match field {
                        Value::String(text) if SECRET_KEY.is_match(key) => *text = REDACTED.into(),
                        other => self.json(other),
                    }
                }
                // Names, as those below: no plugin knows a secret that it could write there.
                if fields.keys().any(|key| without_patterns(key) != *key) {
                    let clean = |(key, field): (String, Value)| (without_patterns(&key), field);
                    *fields = std::mem::take(fields).into_iter().map(clean).collect();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A record fit to be written anywhere: without secrets, in whole microseconds, and without NUL, which jsonb refuses.
    pub fn record(&self, mut record: RunRecord) -> RunRecord {
        // Names are checked for patterns only: a database whose password is its own name keeps its name in the log.
        for name in [
            &mut record.job,
            &mut record.actor,
            &mut record.host,
            &mut record.environment,
        ] {
            *name = without_patterns(name);
        }
        record.database = record.database.map(|name| without_patterns(&name));
        record.started = whole_microseconds(record.started);
        record.finished = record.finished.map(whole_microseconds);
        record.steps = record
            .steps
            .into_iter()
            .map(|step| self.step(step))
            .collect();
        record.facts.values_mut().for_each(|fact| self.json(fact));
        record
            .warnings
            .iter_mut()
            .for_each(|warning| *warning = self.text(warning));
        record.error = record.error.map(|error| self.error(error));
        record
    }

    /// The same for one step.
    pub fn step(&self, mut step: StepRecord) -> StepRecord {
        for name in [&mut step.plugin, &mut step.version, &mut step.sha256] {
            *name = without_patterns(name);
        }
        self.json(&mut step.parameters);
        step.started = whole_microseconds(step.started);
        step.finished = step.finished.map(whole_microseconds);
        if let Some(result) = &mut step.result {
            self.json(result);
        }
        step.error = step.error.map(|error| self.error(error));
        step
    }

    fn error(&self, error: ErrorRecord) -> ErrorRecord {
        ErrorRecord {
            kind: without_patterns(&error.kind),
            message: self.text(&error.message),
            sqlstate: error.sqlstate.map(|sqlstate| without_patterns(&sqlstate)),
            detail: error.detail.map(|detail| self.text(&detail)),
            hint: error.hint.map(|hint| self.text(&hint)),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "Redactor({secrets} secrets)")
    }
}

fn without_patterns(text: &str) -> String {
    let mut clean = text.replace('\0', "");
    for (pattern, replacement) in PATTERNS.iter() {
        if let Cow::Owned(replaced) = pattern.replace_all(&clean, *replacement) {
            clean = replaced;
        }
    }
    clean
}

/// The name of a setting that is secret, and what stands between it and its value.
macro_rules! key {
    () => {
        concat!(
            r"(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|secret_?key|access_?key|session_?token|api_?key|",
            r"x-amz-signature|x-amz-security-token|x-amz-credential)|\btoken|\bpwd)",
            r#"(["']?\s*[=:]\s*)"#
        )
    };
}

/// Each with what stays of it. Run on their own output they change nothing.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (
            r"(?i)-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            "[redacted]",
        ),
        (r"(?i)\bAGE-SECRET-KEY-1[0-9A-Z]+", "[redacted]"),
        // Up to the last `@` of the word: passwords that should have been percent-encoded hold `@` and `/` too.
        (
            r#"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@'"<>]*):[^\s'"<>]*@"#,
            "${1}:[redacted]@",
        ),
        (
            concat!(key!(), r#""(?:[^"\\]|\\.)*""#),
            "${1}${2}\"[redacted]\"",
        ),
        (
            concat!(key!(), r"'(?:[^'\\]|\\.|'')*'"),
            "${1}${2}'[redacted]'",
        ),
        (
            concat!(key!(), r#"(?:\[redacted\]|[^\s&,;'"]+)"#),
            "${1}${2}[redacted]",
        ),
        (
            r"(?i)\b(authorization\s*[:=]\s*)\S+(?:\s+\S+)?",
            "${1}[redacted]",
        ),
        (r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{16,}", "${1}[redacted]"),
        (r"(?i)\b(password\s+)E?'(?:[^']|'')*'", "${1}'[redacted]'"),
        // Password verifiers, as in pg_authid.rolpassword.
        (
            r"SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+",
            "[redacted]",
        ),
        (r"\bmd5[0-9a-f]{32}\b", "[redacted]"),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "[redacted]"),
    ]
    .into_iter()
    // The patterns are constants, and a test runs every one of them.
    .map(|(pattern, replacement)| {
        (
            Regex::new(pattern).expect("a constant pattern"),
            replacement,
        )
    })
    .collect()
});

static SECRET_KEY: LazyLock<Regex> = LazyLock::new(|| {
    // A constant, run by a test.
    Regex::new(r"(?i)(?:password|passwd|passphrase|secret|secret[_-]?key|access[_-]?key|private[_-]?key|session[_-]?token|api[_-]?key)$|^(?:token|pwd|identity)$")
        .expect("a constant pattern")
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_fit_for_jsonb_too() {
        let mut value = json!({ "a\0b": [{ "\0": "x\0" }], "password": "p", "plain": 1 });
        Redactor::default().json(&mut value);
        let clean = json!({ "ab": [{ "": "x" }], "password": REDACTED, "plain": 1 });
        assert_eq!(value, clean);
    }

    #[test]
    fn what_looks_like_a_secret_goes() {
        let redactor = Redactor::default();
        for (text, clean) in [
            (
                "connect to postgres://app:hunter2@db:5432/app",
                "connect to postgres://app:[redacted]@db:5432/app",
            ),
            (
                "postgresql://u:p@ss/w:rd@h/db?sslmode=require",
                "postgresql://u:[redacted]@h/db?sslmode=require",
            ),
            (
                "postgres://app@db/app is fine",
                "postgres://app@db/app is fine",
            ),
            (
                "host=db password='it''s' user=app",
                "host=db password='[redacted]' user=app",
            ),
            ("PGPASSWORD=abc psql", "PGPASSWORD=[redacted] psql"),
            (r#"{"password": "abc"}"#, r#"{"password": "[redacted]"}"#),
            (
                "https://b/k?X-Amz-Signature=00ff&x=1",
                "https://b/k?X-Amz-Signature=[redacted]&x=1",
            ),
            (
                "aws_secret_access_key = wJalr/xyz",
                "aws_secret_access_key = [redacted]",
            ),
            ("key AKIAIOSFODNN7EXAMPLE", "key [redacted]"),
            (
                "ALTER ROLE app PASSWORD 'x''y' LOGIN",
                "ALTER ROLE app PASSWORD '[redacted]' LOGIN",
            ),
            ("SCRAM-SHA-256$4096:c2FsdA==$aGFzaA==:a2V5", "[redacted]"),
            ("md50123456789abcdef0123456789abcdef", "[redacted]"),
            ("AGE-SECRET-KEY-1QQQQ", "[redacted]"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nrest",
                "[redacted]\nrest",
            ),
            ("Authorization: Bearer abc", "Authorization: [redacted]"),
            ("sent bearer abcdefghijklmnopqrst", "sent bearer [redacted]"),
            (
                r#"ALTER TABLE "User" ADD COLUMN "password" TEXT"#,
                r#"ALTER TABLE "User" ADD COLUMN "password" TEXT"#,
            ),
            (
                "password authentication failed for user",
                "password authentication failed for user",
            ),
        ] {
            assert_eq!(redactor.text(text), clean);
            assert_eq!(redactor.text(clean), clean, "a second time");
        }
    }

    #[test]
    fn registered_secrets_go_in_every_form() {
        let redactor = Redactor::default();
        redactor.register("pa ss/word");
        redactor.register("abc");
        assert_eq!(
            redactor.text("pa ss/word, pa%20ss%2Fword and abc"),
            "[redacted], [redacted] and abc"
        );
        assert_eq!(format!("{redactor:?}"), "Redactor(3 secrets)");
    }

    #[test]
    fn a_record_keeps_its_names_and_loses_its_secrets() {
        let redactor = Redactor::default();
        redactor.register("postgres");
        let mut record = RunRecord::new("backup", super::super::Trigger::Cli, "postgres", "local");
        record.warnings.push("connected as postgres\0".into());
        record.facts.set("backup", json!({ "id": "b1", "url": "s3://k:s@b", "secret_access_key": "s", "keys": ["postgres"] }));
        let record = redactor.record(record);
        assert_eq!(record.actor, "postgres");
        assert_eq!(record.warnings, ["connected as [redacted]"]);
        let backup = json!({ "id": "b1", "url": "s3://k:[redacted]@b", "secret_access_key": "[redacted]", "keys": ["[redacted]"] });
        assert_eq!(record.facts.get("backup"), Some(&backup));
    }
}

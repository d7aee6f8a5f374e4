//! Every key of orchestrator.toml: kind, default and description. The reader takes its defaults and the names that it knows
//! from here, the documentation its tables.

/// One row of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// With the tables before it; `<name>` is a name of the user's choice.
    pub key: &'static str,
    /// What can be written.
    pub kind: String,
    /// What holds without it.
    pub default: Option<&'static str>,
    /// One sentence or two.
    pub description: &'static str,
    /// The environment variable that comes before the file.
    pub variable: Option<String>,
}

/// All keys, in the order of the documentation.
pub fn reference() -> Vec<KeyDoc> {
    KEYS.iter().map(|key| key.documented()).collect()
}

/// All keys of a schedule's file, in the order of the documentation.
pub fn schedule_reference() -> Vec<KeyDoc> {
    SCHEDULE_KEYS.iter().map(|key| key.documented()).collect()
}

/// A key and all that is to be said about it.
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// As it would stand in the file, without quotes. A default that depends stands in the description.
    pub(super) default: Option<&'static str>,
    description: &'static str,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Texts,
    /// Never quoted in a message.
    Secret,
    Flag,
    Number,
    Size,
    Duration,
    Path,
    Paths,
    OneOf(&'static [&'static str]),
    SeveralOf(&'static [&'static str]),
    Steps,
    Table,
}

impl Key {
    /// The last part of the path.
    pub(super) fn name(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    fn documented(&self) -> KeyDoc {
        KeyDoc {
            key: self.path.strip_prefix("<schedule>.").unwrap_or(self.path),
            kind: self.kind.to_string(),
            default: self.default,
            description: self.description,
            variable: self.variable(),
        }
    }

    /// `ORCHESTRATOR_LOG_MARKDOWN` for `log.markdown`; a key below a name of the user's choice has none.
    pub(super) fn variable(&self) -> Option<String> {
        let plain = !self.path.contains('<') && !matches!(self.kind, Kind::Steps | Kind::Table);
        plain.then(|| {
            format!(
                "ORCHESTRATOR_{}",
                self.path.replace('.', "_").to_uppercase()
            )
        })
    }
}

/// The names that can stand directly in a table, given with `<name>` in its path; `None` when any name can.
pub(super) fn names_in(table: &str) -> Option<Vec<&'static str>> {
    let mut names: Vec<&'static str> = Vec::new();
    let keys = if table.starts_with(SCHEDULE) {
        SCHEDULE_KEYS
    } else {
        KEYS
    };
    for key in keys {
        let rest = match table {
            "" => Some(key.path),
            _ => key
                .path
                .strip_prefix(table)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(name) = rest.and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        if name == "<name>" {
            return None;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Texts => "list of texts",
            Self::Secret => "secret text",
            Self::Flag => "true or false",
            Self::Number => "whole number",
            Self::Size => "size, as \"64MiB\"",
            Self::Duration => "duration, as \"90s\" or \"1h30m\"",
            Self::Path => "path, relative to the file's folder",
            Self::Paths => "list of paths, relative to the file's folder",
            Self::OneOf(words) => return write!(f, "one of {}", words.join(", ")),
            Self::SeveralOf(words) => return write!(f, "list of {}", words.join(", ")),
            Self::Steps => "list of steps",
            Self::Table => "table",
        })
    }
}

const fn key(
    path: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    description: &'static str,
) -> Key {
    Key {
        path,
        kind,
        default,
        description,
    }
}

/// Defines the keys and their list at once, so that none is left out.
macro_rules! keys {
    ($list:ident: $($name:ident = $path:literal, $kind:expr, $default:expr, $description:literal;)*) => {
        $(pub(super) const $name: Key = key($path, $kind, $default, $description);)*
        const $list: &[&Key] = &[$(&$name),*];
    };
}

/// The table, in this reference, of a file of its own: that of a schedule.
pub(super) const SCHEDULE: &str = "<schedule>";

keys! {
    SCHEDULE_KEYS:

    SCHEDULE_NAME = "<schedule>.name", Kind::Text, None,
        "What the schedule is called; left out, as its file without `.toml`.";
    SCHEDULE_DESCRIPTION = "<schedule>.description", Kind::Text, None,
        "What the schedule is for.";
    SCHEDULE_ENABLED = "<schedule>.enabled", Kind::Flag, Some("true"),
        "Whether it fires by itself.";
    SCHEDULE_CRON = "<schedule>.cron", Kind::Text, None,
        "When: minute, hour, day of the month, month, day of the week, as POSIX has them; with six fields the second comes first. Or @hourly, @daily, @weekly, @monthly, @yearly.";
    SCHEDULE_TIME_ZONE = "<schedule>.time_zone", Kind::Text, Some("UTC"),
        "Whose clock: a name of IANA's database, such as Europe/Berlin.";
    SCHEDULE_JOB = "<schedule>.job", Kind::Text, None,
        "The job to run: one of [jobs], or a built-in one.";
    SCHEDULE_PARAMETERS = "<schedule>.parameters", Kind::Table, None,
        "Parameters for every step of the job that has them, as --param gives them.";
    SCHEDULE_JITTER = "<schedule>.jitter", Kind::Duration, None,
        "It starts up to this much later, each time by chance. Left out, on time.";
    SCHEDULE_TIMEOUT = "<schedule>.timeout", Kind::Duration, None,
        "A run that takes longer is cancelled. Left out, the limits of its steps hold alone.";
    RETRY_ATTEMPTS = "<schedule>.retry.attempts", Kind::Number, Some("1"),
        "How often a fire is tried in all.";
    RETRY_BACKOFF = "<schedule>.retry.backoff", Kind::Duration, Some("1m"),
        "The wait before the second attempt; it doubles for each one after that.";
    RETRY_MAX_BACKOFF = "<schedule>.retry.max_backoff", Kind::Duration, Some("1h"),
        "The wait does not grow past this.";
    SCHEDULE_OVERLAP = "<schedule>.overlap", Kind::OneOf(&crate::schedules::Overlap::NAMES), Some("skip"),
        "What a fire does while the run of the one before is not over: nothing, or wait for it.";
    SCHEDULE_MISSED = "<schedule>.missed", Kind::OneOf(&crate::schedules::Missed::NAMES), Some("once"),
        "What becomes of fires that no daemon was there for: all of them run as one, or none.";
    SCHEDULE_NOTIFY = "<schedule>.notify", Kind::Texts, None,
        "Who is told: names of [notify].";
    SCHEDULE_PING = "<schedule>.ping", Kind::Secret, None,
        "The URL of a dead man's switch, which is called at the start and at the end of a run.";
    SCHEDULE_PING_FILE = "<schedule>.ping_file", Kind::Path, None,
        "A file that holds the URL, in place of ping.";
}

keys! {
    KEYS:

    ENVIRONMENT = "environment", Kind::OneOf(&super::Environment::NAMES), None,
        "What may be done without being asked. Left out, databases on this machine are local, any other makes it production.";

    DATABASE_URL = "databases.<name>.url", Kind::Secret, None,
        "Where the database is: postgresql://USER:PASSWORD@HOST:PORT/DATABASE with libpq's parameters, or keyword=value. What it leaves open comes from PG* variables and ~/.pgpass. Without any [databases], `app` is taken from DATABASE_URL, else from PG* variables.";
    DATABASE_URL_FILE = "databases.<name>.url_file", Kind::Path, None,
        "A file that holds the URL, in place of url.";
    DATABASE_DIRECT_URL = "databases.<name>.direct_url", Kind::Secret, None,
        "The URL around a pooler such as PgBouncer, for what needs a session of its own: backups, migrations, restores.";
    DATABASE_DIRECT_URL_FILE = "databases.<name>.direct_url_file", Kind::Path, None,
        "A file that holds the direct URL, in place of direct_url.";

    DATABASE_RDS_INSTANCE = "databases.<name>.rds.instance", Kind::Text, None,
        "The identifier of the AWS RDS instance that the database is on. Left out with `cluster`, the host name of the URL says it, where that is one of RDS.";
    DATABASE_RDS_CLUSTER = "databases.<name>.rds.cluster", Kind::Text, None,
        "The identifier of the cluster (Aurora, Multi-AZ), in place of `instance`.";
    DATABASE_RDS_REGION = "databases.<name>.rds.region", Kind::Text, None,
        "The server's region; left out, AWS_REGION or the AWS profile says it.";
    DATABASE_RDS_ENDPOINT = "databases.<name>.rds.endpoint", Kind::Text, None,
        "The URL of an RDS API that is not AWS's.";

    STORAGE_URL = "storage.<name>.url", Kind::Text, None,
        "Where backups lie: s3://BUCKET/PREFIX, or file:FOLDER. Without any [storage], `main` is file:backups.";
    STORAGE_ENDPOINT = "storage.<name>.endpoint", Kind::Text, None,
        "The URL of an S3 API that is not AWS's.";
    STORAGE_REGION = "storage.<name>.region", Kind::Text, None,
        "The bucket's region; left out, AWS_REGION or the AWS profile says it.";
    STORAGE_PATH_STYLE = "storage.<name>.path_style", Kind::Flag, None,
        "Whether the bucket stands in the path rather than in the host's name. Left out, true with an endpoint, else false.";
    STORAGE_SSE_KMS_KEY = "storage.<name>.sse_kms_key", Kind::Text, None,
        "The KMS key that encrypts objects in the bucket.";
    STORAGE_CLASS = "storage.<name>.storage_class", Kind::Text, None,
        "The storage class of objects, such as STANDARD_IA. Classes that must be thawed before reading are refused.";
    STORAGE_ACCESS_KEY = "storage.<name>.access_key", Kind::Text, None,
        "The access key's id; left out, the AWS credential chain is used.";
    STORAGE_ACCESS_KEY_FILE = "storage.<name>.access_key_file", Kind::Path, None,
        "A file that holds the access key's id.";
    STORAGE_SECRET_KEY = "storage.<name>.secret_key", Kind::Secret, None,
        "The access key's secret.";
    STORAGE_SECRET_KEY_FILE = "storage.<name>.secret_key_file", Kind::Path, None,
        "A file that holds the access key's secret.";

    STORAGE_AGE_RECIPIENTS = "storage.<name>.age_recipients", Kind::Texts, None,
        "Whoever may read the backups: recipients of age, as `age-keygen -y` prints them. With any, every object is encrypted and called <name>.age.";
    STORAGE_AGE_IDENTITY_FILE = "storage.<name>.age_identity_file", Kind::Path, None,
        "The file of `age-keygen` that decrypts backups. Needed to list what is in them, verify and restore them, not to make them. Before it comes --identity.";

    LOG_DATABASE = "log.database", Kind::Text, None,
        "The database that holds orchestrator.deployment_log. Left out, `app`, else the only database.";
    LOG_STATE = "log.state", Kind::Path, Some(".orchestrator"),
        "The folder of the journal of runs, of locks and caches on this machine.";
    LOG_MARKDOWN = "log.markdown", Kind::Path, Some("DEPLOYMENT_LOG.md"),
        "The deployment log for people: its newest 1,000 entries; older ones go to files of their months beside it, as `DEPLOYMENT_LOG-2026-11.md`.";
    LOG_REPORTS = "log.reports", Kind::Path, Some("reports"),
        "The folder of one report for each run.";

    MIGRATIONS_FOLDER = "migrations.folder", Kind::Path, Some("migrations"),
        "The folder of migrations, in Prisma's layout.";
    MIGRATIONS_SNAPSHOT = "migrations.snapshot", Kind::OneOf(&["backup", "rds", "both"]), Some("backup"),
        "What pre-migrate and deploy take first: a backup that is read back, a snapshot of the server by AWS RDS, or both.";

    CHECK_BACKUP_WITHIN = "check.backup_within", Kind::Duration, None,
        "`orchestrator check` warns when the newest backup of a database is older: 26h, where one is taken every day. Left out, it tells the age alone.";
    CHECK_PROVEN_WITHIN = "check.proven_within", Kind::Duration, None,
        "`orchestrator check` warns when no backup was proven to restore for longer, by a drill or by `backup verify --deep`, or when the proven one is older itself: 168h. Left out, it tells both ages alone.";
    CHECK_WITHOUT_BACKUPS = "check.without_backups", Kind::Texts, None,
        "Databases that need no backup, for which `orchestrator check` does not warn: a spare server's for drills, one that is no more.";

    SEEDS_FOLDER = "seeds.folder", Kind::Path, Some("seeds"),
        "The folder of seeds: a file for each set of rows.";

    DAEMON_MAX_CONCURRENT_JOBS = "daemon.max_concurrent_jobs", Kind::Number, Some("4"),
        "Runs that the daemon has under way at a time. Others wait for their turn.";
    DAEMON_GRACE = "daemon.grace", Kind::Duration, Some("20s"),
        "How long runs may go on when the daemon is stopped. Then they are cancelled, and recorded so.";
    DAEMON_LEASE = "daemon.lease", Kind::Duration, Some("2m"),
        "How long after the last sign of life of a daemon others take over what it had begun.";
    SCHEDULES_FOLDER = "schedules.folder", Kind::Path, Some("schedules"),
        "The folder of schedules: a TOML file for each.";
    DAEMON_LISTEN = "daemon.listen", Kind::Text, Some("127.0.0.1:8432"),
        "Where `orchestrator daemon` answers HTTP: an IP address and a port, or off. An address that other machines reach needs a token.";
    DAEMON_HOSTS = "daemon.hosts", Kind::Texts, None,
        "Names in the header Host that are answered on a loopback address besides localhost: of a proxy on this machine.";
    DAEMON_METRICS = "daemon.metrics", Kind::OneOf(&["open", "token"]), None,
        "Whether /metrics asks for a token. Left out, it does where other machines reach it: at an address that is not loopback, or by the names in hosts.";
    DAEMON_TOKEN_SHA256 = "daemon.tokens.<name>.sha256", Kind::Text, None,
        "SHA-256 of a token for the HTTP API, as `orchestrator daemon token` prints it. The log calls whoever uses the token by this name.";
    DAEMON_TOKEN_ACCESS = "daemon.tokens.<name>.access", Kind::OneOf(&["read", "run"]), Some("read"),
        "What may be done with the token: look at everything; also run and cancel jobs.";

    JOB_DESCRIPTION = "jobs.<name>.description", Kind::Text, None,
        "What the job is for.";
    JOB_STEPS = "jobs.<name>.steps", Kind::Steps, None,
        "What to run, in this order: { plugin = NAME, and the plugin's parameters }. A job named as a built-in one replaces it.";

    NOTIFY_KIND = "notify.<name>.kind", Kind::OneOf(&["webhook", "slack", "email"]), None,
        "How somebody is told of runs: JSON to an address, a message to Slack or what takes the same, an e-mail.";
    NOTIFY_URL = "notify.<name>.url", Kind::Secret, None,
        "The address of the webhook, or of Slack's incoming webhook.";
    NOTIFY_URL_FILE = "notify.<name>.url_file", Kind::Path, None,
        "A file that holds the address, in place of url.";
    NOTIFY_HEADER = "notify.<name>.headers.<name>", Kind::Secret, None,
        "A header of the webhook's request, such as Authorization.";
    NOTIFY_ON = "notify.<name>.on", Kind::SeveralOf(&super::NoticeKind::NAMES), Some("failed, missed, recovered, warned"),
        "What is told. `missed` is a schedule that has not fired when it should, `recovered` the first success after a failure.";
    NOTIFY_TIMEOUT = "notify.<name>.timeout", Kind::Duration, Some("2m"),
        "How long a notice may take, with all its attempts.";
    NOTIFY_SERVER = "notify.<name>.server", Kind::Text, None,
        "The server that takes e-mails: smtps://HOST, smtp+starttls://HOST, or smtp://HOST without encryption, each with :PORT where it is another than 465, 587 or 25.";
    NOTIFY_USER = "notify.<name>.user", Kind::Text, None,
        "The login at the mail server.";
    NOTIFY_PASSWORD = "notify.<name>.password", Kind::Secret, None,
        "The login's password.";
    NOTIFY_PASSWORD_FILE = "notify.<name>.password_file", Kind::Path, None,
        "A file that holds the password, in place of password.";
    NOTIFY_FROM = "notify.<name>.from", Kind::Text, None,
        "Who sends the e-mail: NAME@HOST, or Name <NAME@HOST>.";
    NOTIFY_TO = "notify.<name>.to", Kind::Texts, None,
        "Who gets the e-mail.";

    PLUGIN_FILE = "plugins.<name>.file", Kind::Path, None,
        "The component of a plugin that is not built in.";
    PLUGIN_SHA256 = "plugins.<name>.sha256", Kind::Text, None,
        "The file's digest, as `orchestrator plugin inspect` prints it.";
    GRANT_DATABASE_ACCESS = "plugins.<name>.grants.databases.<name>.access", Kind::OneOf(&["read", "write", "admin"]), Some("read"),
        "What the plugin may do with the database: read-only transactions; any statement; also create and drop databases.";
    GRANT_DATABASE_TABLE = "plugins.<name>.grants.databases.<name>.tables.<name>", Kind::SeveralOf(&["select", "insert", "update", "delete", "truncate"]), None,
        "What the plugin may do with a table, `User` or `schema.table`, in place of access to the whole database. A table without a schema is in the schema of the database's URL, else in public.";
    GRANT_STORAGE_RIGHTS = "plugins.<name>.grants.storage.<name>.rights", Kind::SeveralOf(&["read", "write", "delete"]), Some("read"),
        "What the plugin may do with objects in the storage.";
    GRANT_SNAPSHOT_RIGHTS = "plugins.<name>.grants.snapshots.<name>.rights", Kind::SeveralOf(&["read", "create", "delete", "restore"]), Some("read"),
        "What the plugin may do with the managed server that the database is on: look at its snapshots, create and delete them, create other servers from them.";
    GRANT_FILES = "plugins.<name>.grants.files", Kind::Paths, None,
        "Folders whose files the plugin may read. A step may name them, or folders below them, relative to the file's folder.";
    PLUGIN_LIMITS = "plugins.<name>.limits", Kind::Table, None,
        "Limits for this plugin, with the keys of [limits]. Built-in plugins can be named here too.";

    LIMIT_MEMORY = "limits.memory", Kind::Size, Some("256MiB"),
        "Memories and tables of one step's plugin, summed.";
    LIMIT_DEADLINE = "limits.deadline", Kind::Duration, Some("24h"),
        "How long one step may take.";
    LIMIT_GRACE = "limits.grace", Kind::Duration, Some("10s"),
        "How long a plugin may take to return after it was cancelled.";
    LIMIT_COMPONENT = "limits.component", Kind::Size, Some("64MiB"),
        "Size of a plugin's file.";
    LIMIT_CALL = "limits.call", Kind::Size, Some("8MiB"),
        "What a plugin may pass to the host in one call.";
    LIMIT_LOG = "limits.log", Kind::Size, Some("1MiB"),
        "What a step may log.";
    LIMIT_RESULT = "limits.result", Kind::Size, Some("1MiB"),
        "Size of a step's result.";
    LIMIT_CONNECTIONS = "limits.connections", Kind::Number, Some("16"),
        "Connections to databases that a step may have open.";
    LIMIT_TRANSFERS = "limits.transfers", Kind::Number, Some("64"),
        "Transfers that a step may have under way.";
    LIMIT_RESOURCES = "limits.resources", Kind::Number, Some("10000"),
        "Connections, transactions, streams and the like that a step may hold at a time.";
    LIMIT_DATABASE_GROWTH = "limits.database_growth", Kind::Size, Some("10GiB"),
        "By how much a database may grow, temporary tables included, while a plugin that is not built in is connected to it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_described() {
        let keys = [KEYS, SCHEDULE_KEYS].concat();
        for (index, key) in keys.iter().enumerate() {
            assert!(
                keys[..index].iter().all(|earlier| earlier.path != key.path),
                "{} twice",
                key.path
            );
            assert!(key.description.ends_with('.'), "{}", key.path);
        }
    }

    #[test]
    fn a_schedule_is_a_file_of_its_own() {
        assert_eq!(
            names_in("<schedule>.retry").unwrap(),
            ["attempts", "backoff", "max_backoff"]
        );
        assert!(names_in(SCHEDULE).unwrap().contains(&"retry"));
        assert!(SCHEDULE_KEYS.iter().all(|key| key.variable().is_none()));
        assert_eq!(schedule_reference()[0].key, "name");
    }

    #[test]
    fn tables_know_their_names() {
        assert_eq!(
            names_in("log").unwrap(),
            ["database", "state", "markdown", "reports"]
        );
        assert_eq!(
            names_in("plugins.<name>.grants").unwrap(),
            ["databases", "storage", "snapshots", "files"]
        );
        assert_eq!(
            names_in("plugins.<name>.grants.databases.<name>").unwrap(),
            ["access", "tables"]
        );
        assert_eq!(
            names_in("plugins.<name>.grants.databases.<name>.tables"),
            None
        );
        assert_eq!(names_in("databases"), None);
        assert_eq!(
            names_in("").unwrap(),
            [
                "environment",
                "databases",
                "storage",
                "log",
                "migrations",
                "check",
                "seeds",
                "daemon",
                "schedules",
                "jobs",
                "notify",
                "plugins",
                "limits"
            ]
        );
    }

    #[test]
    fn the_reference_as_people_read_it() {
        let lines: Vec<String> = reference()
            .iter()
            .filter(|row| row.key.starts_with("log.") || row.key.contains("access"))
            .map(|row| {
                format!(
                    "{} | {} | {} | {}",
                    row.key,
                    row.kind,
                    row.default.unwrap_or("-"),
                    row.variable.as_deref().unwrap_or("-")
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        storage.<name>.access_key | text | - | -
        storage.<name>.access_key_file | path, relative to the file's folder | - | -
        log.database | text | - | ORCHESTRATOR_LOG_DATABASE
        log.state | path, relative to the file's folder | .orchestrator | ORCHESTRATOR_LOG_STATE
        log.markdown | path, relative to the file's folder | DEPLOYMENT_LOG.md | ORCHESTRATOR_LOG_MARKDOWN
        log.reports | path, relative to the file's folder | reports | ORCHESTRATOR_LOG_REPORTS
        daemon.tokens.<name>.access | one of read, run | read | -
        plugins.<name>.grants.databases.<name>.access | one of read, write, admin | read | -
        ");
    }
}

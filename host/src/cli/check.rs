//! `orchestrator check`: whether everything that the configuration names works, and what to do where it does not.

mod backups;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use serde_json::json;
use uuid::Uuid;

use super::globals::Globals;
use super::output::Output;
use crate::config::{DatabaseBinding, DatabaseGrant, Grants};
use crate::database::{self, Connection, SslMode};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::Project;
use crate::plugins::builtin;
use crate::storage::{Key, Storage};

/// Of one thing that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Good,
    Warning,
    Bad,
}

/// One line of the answer.
struct Finding {
    subject: String,
    verdict: Verdict,
    message: String,
    hint: Option<String>,
}

/// A clock that is off by more makes the times of backups and of the log misleading.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// The oldest server whose catalogs are known.
const OLDEST_SERVER: u32 = 130_000;
/// The first major version whose catalogs are not known yet.
const UNKNOWN_SERVER: u32 = 190_000;

pub(super) async fn execute(globals: &Globals, output: &Output) -> Result<u8, Failure> {
    let project = globals.open_project().await?;
    let mut findings = vec![match &project.config.file {
        Some(file) => good("configuration", file.display().to_string()),
        None => good(
            "configuration",
            "no file: what the environment variables say".to_owned(),
        ),
    }];
    for (name, binding) in &project.config.databases {
        check_database(name.as_str(), binding, &mut findings).await;
        if binding.rds.is_some() {
            check_server(&project, name.as_str(), &mut findings).await;
        }
        let grants = project.config.plugins.values().map(|plugin| &plugin.grants);
        let is_of_tables =
            |grants: &Grants| matches!(grants.databases.get(name), Some(DatabaseGrant::Tables(_)));
        if grants.into_iter().any(is_of_tables) {
            check_run_roles(name.as_str(), binding, &mut findings).await;
        }
    }
    if project.config.databases.is_empty() {
        findings.push(Finding {
            subject: "databases".to_owned(),
            verdict: Verdict::Warning,
            message: "none".to_owned(),
            hint: Some("set DATABASE_URL, or add [databases.app] with a url".to_owned()),
        });
    }
    for name in project.config.storage.keys() {
        check_storage(&project, name.as_str(), &mut findings).await;
    }
    backups::check(&project, &mut findings).await;
    check_plugins(&project, &mut findings).await;
    report(&findings, output)
}

async fn check_database(name: &str, binding: &DatabaseBinding, findings: &mut Vec<Finding>) {
    let subject = format!("database {name}");
    let settings = binding.direct();
    let connection = match database::connect(settings, "orchestrator check").await {
        Ok(connection) => connection,
        Err(error) => return findings.push(bad(&subject, &error.into())),
    };
    match look_at(&connection, binding).await {
        Ok(found) => findings.extend(found.into_iter().map(|finding| {
            Finding {
                subject: format!("{subject} {}", finding.subject)
                    .trim_end()
                    .to_owned(),
                ..finding
            }
        })),
        Err(failure) => findings.push(bad(&subject, &failure)),
    }
}

/// Whether plugins that use tables of the database can have roles of their own. What is wrong with the connection was told before.
async fn check_run_roles(name: &str, binding: &DatabaseBinding, findings: &mut Vec<Finding>) {
    let subject = format!("database {name} plugins' roles");
    let Ok(connection) = database::connect(binding.direct(), "orchestrator check").await else {
        return;
    };
    findings.push(
        match database::may_make_run_roles(&connection.client).await {
            Ok(()) => good(
                &subject,
                "plugins that are granted tables get roles of their own".to_owned(),
            ),
            Err(error) => warning(
                &subject,
                format!(
                    "plugins that are granted tables are not kept to them by the server: {error}"
                ),
                "docs/grants.md has the SQL of a role that may make others",
            ),
        },
    );
}

/// Whether the provider knows the server that the database is on, and lets these credentials look.
async fn check_server(project: &Project, name: &str, findings: &mut Vec<Finding>) {
    let subject = format!("database {name} server");
    let found = async {
        let server = project.server(name).await?;
        let found = server.describe().await?;
        server
            .list()
            .await
            .map(|snapshots| (found, snapshots.len()))
    };
    findings.push(match found.await {
        Ok((server, snapshots)) => good(
            &subject,
            format!(
                "{} {}, {} {}, {}, {snapshots} snapshots",
                server.kind.name(),
                server.name,
                server.engine,
                server.version,
                server.status
            ),
        ),
        Err(failure) => bad(&subject, &failure),
    });
}

async fn look_at(
    connection: &Connection,
    binding: &DatabaseBinding,
) -> Result<Vec<Finding>, Failure> {
    let settings = binding.direct();
    let facts = database::inspect(&connection.client).await?;
    let mut found = vec![good("", format!("connected to {}", settings.redacted()))];
    let version = format!("PostgreSQL {}", facts.version_text);
    found.push(if facts.version_num < OLDEST_SERVER {
        warning(
            "version",
            version,
            "versions before 13 are not supported: upgrade the server",
        )
    } else if facts.version_num >= UNKNOWN_SERVER {
        warning(
            "version",
            version,
            "newer than this program knows: upgrade orchestrator before you rely on its backups",
        )
    } else {
        good("version", version)
    });
    found.push(match (&facts.tls, settings.is_local(), settings.tls.mode) {
        (Some(tls), _, SslMode::VerifyFull | SslMode::VerifyCa) => {
            good("TLS", format!("{}, server verified", tls.version))
        }
        (Some(tls), true, _) => good("TLS", tls.version.clone()),
        (Some(tls), false, mode) => warning(
            "TLS",
            format!(
                "{}, sslmode={mode}: the server's certificate is not checked",
                tls.version
            ),
            "add sslmode=verify-full (and sslrootcert) to the URL",
        ),
        (None, true, _) => good("TLS", "none, on this machine".to_owned()),
        (None, false, _) => warning(
            "TLS",
            "none: passwords and data cross the network readable".to_owned(),
            "add sslmode=verify-full to the URL",
        ),
    });
    if facts.pooled {
        found.push(warning(
            "pooler",
            "a pooler answers in the server's place".to_owned(),
            "set `direct_url` of the database to the server's own address: backups share snapshots between sessions",
        ));
    }
    let clock = facts.clock_difference.unsigned_abs();
    let off = format!(
        "{:.1} s between the server's clock and ours",
        clock.as_secs_f64()
    );
    found.push(if clock > CLOCK_TOLERANCE {
        warning("clock", off, "let both machines follow a time server (NTP)")
    } else {
        good("clock", off)
    });
    found.push(if facts.superuser {
        good("privileges", format!("{} is a superuser", facts.user))
    } else {
        privileges(connection, &facts.user, facts.bypasses_row_security).await?
    });
    Ok(found)
}

/// What a role that is no superuser would miss in a backup, or could not write into the log.
async fn privileges(
    connection: &Connection,
    user: &str,
    bypasses_row_security: bool,
) -> Result<Finding, Failure> {
    let row = connection
        .client
        .query_one(
            "SELECT count(*) FILTER (WHERE NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')), \
             count(*) FILTER (WHERE c.relrowsecurity), \
             pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') \
             OR EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'orchestrator') \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'm', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
            &[],
        )
        .await?;
    let (unreadable, secured, creates): (i64, i64, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let mut problems = Vec::new();
    if unreadable > 0 {
        problems.push(format!("cannot read {unreadable} tables"));
    }
    if secured > 0 && !bypasses_row_security {
        problems.push(format!(
            "sees only some rows of {secured} tables with row security"
        ));
    }
    if !creates {
        problems.push("cannot create the schema orchestrator for the deployment log".to_owned());
    }
    if problems.is_empty() {
        return Ok(good(
            "privileges",
            format!("{user} can read everything and write the log"),
        ));
    }
    Ok(warning(
        "privileges",
        format!("{user} {}", problems.join(", ")),
        "GRANT pg_read_all_data (14 and later) and BYPASSRLS for backups; GRANT CREATE ON DATABASE for the log",
    ))
}

async fn check_storage(project: &Project, name: &str, findings: &mut Vec<Finding>) {
    let subject = format!("storage {name}");
    let checked = async {
        let storage = project.storage(name).await?;
        round_trip(&storage.objects).await?;
        Ok::<_, Failure>(storage.objects.location())
    };
    findings.push(match checked.await {
        Ok(location) => good(
            &subject,
            format!("wrote, read and deleted an object in {location}"),
        ),
        Err(failure) => bad(&subject, &failure),
    });
}

async fn round_trip(storage: &Arc<dyn Storage>) -> Result<(), Failure> {
    let key = Key::parse(&format!("orchestrator-check-{}", Uuid::now_v7()))?;
    let content = Bytes::from(key.to_string());
    let mut writer = storage.create(&key, Some(content.len() as u64)).await?;
    writer.write(content.clone()).await?;
    writer.finish().await?;
    let read: Vec<Bytes> = storage.get(&key, None).await?.try_collect().await?;
    storage.delete(std::slice::from_ref(&key)).await?;
    if read.concat() != content {
        return Err(Failure::corrupt(format!(
            "{} gave back other bytes than were written",
            storage.location()
        )));
    }
    Ok(())
}

async fn check_plugins(project: &Project, findings: &mut Vec<Finding>) {
    let names = builtin::BUILTIN.iter().map(|plugin| plugin.name.to_owned());
    let configured = project.config.plugins.keys().map(ToString::to_string);
    for name in names.chain(configured) {
        let subject = format!("plugin {name}");
        findings.push(match project.plugin(&name).await {
            Ok(plugin) => good(
                &subject,
                format!("{} {}", plugin.manifest.version, &plugin.sha256[..12]),
            ),
            Err(failure) => bad(&subject, &failure),
        });
    }
}

fn report(findings: &[Finding], output: &Output) -> Result<u8, Failure> {
    let worst = findings
        .iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Good);
    let document = json!({
        "verdict": word(worst),
        "findings": findings.iter().map(|finding| json!({
            "subject": finding.subject,
            "verdict": word(finding.verdict),
            "message": finding.message,
            "hint": finding.hint,
        })).collect::<Vec<_>>(),
    });
    output.result(&document, || findings.iter().map(line).collect())?;
    Ok(match worst {
        Verdict::Good => exit::DONE,
        Verdict::Warning => exit::WARNINGS,
        Verdict::Bad => exit::FAILED,
    })
}

fn line(finding: &Finding) -> String {
    let hint = finding
        .hint
        .as_ref()
        .map(|hint| format!("\n         {hint}"))
        .unwrap_or_default();
    format!(
        "{:7}  {}: {}{hint}\n",
        word(finding.verdict),
        finding.subject,
        finding.message
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Warning => "warning",
        Verdict::Bad => "error",
    }
}

fn good(subject: &str, message: String) -> Finding {
    Finding {
        subject: subject.to_owned(),
        verdict: Verdict::Good,
        message,
        hint: None,
    }
}

fn warning(subject: &str, message: String, hint: &str) -> Finding {
    Finding {
        subject: subject.to_owned(),
        verdict: Verdict::Warning,
        message,
        hint: Some(hint.to_owned()),
    }
}

fn bad(subject: &str, failure: &Failure) -> Finding {
    Finding {
        subject: subject.to_owned(),
        verdict: Verdict::Bad,
        message: failure.to_string(),
        hint: failure.hint.clone(),
    }
}

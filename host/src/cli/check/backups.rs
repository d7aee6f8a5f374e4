//! How old the newest backup of each database is, and the newest one that was seen to restore.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archive::layout::BackupFolder;
use jiff::{SignedDuration, Timestamp};

use super::super::table;
use super::{Finding, good, warning};
use crate::backups;
use crate::config::CheckSettings;
use crate::deployment_log::Proven;
use crate::failure::Failure;
use crate::jobs::Project;

/// What can be done where a backup was not proven.
const DRILL: &str =
    "`orchestrator drill` restores the newest backup into a scratch database and proves it";

/// What storages and log tell.
struct Seen {
    now: Timestamp,
    /// Whole ones of all storages.
    backups: BTreeSet<BackupFolder>,
    /// No storage was silent: what was not seen is not there.
    is_complete: bool,
    /// By database, the newest backup first.
    proofs: Vec<Proven>,
    /// Databases that are to have backups, as their servers call them.
    configured: BTreeSet<String>,
    /// Those that need none.
    exempt: BTreeSet<String>,
}

/// Looks at all storages. What cannot be reached was told before.
pub(super) async fn check(project: &Project, findings: &mut Vec<Finding>) {
    let mut seen = Seen {
        now: Timestamp::now(),
        backups: BTreeSet::new(),
        is_complete: true,
        proofs: Vec::new(),
        configured: BTreeSet::new(),
        exempt: BTreeSet::new(),
    };
    for name in project.config.storage.keys() {
        match stored(project, name.as_str()).await {
            Ok(folders) => seen.backups.extend(folders),
            Err(_) => seen.is_complete = false,
        }
    }
    match project.proofs().await {
        Ok(proofs) => seen.proofs = proofs,
        Err(failure) => findings.push(super::bad("proven backups", &failure)),
    }
    let settings = &project.config.check;
    seen.exempt.extend(settings.without_backups.iter().cloned());
    for (name, binding) in &project.config.databases {
        let database = binding.settings.database.clone();
        match settings.without_backups.contains(name.as_str()) {
            true => seen.exempt.insert(database),
            false => seen.configured.insert(database),
        };
    }
    findings.extend(seen.findings(settings));
}

async fn stored(project: &Project, storage: &str) -> Result<Vec<BackupFolder>, Failure> {
    let storage = project.storage(storage).await?;
    backups::list(storage.objects.as_ref(), None).await
}

impl Seen {
    fn findings(&self, settings: &CheckSettings) -> Vec<Finding> {
        // Folders come by database, the newest first.
        let mut newest: BTreeMap<&str, &BackupFolder> = BTreeMap::new();
        for folder in &self.backups {
            newest.entry(&folder.database).or_insert(folder);
        }
        let proven = self.proofs.iter().map(|proven| proven.database.as_str());
        let databases: BTreeSet<&str> = newest
            .keys()
            .copied()
            .chain(proven)
            .chain(self.configured.iter().map(String::as_str))
            .collect();
        let mut findings = Vec::new();
        for database in databases {
            // A spare server may have a database of the same name.
            let needs_none = self.exempt.contains(database) && !self.configured.contains(database);
            let limit = |limit: Option<Duration>| limit.filter(|_| !needs_none);
            let newest = newest.get(database).copied();
            match newest {
                Some(folder) => {
                    findings.push(self.newest(folder, limit(settings.backup_within)));
                }
                None if needs_none || !self.is_complete => {}
                None => findings.push(none(database, settings)),
            }
            let is_proven = self.proofs.iter().any(|proven| proven.database == database);
            if newest.is_some() || is_proven {
                findings.push(self.proven(database, limit(settings.proven_within)));
            }
        }
        findings
    }

    fn newest(&self, folder: &BackupFolder, limit: Option<Duration>) -> Finding {
        let subject = format!("newest backup of {}", folder.database);
        let age = self.age(begun(folder));
        let message = format!("{} old", table::duration(age));
        match exceeds(age, limit) {
            false => good(&subject, message),
            true => warning(
                &subject,
                message,
                "`orchestrator log list` and `orchestrator schedule list` show why there is no newer one",
            ),
        }
    }

    /// Of the proven ones the newest that still is somewhere counts; when none is, the newest of them is told of.
    fn proven(&self, database: &str, limit: Option<Duration>) -> Finding {
        let subject = format!("last proven backup of {database}");
        let proofs = || {
            let of_database = move |proven: &&Proven| proven.database == database;
            self.proofs.iter().filter(of_database)
        };
        let is_gone = |proven: &Proven| self.is_complete && !self.has(proven);
        let Some(newest) = proofs().next() else {
            return match limit {
                None => good(&subject, format!("none yet: {DRILL}")),
                Some(_) => warning(
                    &subject,
                    "none of its backups was ever proven to restore".to_owned(),
                    DRILL,
                ),
            };
        };
        let proven = proofs().find(|proven| !is_gone(proven)).unwrap_or(newest);
        let since = self.age(proven.at);
        let age = folder(proven).map(|folder| self.age(begun(&folder)));
        let mut message = proven.backup.clone();
        if let Some(age) = age {
            message += &format!(", {} old", table::duration(age));
        }
        message += &format!(
            ", proven {} ago, in {:.1} s",
            table::duration(since),
            proven.seconds
        );
        if is_gone(proven) {
            message += "; it is in no storage any more";
        } else if is_gone(newest) {
            message += &format!(
                "; a newer one was proven and is in no storage any more: {}",
                newest.backup
            );
        }
        let is_too_old = exceeds(since, limit) || age.is_some_and(|age| exceeds(age, limit));
        match limit.is_some() && (is_too_old || is_gone(proven)) {
            true => warning(&subject, message, DRILL),
            false => good(&subject, message),
        }
    }

    fn has(&self, proven: &Proven) -> bool {
        folder(proven).is_some_and(|folder| self.backups.contains(&folder))
    }

    fn age(&self, time: Timestamp) -> SignedDuration {
        self.now.duration_since(time)
    }
}

fn folder(proven: &Proven) -> Option<BackupFolder> {
    Some(BackupFolder {
        database: proven.database.clone(),
        id: proven.backup.parse().ok()?,
    })
}

fn begun(folder: &BackupFolder) -> Timestamp {
    Timestamp::from_second(folder.id.created().unix_seconds()).unwrap_or(Timestamp::MIN)
}

/// A time that far in the future is as wrong as one in the past.
fn exceeds(age: SignedDuration, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| age.unsigned_abs() > limit)
}

/// Where nobody has said how old backups may be, the first `check` comes before the first backup.
fn none(database: &str, settings: &CheckSettings) -> Finding {
    const TAKE: &str = "take one with `orchestrator backup create`";
    let subject = format!("newest backup of {database}");
    match settings.backup_within.or(settings.proven_within) {
        None => good(&subject, format!("there is none yet: {TAKE}")),
        Some(_) => warning(
            &subject,
            "there is none".to_owned(),
            &format!(
                "{TAKE}; a database that needs none goes into `without_backups` below [check]"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const DAY: u64 = 24 * 60 * 60;

    fn id(day: u8) -> String {
        format!("2026-01-{day:02}T02-00-00Z-full-0a1b2c3d")
    }

    fn time(day: u8) -> Timestamp {
        format!("2026-01-{day:02}T02:00:00Z").parse().unwrap()
    }

    /// On the 20th at two, with backups and proofs of these days.
    fn seen(backups: &[(&str, u8)], proofs: &[(&str, u8, u8)]) -> Seen {
        let folder = |(database, day): &(&str, u8)| BackupFolder {
            database: (*database).to_owned(),
            id: id(*day).parse().unwrap(),
        };
        let proof = |(database, backup, at): &(&str, u8, u8)| Proven {
            backup: id(*backup),
            database: (*database).to_owned(),
            storage: None,
            at: time(*at),
            seconds: 2.5,
            run: Uuid::nil(),
        };
        Seen {
            now: time(20),
            backups: backups.iter().map(folder).collect(),
            is_complete: true,
            proofs: proofs.iter().map(proof).collect(),
            configured: BTreeSet::from(["app".to_owned()]),
            exempt: BTreeSet::from(["spare".to_owned()]),
        }
    }

    fn settings(backup_within: Option<u64>, proven_within: Option<u64>) -> CheckSettings {
        let days = |days: Option<u64>| days.map(|days| Duration::from_secs(days * DAY));
        CheckSettings {
            backup_within: days(backup_within),
            proven_within: days(proven_within),
            ..CheckSettings::default()
        }
    }

    fn lines(seen: &Seen, settings: &CheckSettings) -> String {
        let findings = seen.findings(settings);
        let line = |finding: &Finding| {
            let verdict = super::super::word(finding.verdict);
            format!("{verdict}: {}: {}\n", finding.subject, finding.message)
        };
        findings.iter().map(line).collect()
    }

    #[test]
    fn both_ages_of_a_proven_backup_are_told_and_held_to_the_limit() {
        let seen = seen(&[("app", 1), ("app", 19)], &[("app", 1, 19)]);
        insta::assert_snapshot!(lines(&seen, &settings(None, None)), @r"
        ok: newest backup of app: 24 h 0 min old
        ok: last proven backup of app: 2026-01-01T02-00-00Z-full-0a1b2c3d, 456 h 0 min old, proven 24 h 0 min ago, in 2.5 s
        ");
        // A drill that proves the same old backup every night.
        let limited = |days| lines(&seen, &settings(None, Some(days)));
        assert!(
            limited(2).contains("warning: last proven"),
            "{}",
            limited(2)
        );
        assert!(limited(19).contains("ok: last proven"), "{}", limited(19));
    }

    #[test]
    fn the_newest_backup_is_held_to_its_limit() {
        let seen = seen(&[("app", 17), ("app", 3), ("other", 2)], &[]);
        insta::assert_snapshot!(lines(&seen, &settings(Some(3), Some(3))), @r"
        ok: newest backup of app: 72 h 0 min old
        warning: last proven backup of app: none of its backups was ever proven to restore
        warning: newest backup of other: 432 h 0 min old
        warning: last proven backup of other: none of its backups was ever proven to restore
        ");
        let short = lines(&seen, &settings(Some(2), None));
        assert!(short.contains("warning: newest backup of app"), "{short}");
        assert!(
            short.contains("ok: last proven backup of app: none yet"),
            "{short}"
        );
    }

    #[test]
    fn a_configured_database_without_any_backup_is_told_of() {
        let mut seen = seen(&[("spare", 1)], &[]);
        insta::assert_snapshot!(lines(&seen, &settings(Some(3), Some(3))), @r"
        warning: newest backup of app: there is none
        ok: newest backup of spare: 456 h 0 min old
        ok: last proven backup of spare: none yet: `orchestrator drill` restores the newest backup into a scratch database and proves it
        ");
        let told = lines(&seen, &settings(None, None));
        assert!(
            told.contains("ok: newest backup of app: there is none yet"),
            "{told}"
        );
        // A storage that does not answer may have some.
        seen.is_complete = false;
        assert!(!lines(&seen, &settings(None, None)).contains("app"));
    }

    #[test]
    fn a_proven_backup_that_is_gone_is_told_of() {
        let gone = seen(&[("app", 19)], &[("app", 18, 19)]);
        let told = lines(&gone, &settings(None, Some(10)));
        assert!(told.contains("warning: last proven"), "{told}");
        assert!(told.contains("; it is in no storage any more"), "{told}");
        let told = lines(&gone, &settings(None, None));
        assert!(told.contains("ok: last proven"), "{told}");
        assert!(told.contains("; it is in no storage any more"), "{told}");

        let older = seen(&[("app", 15)], &[("app", 18, 19), ("app", 15, 16)]);
        let told = lines(&older, &settings(None, Some(10)));
        assert!(
            told.contains(&format!("ok: last proven backup of app: {}", id(15))),
            "{told}"
        );
        assert!(
            told.contains(&format!("no storage any more: {}", id(18))),
            "{told}"
        );
    }
}

//! Reads a backup back and checks every byte against its manifest.

mod reading;

use archive::layout;
use archive::manifest::{Comparison, compare};
use orchestrator_sdk::{Error, Operation, run, storage};
use serde::Deserialize;
use serde_json::{Value, json};

/// As many as the description of `jobs` in `plugin.toml` says.
const JOBS_MAX: usize = 64;

struct Verify;

#[derive(Deserialize)]
struct Parameters {
    storage: String,
    backup: String,
    jobs: usize,
    whole: bool,
}

impl Operation for Verify {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        if !(1..=JOBS_MAX).contains(&parameters.jobs) {
            return Err(Error::invalid_input(format!(
                "jobs is {}, and has to be 1 to {JOBS_MAX}",
                parameters.jobs
            )));
        }
        let started = run::now();
        run::phase("reading the manifest");
        let store = storage::open(&parameters.storage)?;
        let prefix = parameters.backup.trim_end_matches('/');
        let manifest = backups::read_manifest(&store, prefix)?.ok_or_else(|| {
            Error::not_found(format!(
                "there is no backup at {prefix}: {} does not exist",
                layout::MANIFEST
            ))
            .hint("`orchestrator backup list` shows the backups there are")
        })?;
        if parameters.whole && !manifest.filters.is_whole() {
            return Err(Error::conflict(format!(
                "the backup {} holds a part of {} alone: what is not in it could not be brought back",
                manifest.backup, manifest.database
            ))
            .hint("take a backup of the whole database, and name that one"));
        }
        let mut stored = Vec::new();
        store.for_each(&format!("{prefix}/"), |object| {
            stored.push((object.key[prefix.len() + 1..].to_owned(), object.bytes));
            Ok(())
        })?;
        let Comparison {
            readable,
            mut problems,
            strangers,
        } = compare(&manifest, &stored);
        for name in &strangers {
            run::warn(&format!(
                "{prefix}/{name} is not part of the backup: its manifest does not name it"
            ));
        }
        if dry_run {
            return Ok(json!({
                "backup": manifest.backup,
                "would_read": { "objects": readable.len(), "bytes": manifest.totals.bytes },
                "problems": problems,
                "unknown_objects": strangers,
            }));
        }
        run::phase("verifying");
        let read = reading::check(&store, prefix, &readable, parameters.jobs)?;
        problems.extend(read.problems);
        let seconds = run::now().saturating_sub(started) as f64 / 1000.0;
        let verification = json!({
            "backup": manifest.backup,
            "objects": readable.len(),
            "bytes": read.bytes,
            "seconds": seconds,
            "bytes_per_second": (read.bytes as f64 / seconds.max(0.001)).round(),
            "unknown_objects": strangers,
            "problems": problems,
        });
        run::fact("verification", &verification)?;
        if problems.is_empty() {
            return Ok(verification);
        }
        Err(Error::corrupt(format!(
            "{} of the {} objects of the backup {} are missing, cut off or changed",
            problems.len(),
            manifest.objects.len(),
            manifest.backup
        ))
        .detail(problems.join("; "))
        .hint("take a new backup now, and keep this one until an older copy of it has been looked for"))
    }
}

orchestrator_sdk::export!(Verify);

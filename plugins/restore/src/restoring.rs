//! The restore from its first question to its report: both sides are looked at, the whole is decided, every byte is checked,
//! and only then does the target change.

use archive::Entry;
use orchestrator_sdk::{Error, ErrorKind, run};
use serde_json::{Value, json};

use crate::backup::Backup;
use crate::decision::Decision;
use crate::drill;
use crate::parameters::Parameters;
use crate::progress::Progress;
use crate::report::Report;
use crate::sessions::Sessions;
use crate::verification::verify;

/// Runs the step.
pub fn restore(mut parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
    parameters.check()?;
    let mut report = Report::new();
    run::phase("reading the backup");
    let backup = Backup::open(&parameters.storage, parameters.prefix())?;
    run::phase("looking at the target");
    let sessions = Sessions::new(&parameters.database, &backup.toc)?;
    let mut progress = Progress::default();
    if parameters.resume {
        progress = Progress::resume(&sessions.open()?, &backup, &mut parameters)?;
        report.resumed = Some(progress.count());
    }
    let (decision, findings) = Decision::prepare(&parameters, &backup, sessions, progress)?;
    for warning in &findings.warnings {
        run::warn(warning);
    }
    if dry_run {
        return Ok(decision.describe(&findings));
    }
    findings.into_result()?;
    check_bytes(&decision, &mut report)?;
    decision.change(&mut report)?;
    let identity = json!({
        "id": backup.facts.name,
        "location": parameters.prefix(),
        "snapshot_time": backup.facts.snapshot_time,
    });
    run::fact("backup", &identity)?;
    drill::tell(&parameters, backup.facts.filters.as_ref(), &report)?;
    Ok(report.into_json(parameters.mode.name(), &identity))
}

/// Tells progress how much there is to do, and reads what is going to be restored to its end.
fn check_bytes(decision: &Decision<'_>, report: &mut Report) -> Result<(), Error> {
    let backup = decision.backup;
    let is_left = |entry: &Entry| !decision.progress.is_done(entry.dump_id);
    let needed = backup.needed(&decision.selection, &is_left)?;
    let tables = decision.plan.tables.iter();
    let to_load: u64 = tables
        .map(|index| &backup.toc.entries[*index])
        .filter(|entry| is_left(entry))
        .map(|entry| backup.expected_bytes(entry))
        .sum();
    let scripts = decision.plan.tables.len() + decision.plan.post_data.len();
    // Beside the target nothing is lost when a byte is wrong, and everything is read again for the comparison.
    if decision.parameters.skip_verify || decision.parameters.mode.is_beside() {
        run::expect(to_load, scripts as u64);
        return Ok(());
    }
    let to_read: u64 = needed.iter().map(|object| object.bytes).sum();
    run::expect(to_read + to_load, (needed.len() + scripts) as u64);
    report.phase("verifying", |report| {
        let bytes = match verify(backup, &needed, decision.parameters.jobs) {
            Ok(bytes) => bytes,
            // What is damaged fails by itself, and is named then.
            Err(error) if decision.parameters.keep_going && error.kind == ErrorKind::Corrupt => {
                run::warn(&error.message);
                0
            }
            Err(error) => return Err(error),
        };
        report.verified = Some((needed.len(), bytes));
        Ok((needed.len() as u64, ()))
    })
}

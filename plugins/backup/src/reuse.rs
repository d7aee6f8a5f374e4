//! Whether the newest backup is as good as a new one would be: nothing was written since.
//!
//! A position of the WAL alone does not say so: checkpoints and the server's own bookkeeping move it while nobody writes. What counts is
//! which transactions have ended: a new backup would see those that the old one's snapshot saw, and no others. Those that wrote a row
//! of the deployment log, and nothing else, are told by that row.

use archive::layout::BackupFolder;
use archive::manifest::{Manifest, Snapshot};
use orchestrator_sdk::postgres::{self, Isolation, Target, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, ErrorKind, run, storage};

/// Of these many transactions at least one will have written something.
const TRANSACTIONS_MAX: i64 = 50_000;

/// The transactions that ended between two snapshots, but for those that are told not to count.
const WRITTEN: &str = "SELECT count(*) AS written FROM pg_catalog.generate_series($1::bigint, $2::bigint - 1) AS x(id) \
     WHERE NOT pg_catalog.pg_visible_in_snapshot(x.id::text::xid8, $3::text::pg_snapshot) \
     AND pg_catalog.pg_visible_in_snapshot(x.id::text::xid8, $4::text::pg_snapshot) \
     AND pg_catalog.pg_xact_status(x.id::text::xid8) IS DISTINCT FROM 'aborted' \
     AND x.id <> ALL ($5::text::bigint[])";

/// The newest backup, if it holds what a new one would; why not, in the log.
pub fn usable(database: &str, storage: &str) -> Result<Option<(BackupFolder, Manifest)>, Error> {
    run::phase("looking for a backup that is new enough");
    let store = storage::open(storage)?;
    let connection = postgres::connect(database, Target::Database)?;
    let name = connection.server().database;
    let found = match backups::newest(&store, &name) {
        Ok(found) => found,
        // Damaged, encrypted for others, or a later program's: then a new one is worth having.
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::Corrupt | ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            run::info(&format!(
                "the newest backup is not used again: {}",
                error.message
            ));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some((folder, manifest)) = found else {
        run::info("there is no backup yet that could be used again");
        return Ok(None);
    };
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: true,
        snapshot: None,
    })?;
    match reason_against(&transaction, &manifest)? {
        None => Ok(Some((folder, manifest))),
        Some(reason) => {
            run::info(&format!(
                "the backup {} is not used again: {reason}",
                folder.id
            ));
            Ok(None)
        }
    }
}

fn reason_against(transaction: &Transaction, manifest: &Manifest) -> Result<Option<String>, Error> {
    if !manifest.filters.is_whole() {
        return Ok(Some("it holds a part of the database".to_owned()));
    }
    let now = crate::description::moment(transaction)?;
    let then = &manifest.snapshot;
    let known = |moment: &Snapshot| moment.system.is_some() && moment.timeline.is_some();
    if !known(then) || !known(&now) {
        return Ok(Some(
            "it does not say which server it is of, or the server does not".to_owned(),
        ));
    }
    if (&then.system, then.timeline) != (&now.system, now.timeline) {
        return Ok(Some("it is of another server".to_owned()));
    }
    let (Some(before), Some(after)) = (&then.transactions, &now.transactions) else {
        return Ok(Some("it does not say which transactions it saw".to_owned()));
    };
    let (Some((first, _)), Some((_, next))) = (bounds(before), bounds(after)) else {
        return Ok(Some("its snapshot is none of PostgreSQL's".to_owned()));
    };
    if next.saturating_sub(first) > TRANSACTIONS_MAX {
        return Ok(Some(format!(
            "{} transactions have begun since",
            next.saturating_sub(first)
        )));
    }
    let own = own_transactions(transaction)?;
    let parameters = [
        first.into(),
        next.into(),
        before.as_str().into(),
        after.as_str().into(),
        own.as_str().into(),
    ];
    let written: i64 = transaction
        .query_one(WRITTEN, &parameters)?
        .get("written")?;
    Ok((written > 0).then(|| format!("{written} transactions have written since")))
}

/// `xmin` and `xmax` of a snapshot, as `xmin:xmax:xip`.
fn bounds(snapshot: &str) -> Option<(i64, i64)> {
    let mut parts = snapshot.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Those that wrote rows of the deployment log, as an array; none where it lies elsewhere.
fn own_transactions(transaction: &Transaction) -> Result<String, Error> {
    let there = transaction.query_one(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('orchestrator.deployment_log') \
         AND attname = 'written_in' AND NOT attisdropped) \
         AND pg_catalog.has_table_privilege('orchestrator.deployment_log', 'SELECT') AS there",
        &[],
    )?;
    if !there.get("there")? {
        return Ok("{}".to_owned());
    }
    let row = transaction.query_one(
        "SELECT coalesce(pg_catalog.array_agg(DISTINCT x::text::bigint), '{}')::text AS own \
         FROM orchestrator.deployment_log, pg_catalog.unnest(written_in) AS x",
        &[],
    )?;
    row.get("own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_have_bounds() {
        assert_eq!(bounds("735:740:736,738"), Some((735, 740)));
        assert_eq!(bounds("735:735:"), Some((735, 735)));
        assert_eq!(bounds("x"), None);
    }
}

//! What the manifest says about the database beside its contents.

use archive::manifest::{Extension, Locale, Snapshot};
use orchestrator_sdk::postgres::Transaction;
use orchestrator_sdk::{Error, Value};

pub(crate) struct Description {
    pub snapshot: Snapshot,
    pub encoding: String,
    pub locale: Locale,
    pub extensions: Vec<Extension>,
}

/// The columns of pg_database are named differently from 15 (datlocprovider) and 17 (datlocale) on; as JSON they can be asked
/// for by name whether they exist or not.
const DATABASE: &str = "SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding, \
     coalesce(pg_catalog.to_jsonb(d)->>'datlocprovider', 'c') AS provider, \
     d.datcollate::text AS collate, d.datctype::text AS ctype, \
     coalesce(pg_catalog.to_jsonb(d)->>'datlocale', pg_catalog.to_jsonb(d)->>'daticulocale') AS locale \
     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

const EXTENSIONS: &str = "SELECT e.extname::text AS name, e.extversion AS version, n.nspname::text AS schema \
     FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY 1";

/// Only a server that takes changes knows the name of the file it writes to, which begins with the timeline.
const MOMENT: &str = "SELECT pg_catalog.to_char(pg_catalog.transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS time, \
     CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
     ELSE pg_catalog.pg_current_wal_lsn() END::text AS lsn, \
     CASE WHEN NOT pg_catalog.pg_is_in_recovery() \
     THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END AS timeline, \
     pg_catalog.pg_current_snapshot()::text AS transactions, \
     pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify";

/// Some providers keep this function to themselves.
const SYSTEM: &str = "SELECT system_identifier::text AS system FROM pg_catalog.pg_control_system()";

/// What a transaction sees.
pub(crate) fn moment(transaction: &Transaction) -> Result<Snapshot, Error> {
    let row = transaction.query_one(MOMENT, &[])?;
    let system = match row.get("may_identify")? {
        true => Some(transaction.query_one(SYSTEM, &[])?.get("system")?),
        false => None,
    };
    let timeline: Option<&str> = row.get("timeline")?;
    Ok(Snapshot {
        time: row.get("time")?,
        lsn: row.get("lsn")?,
        timeline: timeline.and_then(|hex| u32::from_str_radix(hex, 16).ok()),
        system,
        transactions: row.get("transactions")?,
    })
}

pub(crate) fn read(transaction: &Transaction) -> Result<Description, Error> {
    let row = transaction.query_one(DATABASE, &[] as &[Value])?;
    let extensions = transaction.query(EXTENSIONS, &[])?.map(|row| {
        Ok(Extension {
            name: row.get("name")?,
            version: row.get("version")?,
            schema: row.get("schema")?,
        })
    })?;
    let provider = match row.get::<&str>("provider")? {
        "c" => "libc",
        "i" => "icu",
        "b" => "builtin",
        other => {
            return Err(Error::unsupported(format!(
                "the locale provider {other:?} is not known"
            )));
        }
    };
    Ok(Description {
        snapshot: moment(transaction)?,
        encoding: row.get("encoding")?,
        locale: Locale {
            provider: provider.to_owned(),
            collate: row.get("collate")?,
            ctype: row.get("ctype")?,
            locale: row.get("locale")?,
        },
        extensions,
    })
}

//! Built against the contract 0.1.0 as it was laid out first: a plugin of that day has to run on every later host. It calls each
//! function of that contract, and looks at what comes back.

wit_bindgen::generate!({ path: "wit", world: "operation" });

use orchestrator::plugin::postgres::{
    Connection, Isolation, Rows, Step, Target, Transaction, TransactionOptions, connect,
};
use orchestrator::plugin::run;
use orchestrator::plugin::storage::{self, Draft, Range, Store};
use orchestrator::plugin::streams::{ByteSource, TransferOptions, wait_any};
use orchestrator::plugin::types::{ErrorKind, Value};

struct FirstContract;

export!(FirstContract);

const PREFIX: &str = "first/2026-01-17T02-00-00Z-full-0a1b2c3d";

impl Guest for FirstContract {
    fn execute(request: Request) -> Result<String, Error> {
        // `{"database":"…","storage":"…"}`, as the host writes it.
        let parameter = |name: &str| {
            let (_, rest) = request.parameters.split_once(&format!("\"{name}\":\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let database = parameter("database").ok_or_else(|| wrong("no database"))?;
        let storage = parameter("storage").ok_or_else(|| wrong("no storage"))?;
        runs()?;
        let connection = connect(&database, Target::Database)?;
        statements(&database, &connection)?;
        streams(&connection)?;
        objects(&storage)?;
        Ok(format!(
            "{{\"dry_run\": {}, \"all\": \"well\"}}",
            request.dry_run
        ))
    }
}

fn runs() -> Result<(), Error> {
    run::phase("looking at the run");
    run::expect(100, 2);
    for level in [run::Level::Debug, run::Level::Info, run::Level::Warning] {
        run::log(level, "a line of the first contract");
    }
    run::warn("a warning of the first contract");
    run::fact("change", "\"the first contract\"")?;
    expect(run::now() > 1_700_000_000_000, "the clock")?;
    expect(run::random() != run::random(), "random numbers")?;
    expect(
        !run::id().is_empty() && run::host().starts_with("orchestrator "),
        "names",
    )?;
    expect(!run::cancelled(), "not cancelled")
}

fn statements(database: &str, connection: &Connection) -> Result<(), Error> {
    let server = connection.server();
    expect(
        server.version >= 130_000
            && server.version_text.contains('.')
            && server.database == server.bound_database
            && !server.user.is_empty()
            && !server.in_recovery,
        "the server",
    )?;
    let maintenance = connect(database, Target::Maintenance)?;
    expect(
        maintenance.server().database != server.database,
        "the maintenance database",
    )?;
    connection.execute(
        "CREATE TABLE public.first (id int, name text, at timestamptz)",
        &[],
    )?;
    let parameters = [
        Value::Integer(1),
        Value::Text("one".to_owned()),
        Value::Null,
    ];
    let inserted = connection.execute(
        "INSERT INTO public.first VALUES ($1, $2, $3::timestamptz)",
        &parameters,
    )?;
    expect(inserted == 1, "a row")?;
    let rows = connection.query(
        "SELECT id, name, at, 1.5::float8, true, '\\x01'::bytea FROM public.first",
        &[],
    )?;
    expect(rows.columns()[1].type_name == "text", "columns")?;
    let row = all(&rows)?.remove(0);
    expect(
        matches!(&row[..], [Value::Integer(1), Value::Text(name), Value::Null, Value::Float(_), Value::Boolean(true), Value::Bytes(_)] if name == "one"),
        "values",
    )?;
    let steps = vec![
        Step::Statement("INSERT INTO public.first VALUES (2, 'two', now())".to_owned()),
        Step::CopyIn((
            "COPY public.first FROM STDIN".to_owned(),
            ByteSource::from_bytes(b"3\tthree\t\\N\n"),
        )),
        Step::Statement("SELECT pg_catalog.lo_create(4242)".to_owned()),
        Step::WriteLargeObject((4242, ByteSource::from_bytes(b"large"))),
    ];
    let receipt = connection
        .run_script(steps, true, &options("a script"))?
        .wait()?;
    expect(receipt.steps[..2] == [1, 1], "a script")?;
    let failed = connection
        .query("SELECT nothing", &[])
        .map(|_| ())
        .expect_err("no such column");
    expect(
        failed.kind == ErrorKind::Database && failed.sqlstate.as_deref() == Some("42703"),
        "an error",
    )?;

    let first = begin(connection, Isolation::RepeatableRead, true, None)?;
    let snapshot = first.export_snapshot()?;
    let other = connect(database, Target::Database)?;
    let second = begin(&other, Isolation::RepeatableRead, true, Some(snapshot))?;
    expect(
        all(&second.query("SELECT 1 FROM public.first", &[])?)?.len() == 3,
        "a snapshot",
    )?;
    let read = second.read_large_object(4242)?;
    expect(read.read(1024)? == b"large", "a large object")?;
    drop(read);
    Transaction::rollback(second)?;
    Transaction::commit(first)?;
    let dropped = begin(connection, Isolation::Serializable, false, None)?;
    dropped.execute("DELETE FROM public.first", &[])?;
    drop(dropped);
    let left = connection.query("SELECT 1 FROM public.first", &[])?;
    expect(all(&left)?.len() == 3, "a transaction that is dropped")
}

fn streams(connection: &Connection) -> Result<(), Error> {
    let transaction = begin(connection, Isolation::ReadCommitted, false, None)?;
    let out = transaction.copy_out("COPY (SELECT id FROM public.first ORDER BY id) TO STDOUT")?;
    let plain = ByteSource::gunzip(ByteSource::gzip(out, 6)?);
    // printf '1\n2\n3\n' | sha256sum
    let digest = "14c5e74c4b96ccef41cd94db73a9ec3348038ac094feca4fd897cecffa07cdae";
    let whole = ByteSource::expect(plain, 6, digest)?;
    let receipt = ByteSource::discard(whole, &options("checked"))?.wait()?;
    expect(receipt.sha256 == digest, "a digest")?;
    let other = ByteSource::expect(ByteSource::from_bytes(b"4\n"), 2, digest)?;
    let failed = ByteSource::discard(other, &options("checked"))?.wait();
    expect(
        failed.is_err_and(|error| error.kind == ErrorKind::Corrupt),
        "another digest",
    )?;
    let out = transaction.copy_out("COPY (SELECT id FROM public.first ORDER BY id) TO STDOUT")?;
    let discarded = ByteSource::discard(out, &options("discarded"))?;
    let cancelled = ByteSource::discard(ByteSource::from_bytes(b"x"), &options("cancelled"))?;
    cancelled.cancel();
    let ended = wait_any(&[&discarded])?;
    expect(
        ended == 0 && discarded.wait()?.plain_bytes == 6,
        "a transfer",
    )?;
    let rows = ByteSource::from_bytes(b"4\tfour\t\\N\n");
    let copied = transaction.copy_in("COPY public.first FROM STDIN", rows, &options("rows"))?;
    expect(copied.wait()?.rows == Some(1), "copied rows")?;
    Transaction::commit(transaction)
}

fn objects(binding: &str) -> Result<(), Error> {
    let store = storage::open(binding)?;
    let draft = store.create(PREFIX)?;
    let sources = vec![ByteSource::from_bytes(b"ab"), ByteSource::from_bytes(b"cd")];
    let receipt = draft
        .put("toc.dat", sources, &options("an object"))?
        .wait()?;
    expect(
        receipt.bytes == 4 && receipt.parts.len() == 2 && receipt.sha256.len() == 64,
        "a receipt",
    )?;
    Draft::publish(draft, "manifest.json", b"{}")?;
    let key = format!("{PREFIX}/toc.dat");
    expect(
        store.head(&key)?.is_some_and(|object| object.bytes == 4),
        "an object",
    )?;
    let range = Range {
        offset: 1,
        bytes: 2,
    };
    expect(store.get(&key, Some(range))?.read(10)? == b"bc", "a range")?;
    expect(keys(&store)? == 2, "a list")?;
    expect(store.folders("first/")?.len() == 1, "folders")?;
    store.delete(&[key, format!("{PREFIX}/manifest.json")])?;
    expect(keys(&store)? == 0, "nothing left")
}

fn keys(store: &Store) -> Result<usize, Error> {
    let page = store.list("first/", None)?;
    let after = page.last().map(|object| object.key.clone());
    let next = store.list("first/", after.as_deref())?;
    Ok(page.len() + next.len())
}

fn begin(
    connection: &Connection,
    isolation: Isolation,
    read_only: bool,
    snapshot: Option<String>,
) -> Result<Transaction, Error> {
    connection.begin(&TransactionOptions {
        isolation,
        read_only,
        snapshot,
    })
}

fn all(rows: &Rows) -> Result<Vec<Vec<Value>>, Error> {
    let mut all = Vec::new();
    while let Some(batch) = rows.next()? {
        all.extend(batch.rows);
    }
    Ok(all)
}

fn options(label: &str) -> TransferOptions {
    TransferOptions {
        label: label.to_owned(),
        expected_bytes: 0,
    }
}

fn expect(is_so: bool, what: &str) -> Result<(), Error> {
    if is_so { Ok(()) } else { Err(wrong(what)) }
}

fn wrong(what: &str) -> Error {
    Error {
        kind: ErrorKind::Internal,
        message: format!("the host is not as the first contract says: {what}"),
        sqlstate: None,
        detail: None,
        hint: None,
    }
}

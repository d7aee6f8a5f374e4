//! `postgres`: connections, transactions, queries and copies, by the name of a binding.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use manifest::Access;
use tokio_postgres::SimpleQueryMessage;
use wasmtime::component::Resource;

use super::context::StepContext;
use super::growth;
use super::rows::{RowCursor, check_count};
use super::scratch::Scratch;
use super::scripts;
use super::sessions::{Beginning, Link, Server, Session, Transaction};
use super::statements::{check_copy, check_script, check_script_within, check_statement};
use super::streams::ByteSource;
use super::v0_1_0::orchestrator::plugin::postgres::{
    self as wire, Host, HostConnection, HostRows, HostTransaction, Isolation, Step, Target,
    TransactionOptions,
};
use super::v0_1_0::orchestrator::plugin::streams::TransferOptions;
use super::v0_1_0::orchestrator::plugin::types::{Column, RowBatch, Value};
use super::values::Parameter;
use crate::database::{
    self, Connection, ConnectionSettings, DatabaseError, DatabaseErrorKind, MAINTENANCE_DATABASE,
};
use crate::failure::{Failure, FailureKind};
use crate::transfer::meter::Meter;
use crate::transfer::{Receipt, Transfer};

impl Host for StepContext {
    async fn connect(
        &mut self,
        binding: String,
        target: Target,
    ) -> Result<Resource<Session>, Failure> {
        let access = self.grants.database(&binding)?;
        let settings = self.bound_database(&binding)?;
        let bound_database = settings.database.clone();
        let settings = match target {
            Target::Database => settings.clone(),
            Target::Maintenance => self.maintenance_of(&binding, access)?,
        };
        self.open_session(binding, settings, access, bound_database)
            .await
    }

    async fn take_scratch(&mut self, binding: String) -> Result<Resource<Scratch>, Failure> {
        self.take_scratch_of(&binding)
    }
}

impl StepContext {
    /// The steps of a script with their streams, and what counts those.
    fn taken(
        &mut self,
        steps: Vec<Step>,
    ) -> Result<(Vec<scripts::Step>, Vec<Arc<Meter>>), Failure> {
        let mut meters = Vec::new();
        let mut taken = Vec::with_capacity(steps.len());
        for step in steps {
            taken.push(match step {
                Step::Statement(sql) => scripts::Step::Statement(sql),
                Step::CopyIn((sql, source)) => {
                    let source = self.released(source)?.into_source();
                    check_copy(&sql, "from", "stdin")?;
                    meters.push(source.meter());
                    scripts::Step::CopyIn(sql, source)
                }
                Step::WriteLargeObject((oid, source)) => {
                    let source = self.released(source)?.into_source();
                    meters.push(source.meter());
                    scripts::Step::WriteLargeObject(oid, source)
                }
            });
        }
        Ok((taken, meters))
    }

    /// Once for each binding: a plugin that writes as a superuser is kept in by nothing.
    fn warn_of_superuser(&mut self, binding: &str, session: &Session) {
        let is_told = self.reached.contains(binding);
        let Some(name) = &self.configured else {
            return;
        };
        if !session.server.is_superuser || session.access < Access::Write || is_told {
            return;
        }
        self.report.warnings.push(format!(
            "the plugin {name} has the access `{}` to the database {binding} as {}, a superuser: it can do there what the server's \
             own user can; give the binding another role, or grant tables instead",
            session.access.name(),
            session.server.user,
        ));
    }

    pub(super) fn bound_database(&self, binding: &str) -> Result<&ConnectionSettings, Failure> {
        self.bindings
            .databases
            .get(binding)
            .ok_or_else(|| Failure::not_found(format!("there is no database named {binding:?}")))
    }

    /// The maintenance database of the binding's server.
    pub(super) fn maintenance_of(
        &self,
        binding: &str,
        access: Access,
    ) -> Result<ConnectionSettings, Failure> {
        if access < Access::Admin {
            return Err(Failure::refused(format!(
                "the maintenance database of {binding} needs the access `admin`, and `{access:?}` was granted"
            )));
        }
        let settings = self.bound_database(binding)?;
        Ok(settings.with_database(MAINTENANCE_DATABASE))
    }

    /// `bound_database` is the one that the binding names.
    pub(super) async fn open_session(
        &mut self,
        binding: String,
        settings: ConnectionSettings,
        access: Access,
        bound_database: String,
    ) -> Result<Resource<Session>, Failure> {
        let limit = self.grants.limits.connections;
        if self.connections.load(Ordering::SeqCst) >= limit {
            return Err(
                Failure::limit(format!("more than {limit} connections at once"))
                    .hint("the limit is `connections` in the plugin's manifest and grants"),
            );
        }
        if self.configured.is_some() && !self.watchers.contains_key(&settings.database) {
            // The plugin's own role may have no more connections than the plugin.
            let watched_as = self.bindings.watched_as.get(&binding).unwrap_or(&settings);
            let watched_as = watched_as.with_database(&settings.database);
            let limit = self.grants.limits.database_growth;
            let watching = growth::watch(watched_as, &binding, limit, self.stop.clone());
            let watcher = self.stop.race(watching).await?;
            self.watchers.insert(settings.database.clone(), watcher);
        }
        let stop = self.stop.clone();
        let tasks = self.tasks.clone();
        let count = self.connections.clone();
        let was_there = self.reached.contains(&binding);
        let name = binding.clone();
        let session = stop
            .race(async move {
                let connection = reach(&settings, was_there).await?;
                let link = Link::new(connection, tasks, count);
                let (mut server, process) = introduce(&link, bound_database).await?;
                link.served_by(process, &settings);
                server.schema.clone_from(&settings.schema);
                if database::changes_sessions(link.client(), process, &settings).await? {
                    return Err(pooled(&name));
                }
                Ok(Session {
                    link,
                    access,
                    server,
                })
            })
            .await?;
        self.warn_of_superuser(&binding, &session);
        self.reached.insert(binding);
        self.keep(session)
    }
}

impl HostConnection for StepContext {
    async fn server(&mut self, connection: Resource<Session>) -> wasmtime::Result<wire::Server> {
        let server = &self.table.get(&connection)?.server;
        Ok(wire::Server {
            version: server.version,
            version_text: server.version_text.clone(),
            database: server.database.clone(),
            bound_database: server.bound_database.clone(),
            user: server.user.clone(),
            in_recovery: server.in_recovery,
        })
    }

    async fn schema(&mut self, connection: Resource<Session>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&connection)?.server.schema.clone())
    }

    async fn query(
        &mut self,
        connection: Resource<Session>,
        sql: String,
        parameters: Vec<Value>,
    ) -> Result<Resource<RowCursor>, Failure> {
        let link = writable(self.held(&connection)?)?;
        check_statement(&sql)?;
        let cursor = self
            .stop
            .race(async {
                let turn = link.enter().await?;
                RowCursor::open(link.clone(), &link.lane, turn, &sql, parameters).await
            })
            .await?;
        self.keep(cursor)
    }

    async fn execute(
        &mut self,
        connection: Resource<Session>,
        sql: String,
        parameters: Vec<Value>,
    ) -> Result<u64, Failure> {
        let link = writable(self.held(&connection)?)?;
        check_statement(&sql)?;
        self.stop
            .race(async {
                let _turn = link.enter().await?;
                execute(&link, &sql, parameters).await
            })
            .await
    }

    async fn begin(
        &mut self,
        connection: Resource<Session>,
        options: TransactionOptions,
    ) -> Result<Resource<Transaction>, Failure> {
        let session = self.held(&connection)?;
        let beginning = Beginning {
            isolation: match options.isolation {
                Isolation::ReadCommitted => "READ COMMITTED",
                Isolation::RepeatableRead => "REPEATABLE READ",
                Isolation::Serializable => "SERIALIZABLE",
            },
            read_only: options.read_only || session.access == Access::Read,
            snapshot: options.snapshot,
            is_reading: session.access == Access::Read,
        };
        let transaction = self
            .stop
            .race(Transaction::begin(session.link.clone(), beginning))
            .await?;
        self.keep(transaction)
    }

    async fn run_script(
        &mut self,
        connection: Resource<Session>,
        steps: Vec<Step>,
        atomic: bool,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        let link = writable(self.held(&connection)?)?;
        let (taken, meters) = self.taken(steps)?;
        for sql in scripts::texts(&taken) {
            check_script(sql)?;
        }
        let transfer = self.tasks.start(
            options.label,
            options.expected_bytes,
            meters,
            scripts::run(link, taken, atomic),
        )?;
        self.keep(transfer)
    }

    async fn drop(&mut self, connection: Resource<Session>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl HostTransaction for StepContext {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        parameters: Vec<Value>,
    ) -> Result<Resource<RowCursor>, Failure> {
        let transaction = self.held(&transaction)?;
        check_statement(&sql)?;
        let (link, lane) = (transaction.link.clone(), transaction.lane.clone());
        let cursor = self
            .stop
            .race(async {
                let turn = lane.enter().await?;
                RowCursor::open(link, &lane, turn, &sql, parameters).await
            })
            .await?;
        self.keep(cursor)
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        parameters: Vec<Value>,
    ) -> Result<u64, Failure> {
        let transaction = self.held(&transaction)?;
        check_statement(&sql)?;
        let (link, lane) = (transaction.link.clone(), transaction.lane.clone());
        self.stop
            .race(async {
                let _turn = lane.enter().await?;
                execute(&link, &sql, parameters).await
            })
            .await
    }

    async fn copy_out(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
    ) -> Result<Resource<ByteSource>, Failure> {
        check_copy(&sql, "to", "stdout")?;
        let source = self.held(&transaction)?.copy_out(sql);
        self.keep(ByteSource::new(source, "a copy"))
    }

    async fn copy_in(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        source: Resource<ByteSource>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        let source = self.released(source)?.into_source();
        check_copy(&sql, "from", "stdin")?;
        let transaction = self.held(&transaction)?;
        let (link, lane) = (transaction.link.clone(), transaction.lane.clone());
        let meter = source.meter();
        let meters = vec![meter.clone()];
        let transfer =
            self.tasks
                .start(options.label, options.expected_bytes, meters, async move {
                    let rows = Transaction::copy_in(link, lane, sql, source).await?;
                    Ok(Receipt {
                        plain_bytes: meter.plain_bytes(),
                        rows: Some(rows),
                        ..Receipt::default()
                    })
                })?;
        self.keep(transfer)
    }

    async fn read_large_object(
        &mut self,
        transaction: Resource<Transaction>,
        oid: u32,
    ) -> Result<Resource<ByteSource>, Failure> {
        let source = self.held(&transaction)?.read_large_object(oid);
        self.keep(ByteSource::new(source, format!("large object {oid}")))
    }

    async fn export_snapshot(
        &mut self,
        transaction: Resource<Transaction>,
    ) -> Result<String, Failure> {
        let transaction = self.held(&transaction)?;
        let (link, lane) = (transaction.link.clone(), transaction.lane.clone());
        self.stop
            .race(async {
                let _turn = lane.enter().await?;
                let row = link
                    .run(
                        link.client()
                            .query_one("SELECT pg_catalog.pg_export_snapshot()", &[]),
                    )
                    .await?;
                Ok(row.try_get(0)?)
            })
            .await
    }

    async fn run_script(
        &mut self,
        transaction: Resource<Transaction>,
        steps: Vec<Step>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        let held = self.held(&transaction)?;
        if held.is_reading {
            // Several statements go to the server as one text, and one of them could be a COMMIT that no lexer of ours sees.
            return Err(Failure::refused(
                "the access `read` allows no scripts, only single statements",
            )
            .hint("use `query` and `copy-out`, or grant the access `write`"));
        }
        let (link, lane, mark) = (held.link.clone(), held.lane.clone(), held.mark.clone());
        let (taken, meters) = self.taken(steps)?;
        for sql in scripts::texts(&taken) {
            check_script_within(sql)?;
        }
        let transfer = self.tasks.start(
            options.label,
            options.expected_bytes,
            meters,
            scripts::run_within(link, lane, mark, taken),
        )?;
        self.keep(transfer)
    }

    async fn commit(&mut self, transaction: Resource<Transaction>) -> Result<(), Failure> {
        let transaction = self.released(transaction)?;
        self.stop.race(transaction.end("COMMIT")).await
    }

    async fn rollback(&mut self, transaction: Resource<Transaction>) -> Result<(), Failure> {
        let transaction = self.released(transaction)?;
        self.stop.race(transaction.end("ROLLBACK")).await
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}

impl HostRows for StepContext {
    async fn columns(&mut self, rows: Resource<RowCursor>) -> wasmtime::Result<Vec<Column>> {
        Ok(self.table.get(&rows)?.columns.clone())
    }

    async fn next(&mut self, rows: Resource<RowCursor>) -> Result<Option<RowBatch>, Failure> {
        let stop = self.stop.clone();
        let cursor = self
            .table
            .get_mut(&rows)
            .map_err(|error| Failure::internal(error.to_string()))?;
        stop.race(cursor.next()).await
    }

    async fn drop(&mut self, rows: Resource<RowCursor>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        Ok(())
    }
}

/// How long a server that was there before may take to come back.
const RESTART: Duration = Duration::from_secs(30);

/// Connects. A server that this step has reached before is waited for: a restart ends its sessions, and then there is something
/// to undo.
async fn reach(
    settings: &ConnectionSettings,
    was_there: bool,
) -> Result<Connection, DatabaseError> {
    let began = Instant::now();
    loop {
        match database::connect(settings, "orchestrator").await {
            Err(error)
                if was_there
                    && error.kind == DatabaseErrorKind::Unreachable
                    && began.elapsed() < RESTART =>
            {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            other => return other,
        }
    }
}

/// Asks a server about itself; also for the process that serves the session. By the simple protocol: a prepared statement
/// would get lost behind a pooler that changes sessions.
async fn introduce(link: &Arc<Link>, bound_database: String) -> Result<(Server, i32), Failure> {
    const QUESTIONS: &str = "SELECT pg_catalog.current_setting('server_version_num') AS version, \
         pg_catalog.current_setting('server_version') AS version_text, pg_catalog.current_database() AS database, \
         current_user AS role, \
         pg_catalog.current_setting('is_superuser') AS is_superuser, pg_catalog.pg_is_in_recovery() AS in_recovery, pg_catalog.pg_backend_pid() AS process";
    let unexpected = || Failure::internal("the server's answer about itself is not understood");
    let answers = link.run(link.client().simple_query(QUESTIONS)).await?;
    let row = answers.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or_else(unexpected)?;
    let text = |column: &str| -> Result<String, Failure> {
        Ok(row.try_get(column)?.ok_or_else(unexpected)?.to_owned())
    };
    let number = |column: &str| text(column)?.parse::<i32>().map_err(|_| unexpected());
    let server = Server {
        version: number("version")?.unsigned_abs(),
        version_text: text("version_text")?,
        database: text("database")?,
        bound_database,
        schema: None,
        user: text("role")?,
        in_recovery: text("in_recovery")? == "t",
        is_superuser: text("is_superuser")? == "on",
    };
    Ok((server, number("process")?))
}

fn pooled(binding: &str) -> Failure {
    Failure::new(
        FailureKind::Unsupported,
        format!(
            "behind the address of {binding:?} a pooler gives each transaction another session (PgBouncer: pool_mode = \
             transaction)"
        ),
    )
    .detail("snapshots, locks and settings of a session get lost there, or are left to others")
    .hint("set `direct_url` of the database to the server's own address; `url` may stay the pooler's")
}

/// Under the access `read`, nothing runs outside a read-only transaction.
fn writable(session: &Session) -> Result<Arc<Link>, Failure> {
    if session.access == Access::Read {
        return Err(
            Failure::refused("the access `read` allows read-only transactions alone")
                .hint("call `begin`, or grant the access `write`"),
        );
    }
    Ok(session.link.clone())
}

async fn execute(link: &Arc<Link>, sql: &str, parameters: Vec<Value>) -> Result<u64, Failure> {
    let statement = link.run(link.client().prepare(sql)).await?;
    check_count(statement.params().len(), parameters.len())?;
    let parameters = parameters
        .into_iter()
        .map(Parameter::from)
        .collect::<Vec<_>>();
    link.run(link.client().execute_raw(&statement, parameters))
        .await
}

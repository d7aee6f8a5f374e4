//! `postgres`: connections, transactions, queries and copies, by the name of a binding.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use manifest::Access;
use wasmtime::component::Resource;

use super::context::StepContext;
use super::rows::{RowCursor, check_count};
use super::scripts;
use super::sessions::{Beginning, Link, Server, Session, Transaction};
use super::statements::{OfDatabase, check_copy, check_statement, of_database};
use super::streams::ByteSource;
use super::v0_1_0::orchestrator::plugin::postgres::{
    self as wire, Host, HostConnection, HostRows, HostTransaction, Isolation, Step, Target,
    TransactionOptions,
};
use super::v0_1_0::orchestrator::plugin::streams::TransferOptions;
use super::v0_1_0::orchestrator::plugin::types::{Column, RowBatch, Value};
use super::values::Parameter;
use crate::database;
use crate::failure::Failure;
use crate::transfer::{Receipt, Transfer};

impl Host for StepContext {
    async fn connect(
        &mut self,
        binding: String,
        target: Target,
    ) -> Result<Resource<Session>, Failure> {
        let access = self.grants.database(&binding)?;
        let settings =
            self.bindings.databases.get(&binding).ok_or_else(|| {
                Failure::not_found(format!("there is no database named {binding:?}"))
            })?;
        let bound_database = settings.database.clone();
        let settings = match target {
            Target::Database => settings.clone(),
            Target::Maintenance if access < Access::Admin => {
                return Err(Failure::refused(format!(
                    "the maintenance database of {binding} needs the access `admin`, and `{access:?}` was granted"
                )));
            }
            Target::Maintenance => settings.with_database(MAINTENANCE_DATABASE),
        };
        let limit = self.grants.limits.connections;
        if self.connections.load(Ordering::SeqCst) >= limit {
            return Err(
                Failure::limit(format!("more than {limit} connections at once"))
                    .hint("the limit is `connections` in the plugin's manifest and grants"),
            );
        }
        let stop = self.stop.clone();
        let tasks = self.tasks.clone();
        let count = self.connections.clone();
        let session = stop
            .race(async move {
                let connection = database::connect(&settings, "orchestrator").await?;
                let link = Link::new(connection, tasks, count);
                let row = link
                    .run(link.client().query_one(
                        "SELECT pg_catalog.current_setting('server_version_num')::int4, \
                         pg_catalog.current_setting('server_version'), pg_catalog.current_database()::text, \
                         current_user::text, pg_catalog.pg_is_in_recovery()",
                        &[],
                    ))
                    .await?;
                let server = Server {
                    version: row.try_get::<_, i32>(0)?.unsigned_abs(),
                    version_text: row.try_get(1)?,
                    database: row.try_get(2)?,
                    bound_database,
                    user: row.try_get(3)?,
                    in_recovery: row.try_get(4)?,
                };
                Ok(Session {
                    binding,
                    link,
                    access,
                    server,
                })
            })
            .await?;
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
        let session = self.held(&connection)?;
        let link = writable(session)?;
        check_statement(&sql)?;
        let effect = of_database(&sql).map(|effect| (session.binding.clone(), effect));
        if let Some((binding, OfDatabase::Create(name))) = &effect {
            self.drafts.creating(binding, name)?;
        }
        let result = self
            .stop
            .race(async {
                let _turn = link.enter().await?;
                execute(&link, &sql, parameters).await
            })
            .await;
        match (&effect, &result) {
            // An error of the server alone says that there is none: after any other it may have been created.
            (Some((binding, OfDatabase::Create(name))), Err(failure))
                if failure.sqlstate.is_some() =>
            {
                self.drafts.dropped(binding, name);
            }
            (Some((binding, OfDatabase::Drop(name))), Ok(_)) => self.drafts.dropped(binding, name),
            _ => {}
        }
        result
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

/// Exists on every server that initdb made, and is nobody's own.
const MAINTENANCE_DATABASE: &str = "postgres";

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

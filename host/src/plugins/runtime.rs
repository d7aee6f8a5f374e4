//! Runs one step: a fresh store, a deadline, a result.

use std::path::Path;
use std::time::Duration;

use manifest::Manifest;
use serde_json::Value;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, Store, Trap, UpdateDeadline};

use super::cache::CompiledCode;
use super::component::Inspection;
use crate::capabilities::context::{StepContext, StepSetup};
use crate::capabilities::streams::{TooManyBytes, TooManyHandles};
use crate::capabilities::v0_1_0::{OperationPre, Request};
use crate::capabilities::{StepReport, Stop, json};
use crate::failure::{Failure, FailureKind};

/// How often a running component looks at its deadline.
const TICK: Duration = Duration::from_millis(10);

/// The engine that all plugins of this process share.
pub struct Runtime {
    engine: Engine,
    cache: CompiledCode,
    linker: Linker<StepContext>,
}

/// A compiled plugin, checked against the contract.
pub struct Plugin {
    /// What it says about itself.
    pub manifest: Manifest,
    /// 64 lowercase hex digits, of the component.
    pub sha256: String,
    operation: OperationPre<StepContext>,
}

/// What a step leaves.
pub struct StepOutcome {
    /// The plugin's JSON document, or why there is none.
    pub result: Result<Value, Failure>,
    /// Warnings and facts.
    pub report: StepReport,
}

impl Runtime {
    /// `cache` is the folder for compiled code; without one, each start compiles anew.
    pub fn new(cache: Option<&Path>) -> Result<Self, Failure> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            // Sync-typed functions only: it halves the cost of a host call.
            .concurrency_support(false);
        let engine = Engine::new(&config)
            .map_err(|error| Failure::internal(format!("starting wasmtime: {error}")))?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|error| Failure::internal(format!("starting the epoch thread: {error}")))?;
        let mut linker = Linker::new(&engine);
        crate::capabilities::link(&mut linker)
            .map_err(|error| Failure::internal(format!("linking the contract: {error}")))?;
        Ok(Self {
            engine,
            cache: CompiledCode::in_folder(cache),
            linker,
        })
    }

    /// Checks and compiles a component; takes a second or so where it is not in the cache, so call it where blocking is fine.
    pub fn load(&self, component: &[u8]) -> Result<Plugin, Failure> {
        let inspection = Inspection::read(component)?;
        let compiled = self
            .cache
            .component(&self.engine, &inspection.sha256, component)?;
        let operation = self
            .linker
            .instantiate_pre(&compiled)
            .and_then(OperationPre::new)
            .map_err(|error| {
                Failure::invalid_input(format!("the component does not fit the contract: {error:#}"))
                    .hint("it must export `execute` as the world `operation` of contract 0.1.0 declares it")
            })?;
        Ok(Plugin {
            manifest: inspection.manifest,
            sha256: inspection.sha256,
            operation,
        })
    }

    /// Runs a step to its end, its background work and cleaning up included.
    pub async fn run(
        &self,
        plugin: &Plugin,
        setup: StepSetup,
        parameters: &Value,
        dry_run: bool,
    ) -> StepOutcome {
        let stop = setup.stop.clone();
        let limits = setup.grants.limits;
        let mut store = Store::new(&self.engine, StepContext::new(setup));
        store.limiter(|context| &mut context.limiter);
        store.set_hostcall_fuel(limits.call_bytes);
        watch(&mut store, stop.clone());
        let grace = tokio::spawn(stop.clone().watch(limits.grace));
        let deadline = tokio::spawn({
            let stop = stop.clone();
            async move {
                tokio::time::sleep(limits.deadline).await;
                stop.deadline();
            }
        });
        let request = Request {
            parameters: parameters.to_string(),
            dry_run,
        };
        let called = async {
            let operation = plugin.operation.instantiate_async(&mut store).await?;
            operation.call_execute(&mut store, &request).await
        }
        .await;
        deadline.abort();
        grace.abort();
        let excess = stop.excess();
        let result = match called {
            Ok(Ok(json)) => read_result(&json, limits.result_bytes),
            Ok(Err(error)) => Err(stopped_or(Failure::from(error), &stop)),
            Err(error) => Err(trapped(&plugin.manifest.name, &error, &store, &stop)),
        };
        let result = excess.map_or(result, Err);
        let mut report = store.data_mut().report();
        let closing = store.data().closing();
        // Dropping the store drops the plugin's handles: transactions roll back, transfers end.
        drop(store);
        report.warnings.extend(closing.await);
        StepOutcome { result, report }
    }
}

/// Looks at the stop on each tick, and lets other tasks run.
fn watch(store: &mut Store<StepContext>, stop: Stop) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if stop.is_over() {
            return Err(wasmtime::Error::new(Stopped));
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// A plugin that gave up because it was stopped: the reason of the stop, and what the plugin says beyond it.
fn stopped_or(failure: Failure, stop: &Stop) -> Failure {
    if failure.kind != FailureKind::Cancelled || !stop.is_stopped() {
        return failure;
    }
    let reason = stop.failure();
    Failure {
        detail: failure.detail.or(reason.detail),
        hint: failure.hint.or(reason.hint),
        ..Failure::new(reason.kind, reason.message)
    }
}

/// Why a component was ended from outside.
#[derive(Debug, thiserror::Error)]
#[error("the step was stopped")]
struct Stopped;

fn read_result(json: &str, limit: usize) -> Result<Value, Failure> {
    if json.len() > limit {
        return Err(Failure::limit(format!(
            "the plugin's result has {} bytes; {limit} are allowed",
            json.len()
        ))
        .hint("raise `result` in the limits"));
    }
    json::parse("the plugin's result", json)
}

fn trapped(
    name: &str,
    error: &wasmtime::Error,
    store: &Store<StepContext>,
    stop: &Stop,
) -> Failure {
    if error.downcast_ref::<Stopped>().is_some() {
        return stop.failure().detail(format!(
            "the plugin {name} did not return by itself and was ended"
        ));
    }
    if error.downcast_ref::<TooManyHandles>().is_some() {
        return Failure::limit(format!("the plugin {name} holds too many handles"))
            .hint("raise `resources` in the limits, if you trust it with that");
    }
    let limiter = &store.data().limiter;
    let limits = store.data().limits();
    if error.downcast_ref::<TooManyBytes>().is_some() {
        return Failure::limit(format!(
            "the plugin {name} handed over more than its {} MiB of memory in streams that nobody has read",
            limiter.limit_bytes() >> 20
        ))
        .hint("raise `memory` in the limits, if you trust it with that");
    }
    if limiter.refused() {
        return Failure::limit(format!(
            "the plugin {name} asked for more than its {} MiB of memory",
            limiter.limit_bytes() >> 20
        ))
        .hint("raise `memory` in the limits, if you trust it with that");
    }
    let whole = format!("{error:#}");
    // wasmtime keeps the type of this error to itself.
    if whole.contains("fuel allocated for hostcalls has been exhausted") {
        return Failure::limit(format!(
            "the plugin {name} passed more than {} MiB to this program in one call",
            limits.call_bytes >> 20
        ))
        .hint("raise `call` in the limits, if you trust it with that");
    }
    let reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => whole,
    };
    Failure::internal(format!("the plugin {name} trapped: {reason}"))
        .hint("this is a fault of the plugin; what it had begun was undone")
}

//! `run`: log, progress, facts, clock and random numbers.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{debug, info, warn};

use manifest::{SnapshotRight, StorageRight};

use super::context::StepContext;
use super::json;
use super::v0_1_0::orchestrator::plugin::run::{Host, Level};
use crate::failure::Failure;
use crate::text::{indented, printable};

/// Each becomes a line of the journal and of the report, however short it is.
const WARNINGS_MAX: usize = 1_000;
const FACTS_MAX: usize = 1_000;

/// Of what a plugin is doing; progress has one line.
const PHASE_CHARACTERS: usize = 200;

impl Host for StepContext {
    async fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let Some(left) = self.log_bytes_left.checked_sub(message.len() + 1) else {
            if self.log_bytes_left > 0 {
                self.log_bytes_left = 0;
                self.report
                    .warnings
                    .push("the plugin's log was cut: it reached its limit (`log_kib`)".to_owned());
            }
            return Ok(());
        };
        self.log_bytes_left = left;
        // A line of the log says whose it is, and a plugin cannot make it look like several.
        let message = match &self.configured {
            Some(name) => format!("{name}: {}", indented(&message)),
            None => indented(&message),
        };
        match level {
            Level::Debug => debug!(target: "plugin", "{message}"),
            Level::Info => info!(target: "plugin", "{message}"),
            Level::Warning => warn!(target: "plugin", "{message}"),
        }
        Ok(())
    }

    async fn warn(&mut self, message: String) -> wasmtime::Result<()> {
        let left = self.report_bytes_left.checked_sub(message.len() + 1);
        match left {
            Some(left) if self.report.warnings.len() < WARNINGS_MAX => {
                self.report_bytes_left = left;
                self.report.warnings.push(printable(&message));
            }
            _ if !self.warnings_cut => {
                self.warnings_cut = true;
                self.report.warnings.push(
                    "the plugin gave more warnings than are kept: they reached their limit (`result`)"
                        .to_owned(),
                );
            }
            _ => {}
        }
        Ok(())
    }

    async fn fact(&mut self, key: String, json: String) -> Result<(), Failure> {
        let known = !key.is_empty()
            && key.len() <= 64
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !known {
            return Err(Failure::invalid_input(format!(
                "the fact's key {key:?} is not in kebab-case"
            )));
        }
        self.may_tell(&key)?;
        let is_new = !self.report.facts.contains_key(&key);
        let left = self
            .report_bytes_left
            .checked_sub(key.len() + json.len())
            .filter(|_| !is_new || self.report.facts.len() < FACTS_MAX)
            .ok_or_else(|| {
                Failure::limit("the plugin's facts reached their limit")
                    .hint("raise `result_kib` in the plugin's limits")
            })?;
        let value = json::parse(&format!("the fact {key}"), &json)?;
        self.report_bytes_left = left;
        self.unfinished.told(&key, &value);
        self.report.facts.insert(key, value);
        Ok(())
    }

    async fn expect(&mut self, bytes: u64, items: u64) -> wasmtime::Result<()> {
        self.progress.expect(bytes, items);
        Ok(())
    }

    async fn phase(&mut self, name: String) -> wasmtime::Result<()> {
        let one_line = printable(&name).replace('\n', " ");
        let phase: String = one_line.chars().take(PHASE_CHARACTERS).collect();
        self.progress.phase(&phase);
        Ok(())
    }

    async fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0))
    }

    async fn random(&mut self) -> wasmtime::Result<u64> {
        // SplitMix64 (Steele, Lea and Flood, 2014): small, seeded, and the same on every machine.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    async fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.run.to_string())
    }

    async fn host(&mut self) -> wasmtime::Result<String> {
        Ok(concat!("orchestrator ", env!("CARGO_PKG_VERSION")).to_owned())
    }

    async fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.stop.is_stopped())
    }

    async fn sleep(&mut self, milliseconds: u32) -> Result<(), Failure> {
        let pause = tokio::time::sleep(Duration::from_millis(milliseconds.into()));
        self.stop
            .race(async {
                pause.await;
                Ok(())
            })
            .await
    }
}

impl StepContext {
    /// Later steps of the run, and whoever reads how to go back, trust these facts: they are told by whom the operator lets do what they say.
    fn may_tell(&self, key: &str) -> Result<(), Failure> {
        let Some(name) = &self.configured else {
            return Ok(());
        };
        let may = match key {
            "backup" => self.grants.has_storage(StorageRight::Write),
            "snapshot" => self.grants.has_snapshots(SnapshotRight::Create),
            "restore-command" | "snapshot-restore-command" | "proven" | "fire" => false,
            _ => true,
        };
        if may {
            return Ok(());
        }
        Err(
            Failure::refused(format!("the plugin {name} cannot tell the fact {key:?}")).hint(
                "`backup` is for those who may write into a storage, `snapshot` for those who may create one",
            ),
        )
    }
}

//! `/metrics`: what Prometheus is told, read when it asks. Whatever is away, the rest is told, and of it what was known last.

mod copies;
mod jobs;
mod schedules;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use super::control::{Control, Schedules};
use crate::failure::Failure;
use copies::{Copies, Storages};
use jobs::{Ended, JobStates};

/// What is read is told to everybody who asks within this time.
const KEPT: Duration = Duration::from_secs(5);
/// Jobs, or databases, that have labels of their own: those of the configuration always do.
const MOST_LABELS: usize = 200;

/// The metrics of one daemon.
pub struct Metrics {
    control: Arc<dyn Control>,
    last: Mutex<Last>,
}

struct Last {
    text: Option<(Instant, Arc<str>)>,
    storages: Storages,
    ended: Ended,
    jobs: JobStates,
}

impl Metrics {
    /// Begins to count the runs that end.
    pub fn new(control: Arc<dyn Control>) -> Self {
        let last = Last {
            text: None,
            storages: Storages::default(),
            ended: Ended::begin(&control.project()),
            jobs: JobStates::default(),
        };
        Self {
            control,
            last: Mutex::new(last),
        }
    }

    /// The text of OpenMetrics. Those who ask at the same time wait for the same answer, which waits a few seconds at most for what is read.
    pub async fn text(&self) -> Result<String, Failure> {
        let mut last = self.last.lock().await;
        let last = &mut *last;
        if let Some((when, text)) = &last.text
            && when.elapsed() < KEPT
        {
            return Ok(text.to_string());
        }
        let project = self.control.project();
        let (newest, jobs, schedules, health) = tokio::join!(
            last.storages.newest(&project),
            self.control.jobs(),
            self.control.schedules(),
            self.control.health(),
        );
        let is_log_up = jobs.is_up && schedules.incomplete.is_none();
        last.jobs.update(&project, jobs.runs);
        last.ended.update(&project);
        let expected = self.control.expected_backups();
        let copies = last.storages.copies(newest, expected, &last.jobs);
        let moment = Moment {
            jobs: last.jobs.clone(),
            ended: last.ended.counts(&project),
            copies,
            schedules,
            running: self.control.running().len(),
            queued: self.control.queued(),
            is_ready: health.ready,
            is_log_up,
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(moment));
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| Failure::internal(format!("writing the metrics: {error}")))?;
        last.text = Some((Instant::now(), text.as_str().into()));
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// All that is told at one time.
#[derive(Debug)]
struct Moment {
    jobs: JobStates,
    ended: Vec<jobs::Count>,
    copies: Copies,
    schedules: Schedules,
    running: usize,
    queued: usize,
    is_ready: bool,
    is_log_up: bool,
}

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let to = &mut encoder;
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        to.encode_descriptor("orchestrator_build", "The program", None, MetricType::Info)?
            .encode_info(&info)?;
        let word = |name, help, value: u64| (name, help, value);
        for (name, help, value) in [
            word("orchestrator_up", "1: the daemon answers", 1),
            word(
                "orchestrator_ready",
                "Whether the daemon does its work: 1 or 0",
                self.is_ready.into(),
            ),
            word(
                "orchestrator_log_database_up",
                "Whether the database of the log answers: 1 or 0",
                self.is_log_up.into(),
            ),
            word(
                "orchestrator_running_runs",
                "Runs under way in this daemon",
                self.running as u64,
            ),
            word(
                "orchestrator_queued_runs",
                "Runs that wait for their turn in this daemon",
                self.queued as u64,
            ),
            word(
                "orchestrator_schedule_file_problems",
                "Files of schedules that cannot be read",
                self.schedules.problems.len() as u64,
            ),
        ] {
            to.encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&value)?;
        }
        jobs::encode_counts(&self.ended, to)?;
        self.jobs.encode(to)?;
        self.copies.encode(to)?;
        schedules::encode(&self.schedules, to)
    }
}

/// A Unix time with its fraction.
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}

/// A gauge for each set of labels; nothing where there is none, as OpenMetrics wants no family without a sample.
fn gauges<const N: usize, V: EncodeGaugeValue>(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl Iterator<Item = ([(&'static str, String); N], V)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// The same for counters; their samples are called `<name>_total`.
fn counters<const N: usize>(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl Iterator<Item = ([(&'static str, String); N], u64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        family
            .encode_family(&labels)?
            .encode_counter::<prometheus_client::encoding::NoLabelSet, _, u64>(&value, None)?;
    }
    Ok(())
}

//! `/metrics`: what Prometheus is told, read when it asks.

mod reading;

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
use reading::{Copies, Jobs};

/// What is read is told to everybody who asks within this time.
const KEPT: Duration = Duration::from_secs(5);

/// The metrics of one daemon.
pub struct Metrics {
    control: Arc<dyn Control>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    text: Option<(Instant, Arc<str>)>,
    copies: Copies,
}

impl Metrics {
    /// Reads nothing yet.
    pub fn new(control: Arc<dyn Control>) -> Self {
        Self {
            control,
            last: Mutex::default(),
        }
    }

    /// The text of OpenMetrics. Those who ask at the same time wait for the same answer.
    pub async fn text(&self) -> Result<String, Failure> {
        let mut last = self.last.lock().await;
        if let Some((when, text)) = &last.text
            && when.elapsed() < KEPT
        {
            return Ok(text.to_string());
        }
        let project = self.control.project();
        last.copies.refresh(&project).await;
        let health = self.control.health().await;
        let moment = Moment {
            jobs: Jobs::read(&project)?,
            copies: last.copies.clone(),
            schedules: self.control.schedules().await?,
            running: self.control.running().len(),
            queued: self.control.queued(),
            is_ready: health.ready,
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
    jobs: Jobs,
    copies: Copies,
    schedules: Schedules,
    running: usize,
    queued: usize,
    is_ready: bool,
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
        self.jobs.encode(to)?;
        self.copies.encode(to)?;
        schedules(&self.schedules, to)
    }
}

fn schedules(schedules: &Schedules, to: &mut DescriptorEncoder) -> fmt::Result {
    let all = || schedules.schedules.iter();
    let labels = |name: &str, job: &str| [("schedule", name.to_owned()), ("job", job.to_owned())];
    gauges(
        to,
        "orchestrator_schedule_enabled",
        "Whether the schedule fires at all: 1 or 0",
        all().map(|one| (labels(&one.name, &one.job), u64::from(one.enabled))),
    )?;
    gauges(
        to,
        "orchestrator_schedule_next_fire_timestamp_seconds",
        "When the schedule fires next, as a Unix time",
        all().filter_map(|one| Some((labels(&one.name, &one.job), seconds(*one.next.first()?)))),
    )?;
    gauges(
        to,
        "orchestrator_schedule_last_fire_timestamp_seconds",
        "When the last fire that was taken was due, as a Unix time",
        all()
            .filter_map(|one| Some((labels(&one.name, &one.job), seconds(one.last.as_ref()?.due)))),
    )?;
    counters(
        to,
        "orchestrator_schedule_missed_fires",
        "Fires that nobody took when they were due",
        all().map(|one| (labels(&one.name, &one.job), one.missed)),
    )
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

//! What is told of schedules.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::{counters, gauges, seconds};
use crate::daemon::control::Schedules;

pub(super) fn encode(schedules: &Schedules, to: &mut DescriptorEncoder) -> fmt::Result {
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
        "The schedule's first fire that no daemon has answered for, as a Unix time; one in the past is overdue",
        all().filter_map(|one| Some((labels(&one.name, &one.job), seconds(one.due?)))),
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
        all().filter_map(|one| Some((labels(&one.name, &one.job), one.missed?))),
    )
}

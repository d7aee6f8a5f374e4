//! Progress of a run: bars on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use super::table;
use crate::deployment_log::Status;
use crate::jobs::Observer;
use crate::transfer::Progress;
use crate::transfer::meter::Snapshot;

/// How often bars move, and how often a line is written where there are none.
const BAR_INTERVAL: Duration = Duration::from_millis(100);
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Tables that have a bar of their own at the same time.
const BARS: usize = 8;

/// Shows the step that runs.
pub(super) struct Display {
    style: Style,
    running: Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bars,
    Lines,
    Nothing,
}

impl Display {
    pub fn new(output: &Output) -> Self {
        let style = match (output.is_quiet(), std::io::stderr().is_terminal()) {
            (true, _) => Style::Nothing,
            (false, true) => Style::Bars,
            (false, false) => Style::Lines,
        };
        Self {
            style,
            running: Mutex::new(None),
        }
    }

    fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((ended, thread)) = running {
            ended.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            // A display that panicked is no reason to end the run.
            let _ = thread.join();
        }
    }
}

#[async_trait::async_trait]
impl Observer for Display {
    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress) {
        if self.style == Style::Nothing {
            return;
        }
        let title = if count > 1 {
            format!("{plugin} ({}/{count})", index + 1)
        } else {
            plugin.to_owned()
        };
        let ended = Arc::new(AtomicBool::new(false));
        let until = ended.clone();
        let progress = progress.clone();
        let style = self.style;
        let thread = std::thread::spawn(move || match style {
            Style::Bars => show_bars(&title, &progress, &until),
            _ => write_lines(&title, &progress, &until),
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((ended, thread));
    }

    fn step_ended(&self, _: usize, _: Status) {
        self.stop();
    }
}

fn show_bars(title: &str, progress: &Progress, ended: &AtomicBool) {
    let began = Instant::now();
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let total = bars.add(ProgressBar::new_spinner());
    let mut items: Vec<ProgressBar> = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let now = progress.snapshot();
        total.set_style(style(if now.expected_bytes > 0 {
            "{msg}\n{wide_bar} {percent:>3}%"
        } else {
            "{spinner} {msg}"
        }));
        total.set_length(now.expected_bytes.max(now.bytes));
        total.set_position(now.bytes);
        total.set_message(summary(title, &now, began.elapsed()));
        total.tick();
        for (index, (label, moved, expected)) in now.running.iter().take(BARS).enumerate() {
            if items.len() <= index {
                items.push(bars.add(ProgressBar::new_spinner()));
            }
            items[index].set_style(style("  {msg}"));
            items[index].set_message(item(label, *moved, *expected));
        }
        for bar in items.drain(now.running.len().min(items.len())..) {
            bars.remove(&bar);
        }
        std::thread::park_timeout(BAR_INTERVAL);
    }
    for bar in items {
        bar.finish_and_clear();
    }
    total.finish_and_clear();
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a mistake in one shows the plain bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn write_lines(title: &str, progress: &Progress, ended: &AtomicBool) {
    let began = Instant::now();
    let mut next = LINE_INTERVAL;
    while !ended.load(Ordering::Relaxed) {
        if began.elapsed() >= next {
            next += LINE_INTERVAL;
            eprintln!("{}", summary(title, &progress.snapshot(), began.elapsed()));
        }
        std::thread::park_timeout(BAR_INTERVAL);
    }
}

fn item(label: &str, moved: u64, expected: u64) -> String {
    if expected > 0 {
        format!(
            "{label}  {} of about {}",
            table::bytes(moved),
            table::bytes(expected.max(moved))
        )
    } else {
        format!("{label}  {}", table::bytes(moved))
    }
}

/// `backup: copying tables, 3/12, 1.2 GiB of about 4 GiB, 1,200,000 rows, 210 MiB/s, 14 s left`
fn summary(title: &str, now: &Snapshot, elapsed: Duration) -> String {
    let mut parts = vec![if now.phase.is_empty() {
        title.to_owned()
    } else {
        format!("{title}: {}", now.phase)
    }];
    if now.expected_items > 0 {
        parts.push(format!("{}/{}", now.items, now.expected_items));
    }
    if now.bytes > 0 {
        let rate = now.bytes as f64 / elapsed.as_secs_f64().max(0.001);
        parts.push(match now.expected_bytes {
            0 => table::bytes(now.bytes),
            expected => format!(
                "{} of about {}",
                table::bytes(now.bytes),
                table::bytes(expected.max(now.bytes))
            ),
        });
        if now.rows > 0 {
            parts.push(format!("{} rows", table::count(now.rows)));
        }
        parts.push(format!("{}/s", table::bytes(rate as u64)));
        if now.expected_bytes > now.bytes {
            let left = (now.expected_bytes - now.bytes) as f64 / rate.max(1.0);
            parts.push(format!(
                "{} left",
                table::duration(jiff::SignedDuration::from_secs(left as i64))
            ));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_how_much_and_how_long() {
        let now = Snapshot {
            phase: "copying tables".into(),
            bytes: 1 << 30,
            expected_bytes: 3 << 30,
            rows: 1_200_000,
            items: 3,
            expected_items: 12,
            running: Vec::new(),
        };
        insta::assert_snapshot!(
            summary("backup", &now, Duration::from_secs(4)),
            @"backup: copying tables, 3/12, 1.00 GiB of about 3.00 GiB, 1,200,000 rows, 256.00 MiB/s, 8.0 s left"
        );
    }
}

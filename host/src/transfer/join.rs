//! Several sources as one stream: produced at the same time where they can be, written in their order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::meter::Meter;
use super::source::{Chunks, Source};
use super::task::Part;

/// The parts of an object, noted by the stream that joins them.
#[derive(Clone, Default)]
pub struct Parts(Arc<Mutex<Vec<Part>>>);

impl Parts {
    fn push(&self, part: Part) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
    }

    /// Those of the sources that have ended.
    pub fn take(&self) -> Vec<Part> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One stream of all sources; each is noted when it has ended.
///
/// Sources that wait for different sessions are produced at the same time, each in a task of its own: one for each session, and
/// one more, so that a session has its next source at hand. What is ahead of its turn waits in memory, up to a bound.
pub fn joined(sources: Vec<Source>, parts: Parts) -> Chunks {
    let queues: BTreeSet<usize> = sources.iter().filter_map(Source::queue_id).collect();
    let at_once = if queues.len() > 1 {
        queues.len() + 1
    } else {
        1
    };
    let state = State {
        sources: sources.into(),
        under_way: VecDeque::new(),
        at_once,
        offset: 0,
        parts,
    };
    stream::try_unfold(state, |mut state| async move {
        loop {
            while state.under_way.len() < state.at_once
                && let Some(source) = state.sources.pop_front()
            {
                let production = Production::begin(source, state.at_once > 1);
                state.under_way.push_back(production);
            }
            let Some(first) = state.under_way.front_mut() else {
                return Ok(None);
            };
            if let Some(chunk) = first.chunks.next().await.transpose()? {
                return Ok(Some((chunk, state)));
            }
            if let Some(ended) = state.under_way.pop_front() {
                let part = ended.part(state.offset);
                state.offset += part.bytes;
                state.parts.push(part);
            }
        }
    })
    .boxed()
}

struct State {
    sources: VecDeque<Source>,
    under_way: VecDeque<Production>,
    at_once: usize,
    offset: u64,
    parts: Parts,
}

/// One source that is being read.
struct Production {
    chunks: Chunks,
    tally: Arc<Mutex<Tally>>,
    plain: Arc<Meter>,
    rows: Option<Arc<Meter>>,
}

/// What has come out of a source.
#[derive(Default)]
struct Tally {
    hash: Sha256,
    bytes: u64,
}

impl Production {
    fn begin(source: Source, is_ahead: bool) -> Self {
        let (plain, rows) = (source.meter(), source.rows_of());
        let tally: Arc<Mutex<Tally>> = Arc::default();
        let own = tally.clone();
        let source = source.map(|chunks| {
            let counted = chunks.inspect_ok(move |chunk| {
                let mut tally = own.lock().unwrap_or_else(PoisonError::into_inner);
                tally.hash.update(chunk);
                tally.bytes += chunk.len() as u64;
            });
            counted.boxed()
        });
        let source = if is_ahead { source.ahead() } else { source };
        Self {
            chunks: source.into_chunks(),
            tally,
            plain,
            rows,
        }
    }

    fn part(self, offset: u64) -> Part {
        let tally = std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner));
        Part {
            offset,
            bytes: tally.bytes,
            plain_bytes: self.plain.plain_bytes(),
            rows: self.rows.map(|meter| meter.rows()),
            sha256: hex::encode(tally.hash.finalize()),
        }
    }
}

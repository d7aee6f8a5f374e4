//! Compression of streams.

pub mod custom;
pub mod gzip;
pub mod lz4;
mod member;
pub mod zstd;

use std::cell::RefCell;

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};

use super::source::{Chunks, gather_to};
use crate::failure::Failure;

/// What is compressed at once, each block so that it can be decompressed on its own: large enough that the window of a codec is
/// cold for a small part of it, small enough that a hundred of them fit in memory.
pub const BLOCK_BYTES: usize = 1024 * 1024;

/// Passes whole blocks through `step`; one empty block where there is nothing at all.
fn blocks<F>(chunks: Chunks, step: F) -> Chunks
where
    F: Fn(&[u8]) -> Result<Bytes, Failure> + Send + 'static,
{
    let state = (gather_to(chunks, BLOCK_BYTES), step, Some(true));
    stream::unfold(state, |(mut chunks, step, nothing_yet)| async move {
        let nothing_yet = nothing_yet?;
        match chunks.next().await {
            Some(Ok(block)) => {
                let output = step(&block);
                let next = output.is_ok().then_some(false);
                Some((output, (chunks, step, next)))
            }
            Some(Err(failure)) => Some((Err(failure), (chunks, step, None))),
            None if nothing_yet => {
                let output = step(&[]);
                Some((output, (chunks, step, None)))
            }
            None => None,
        }
    })
    .boxed()
}

/// What compresses whole blocks at a level, kept by each thread: a block needs nothing of the one before it, and making a compressor costs
/// more than a small table does.
struct Kept<C>(RefCell<Option<(i32, C)>>);

impl<C> Kept<C> {
    const fn new() -> Self {
        Self(RefCell::new(None))
    }

    fn with<T>(
        &self,
        level: i32,
        make: impl FnOnce() -> Result<C, Failure>,
        work: impl FnOnce(&mut C) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut kept = self.0.borrow_mut();
        if let Some((of, compressor)) = &mut *kept
            && *of == level
        {
            return work(compressor);
        }
        work(&mut kept.insert((level, make()?)).1)
    }
}

/// Input given to a codec at once: bounds what a decompression bomb, or a field that repeats itself, can make of it (1,032 to 1)
/// to 4 MiB, of which several are under way.
const STEP_BYTES: usize = 4 * 1024;

/// What a codec made of a piece: its output, and how much of the piece it has taken in.
pub(super) type Step = (Vec<u8>, usize);

/// Passes small pieces through `step`, and `None` at the end. What it leaves of a piece comes again.
pub(super) fn through<C, F>(chunks: Chunks, codec: C, step: F) -> Chunks
where
    C: Send + 'static,
    F: Fn(&mut C, Option<&[u8]>) -> Result<Step, Failure> + Send + 'static,
{
    struct State<C, F> {
        chunks: Chunks,
        codec: C,
        step: F,
        pending: Bytes,
        ended: bool,
    }
    let state = State {
        chunks,
        codec,
        step,
        pending: Bytes::new(),
        ended: false,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            if state.ended {
                return None;
            }
            if state.pending.is_empty() {
                match state.chunks.next().await {
                    Some(Ok(chunk)) => state.pending = chunk,
                    Some(Err(failure)) => {
                        state.ended = true;
                        return Some((Err(failure), state));
                    }
                    None => {
                        state.ended = true;
                        return match (state.step)(&mut state.codec, None) {
                            Ok((output, _)) if output.is_empty() => None,
                            output => Some((output.map(|(bytes, _)| bytes.into()), state)),
                        };
                    }
                }
            }
            let input = &state.pending[..state.pending.len().min(STEP_BYTES)];
            match (state.step)(&mut state.codec, Some(input)) {
                Ok((output, taken)) => {
                    state.pending.advance(taken);
                    if !output.is_empty() {
                        return Some((Ok(Bytes::from(output)), state));
                    }
                }
                Err(failure) => {
                    state.ended = true;
                    return Some((Err(failure), state));
                }
            }
        }
    })
    .boxed()
}

#[cfg(test)]
pub(super) mod test_streams {
    use super::*;
    use futures_util::TryStreamExt;

    pub async fn drain(chunks: Chunks) -> Result<Vec<u8>, Failure> {
        chunks
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    pub fn once(bytes: Vec<u8>) -> Chunks {
        stream::once(async move { Ok(Bytes::from(bytes)) }).boxed()
    }
}

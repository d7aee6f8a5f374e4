//! Compression of streams, a chunk at a time.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use futures_util::{StreamExt, stream};

use super::source::{CHUNK_BYTES, Chunks, gather};
use crate::failure::Failure;

/// An uninteresting level is no reason to fail late: levels are 0 to 9.
pub fn check_gzip_level(level: u8) -> Result<u32, Failure> {
    match level {
        0..=9 => Ok(u32::from(level)),
        _ => Err(
            Failure::invalid_input(format!("there is no gzip level {level}"))
                .hint("levels are 0 (none) to 9 (smallest)"),
        ),
    }
}

/// One gzip member (RFC 1952) with no name and no time, so that equal input gives equal output.
pub fn gzip(chunks: Chunks, level: u32) -> Chunks {
    let encoder = GzEncoder::new(Vec::with_capacity(CHUNK_BYTES), Compression::new(level));
    gather(through(chunks, encoder, |encoder, chunk| {
        match chunk {
            Some(chunk) => encoder.write_all(chunk),
            None => encoder.try_finish(),
        }
        .map_err(|error| Failure::internal(format!("compressing: {error}")))?;
        Ok(std::mem::take(encoder.get_mut()))
    }))
}

/// Any number of gzip members, one after another.
pub fn gunzip(chunks: Chunks) -> Chunks {
    let decoder = MultiGzDecoder::new(Vec::with_capacity(CHUNK_BYTES * 4));
    gather(through(chunks, decoder, |decoder, chunk| {
        match chunk {
            // In small pieces: a few bytes can become a thousand times as many.
            Some(chunk) => decoder.write_all(chunk),
            None => decoder.try_finish(),
        }
        .map_err(|error| Failure::corrupt(format!("decompressing: {error}")))?;
        Ok(std::mem::take(decoder.get_mut()))
    }))
}

/// Input given to a codec at once: bounds what a decompression bomb can make of it (1,032 to 1) to 16 MiB.
const STEP_BYTES: usize = 16 * 1024;

pub(super) fn through<C, F>(chunks: Chunks, codec: C, step: F) -> Chunks
where
    C: Send + 'static,
    F: Fn(&mut C, Option<&[u8]>) -> Result<Vec<u8>, Failure> + Send + 'static,
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
                            Ok(output) if output.is_empty() => None,
                            output => Some((output.map(Bytes::from), state)),
                        };
                    }
                }
            }
            let input = state.pending.split_to(state.pending.len().min(STEP_BYTES));
            match (state.step)(&mut state.codec, Some(&input)) {
                Ok(output) if output.is_empty() => {}
                Ok(output) => return Some((Ok(Bytes::from(output)), state)),
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
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use futures_util::TryStreamExt;

    async fn drain(chunks: Chunks) -> Result<Vec<u8>, Failure> {
        chunks
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    fn once(bytes: Vec<u8>) -> Chunks {
        stream::once(async move { Ok(Bytes::from(bytes)) }).boxed()
    }

    #[tokio::test]
    async fn members_that_follow_each_other_are_one_stream() {
        let text = b"line of text\n".repeat(50_000);
        let mut stored = drain(gzip(once(text.clone()), 6)).await.unwrap();
        assert!(stored.len() < text.len() / 50);
        stored.extend(drain(gzip(once(b"tail".to_vec()), 1)).await.unwrap());
        let mut plain = text;
        plain.extend_from_slice(b"tail");
        assert_eq!(drain(gunzip(once(stored))).await.unwrap(), plain);
    }

    #[tokio::test]
    async fn nothing_is_a_valid_member() {
        let stored = drain(gzip(once(Vec::new()), 6)).await.unwrap();
        assert_eq!(&stored[..2], [0x1f, 0x8b]);
        assert!(drain(gunzip(once(stored))).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_cut_member_and_one_with_a_flipped_byte_are_corrupt() {
        let stored = drain(gzip(once(b"hello hello hello".to_vec()), 6))
            .await
            .unwrap();
        let cut = stored[..stored.len() - 4].to_vec();
        let mut flipped = stored.clone();
        flipped[14] ^= 0x10;
        for wrong in [cut, flipped, b"no gzip at all".to_vec()] {
            let failure = drain(gunzip(once(wrong))).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt);
        }
    }

    #[test]
    fn level_ten_is_refused() {
        assert!(check_gzip_level(10).is_err());
    }
}

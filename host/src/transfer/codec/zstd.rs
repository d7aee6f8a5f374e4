//! Zstandard (RFC 8878): frames of whole blocks with their checksums, read as a stream.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use zstd::bulk::Compressor;
use zstd::stream::raw::{CParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::{Kept, blocks, through};
use crate::failure::Failure;
use crate::transfer::source::{CHUNK_BYTES, Chunks, gather};

/// A level from -7 (fastest) to 22 (smallest).
pub fn check_level(level: i8) -> Result<i32, Failure> {
    match level {
        -7..=22 => Ok(i32::from(level)),
        _ => Err(
            Failure::invalid_input(format!("there is no zstd level {level}"))
                .hint("levels are 1 (fast) to 22 (smallest), and -7 to -1 (faster than 1)"),
        ),
    }
}

/// One frame for each block, at least one.
pub fn compress(chunks: Chunks, level: i32) -> Chunks {
    let explain = |error: std::io::Error| Failure::internal(format!("compressing: {error}"));
    thread_local! {
        static KEPT: Kept<Compressor<'static>> = const { Kept::new() };
    }
    let make = move || {
        let mut compressor = Compressor::new(level).map_err(explain)?;
        compressor
            .set_parameter(CParameter::ChecksumFlag(true))
            .map_err(explain)?;
        Ok(compressor)
    };
    blocks(chunks, move |block| {
        KEPT.with(|kept| {
            kept.with(level, make, |compressor| {
                compressor.compress(block).map(Bytes::from).map_err(explain)
            })
        })
    })
}

/// Any number of frames, one after another.
pub fn decompress(chunks: Chunks) -> Chunks {
    let decoder = match Decoder::new() {
        Ok(decoder) => decoder,
        Err(error) => return failed(Failure::internal(format!("decompressing: {error}"))),
    };
    let state = (decoder, vec![0; CHUNK_BYTES], true);
    gather(through(
        chunks,
        state,
        |(decoder, buffer, at_end_of_frame), chunk| {
            let corrupt = |error: String| Failure::corrupt(format!("decompressing: {error}"));
            let mut input = InBuffer::around(chunk.unwrap_or_default());
            if *at_end_of_frame {
                if chunk.is_none() {
                    return Ok((Vec::new(), 0));
                }
                decoder
                    .reinit()
                    .map_err(|error| corrupt(error.to_string()))?;
            }
            let mut output = OutBuffer::around(buffer.as_mut_slice());
            let hint = decoder
                .run(&mut input, &mut output)
                .map_err(|error| corrupt(error.to_string()))?;
            *at_end_of_frame = hint == 0;
            let written = output.pos();
            if chunk.is_none() && hint != 0 || input.pos() == 0 && written == 0 {
                return Err(corrupt("the last frame is cut off".to_owned()));
            }
            Ok((buffer[..written].to_vec(), input.pos()))
        },
    ))
}

fn failed(failure: Failure) -> Chunks {
    stream::once(async move { Err(failure) }).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::transfer::codec::test_streams::{drain, once};

    #[tokio::test]
    async fn frames_that_follow_each_other_are_one_stream() {
        for length in [0usize, 1, 100, 3_000_000] {
            let text: Vec<u8> = (0..length).map(|at| (at / 7 % 251) as u8).collect();
            let mut stored = drain(compress(once(text.clone()), 1)).await.unwrap();
            stored.extend(drain(compress(once(b"tail".to_vec()), -3)).await.unwrap());
            let mut plain = text;
            plain.extend_from_slice(b"tail");
            let read = drain(decompress(once(stored))).await.unwrap();
            assert!(read == plain, "{length}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_or_changed_is_corrupt() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
        let stored = drain(compress(once(text), 3)).await.unwrap();
        let cut = stored[..stored.len() - 2].to_vec();
        let mut flipped = stored.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        for wrong in [cut, flipped, b"no frame at all".to_vec()] {
            let failure = drain(decompress(once(wrong))).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt);
        }
    }

    #[test]
    fn levels_that_do_not_exist_are_refused() {
        assert!(check_level(23).is_err() && check_level(-8).is_err());
        assert_eq!(check_level(1).unwrap(), 1);
    }
}

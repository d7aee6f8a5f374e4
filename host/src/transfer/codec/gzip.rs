//! gzip (RFC 1952). Written in blocks by libdeflate, which is two to four times as fast as zlib at the same size but needs whole
//! buffers; read by it where a member says how long it is, as ours do, and as a stream otherwise.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use futures_util::{StreamExt, TryStreamExt, stream};
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use super::member::{HEADER_BYTES, Member};
use super::{Kept, blocks, member, through};
use crate::failure::Failure;
use crate::transfer::source::{Chunks, gather};

/// A level from 0 (none) to 9 (smallest).
pub fn check_level(level: u8) -> Result<u8, Failure> {
    match level {
        0..=9 => Ok(level),
        _ => Err(
            Failure::invalid_input(format!("there is no gzip level {level}"))
                .hint("levels are 0 (none) to 9 (smallest)"),
        ),
    }
}

/// One gzip member for each block, at least one, with no name and no time: equal input gives equal output.
pub fn compress(chunks: Chunks, level: u8) -> Chunks {
    thread_local! {
        static KEPT: Kept<(Compressor, Vec<u8>)> = const { Kept::new() };
    }
    let level = i32::from(level);
    let make = move || {
        let level = CompressionLvl::new(level).unwrap_or_default();
        Ok((Compressor::new(level), Vec::new()))
    };
    blocks(chunks, move |block| {
        KEPT.with(|kept| {
            kept.with(level, make, |(compressor, output)| {
                member::write(compressor, block, output)
                    .map_err(|error| Failure::internal(format!("compressing: {error}")))?;
                Ok(Bytes::copy_from_slice(output))
            })
        })
    })
}

/// Any number of gzip members, one after another.
pub fn decompress(chunks: Chunks) -> Chunks {
    let members = Members {
        chunks,
        read: BytesMut::new(),
        decompressor: Decompressor::new(),
    };
    stream::try_unfold((Some(members), false), |(members, any)| async move {
        let Some(mut members) = members else {
            return Ok(None);
        };
        Ok::<_, Failure>(match members.next().await? {
            Next::Block(block) => {
                let block = stream::once(async { Ok(block) }).boxed();
                Some((block, (Some(members), true)))
            }
            Next::End if any => None,
            Next::Other | Next::End => {
                let read = Ok(members.read.freeze());
                let rest = stream::once(async { read }).chain(members.chunks);
                let decoder = MultiGzDecoder::new(Vec::new());
                let rest = inflate(
                    rest.boxed(),
                    decoder,
                    MultiGzDecoder::try_finish,
                    MultiGzDecoder::get_mut,
                );
                Some((rest, (None, true)))
            }
        })
    })
    .try_flatten()
    .boxed()
}

/// Members of our own at the beginning of a stream.
struct Members {
    chunks: Chunks,
    /// And not decompressed yet.
    read: BytesMut,
    decompressor: Decompressor,
}

enum Next {
    /// What a member holds.
    Block(Bytes),
    /// The next member is one that does not say how long it is.
    Other,
    End,
}

impl Members {
    async fn next(&mut self) -> Result<Next, Failure> {
        self.fill(HEADER_BYTES).await?;
        if self.read.is_empty() {
            return Ok(Next::End);
        }
        let Some(bytes) = member::length(&self.read) else {
            return Ok(Next::Other);
        };
        self.fill(bytes).await?;
        let corrupt = |error: String| Failure::corrupt(format!("decompressing: {error}"));
        if self.read.len() < bytes {
            return Err(corrupt("the last member is cut off".to_owned()));
        }
        match member::read(&mut self.decompressor, &self.read[..bytes]) {
            Ok(Member::Block(block)) => {
                let _ = self.read.split_to(bytes);
                Ok(Next::Block(block.into()))
            }
            Ok(Member::TooLong) => Ok(Next::Other),
            Err(error) => Err(corrupt(error.to_string())),
        }
    }

    /// Reads until there are so many bytes, or no more.
    async fn fill(&mut self, bytes: usize) -> Result<(), Failure> {
        while self.read.len() < bytes {
            let Some(chunk) = self.chunks.try_next().await? else {
                return Ok(());
            };
            if self.read.is_empty() {
                self.read = chunk.into();
            } else {
                self.read.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }
}

/// One zlib stream (RFC 1950), as pg_dump's custom format has it.
pub fn decompress_zlib(chunks: Chunks) -> Chunks {
    let decoder = ZlibDecoder::new(Vec::new());
    inflate(
        chunks,
        decoder,
        ZlibDecoder::try_finish,
        ZlibDecoder::get_mut,
    )
}

fn inflate<D: Write + Send + 'static>(
    chunks: Chunks,
    decoder: D,
    finish: fn(&mut D) -> io::Result<()>,
    output: fn(&mut D) -> &mut Vec<u8>,
) -> Chunks {
    gather(through(chunks, decoder, move |decoder, chunk| {
        match chunk {
            Some(chunk) => decoder.write_all(chunk),
            None => finish(decoder),
        }
        .map_err(|error| Failure::corrupt(format!("decompressing: {error}")))?;
        Ok((
            std::mem::take(output(decoder)),
            chunk.map_or(0, <[u8]>::len),
        ))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::transfer::codec::test_streams::{drain, once};

    #[tokio::test]
    async fn members_that_follow_each_other_are_one_stream() {
        let text = b"line of text\n".repeat(500_000);
        let mut stored = drain(compress(once(text.clone()), 6)).await.unwrap();
        assert!(stored.len() < text.len() / 50);
        stored.extend(drain(compress(once(b"tail".to_vec()), 1)).await.unwrap());
        let mut plain = text;
        plain.extend_from_slice(b"tail");
        assert_eq!(drain(decompress(once(stored))).await.unwrap(), plain);
    }

    #[tokio::test]
    async fn every_level_gives_what_another_library_reads() {
        use std::io::Read;
        let text: Vec<u8> = (0..300_000u32)
            .flat_map(|n| format!("{n}\t{}\n", n * 7919 % 1009).into_bytes())
            .collect();
        for level in 0..=9 {
            let stored = drain(compress(once(text.clone()), check_level(level).unwrap()))
                .await
                .unwrap();
            let mut read = Vec::new();
            flate2::read::MultiGzDecoder::new(&stored[..])
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == text, "level {level}");
        }
    }

    #[tokio::test]
    async fn nothing_is_a_valid_member() {
        let stored = drain(compress(once(Vec::new()), 6)).await.unwrap();
        assert_eq!(&stored[..2], [0x1f, 0x8b]);
        assert!(drain(decompress(once(stored))).await.unwrap().is_empty());
    }

    /// As other programs write it.
    fn foreign(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn members_of_others_before_and_after_ours_are_read() {
        let ours = drain(compress(once(b"ours".to_vec()), 6)).await.unwrap();
        // Longer than what is decompressed at once.
        let long = b"a long line\n".repeat(1_000_000);
        let mut too_long = Vec::new();
        member::write(
            &mut Compressor::new(CompressionLvl::default()),
            &long,
            &mut too_long,
        )
        .unwrap();
        let (theirs, long) = (foreign(b"theirs"), &long[..]);
        for (stored, plain) in [
            ([&theirs[..], &ours].concat(), b"theirsours".to_vec()),
            ([&ours[..], &theirs].concat(), b"ourstheirs".to_vec()),
            (
                [&ours[..], &too_long, &ours].concat(),
                [b"ours", long, b"ours"].concat(),
            ),
        ] {
            for step in [1, 7, 4096, stored.len()] {
                let pieces = stored
                    .chunks(step)
                    .map(|piece| Ok(Bytes::copy_from_slice(piece)));
                let pieces: Vec<_> = pieces.collect();
                let read = drain(decompress(stream::iter(pieces).boxed())).await;
                assert!(read.unwrap() == plain, "in steps of {step}");
            }
        }
    }

    #[tokio::test]
    async fn a_cut_member_and_one_with_a_flipped_byte_are_corrupt() {
        let ours = drain(compress(once(b"hello hello hello".to_vec()), 6))
            .await
            .unwrap();
        let theirs = foreign(b"hello hello hello");
        let mut wrong = vec![b"no gzip at all".to_vec(), Vec::new()];
        for (stored, header) in [(ours, HEADER_BYTES), (theirs, 10)] {
            wrong.extend((1..stored.len()).map(|length| stored[..length].to_vec()));
            wrong.extend((header..stored.len()).map(|at| {
                let mut flipped = stored.clone();
                flipped[at] ^= 0x10;
                flipped
            }));
        }
        let mut harmless = 0;
        for wrong in wrong {
            match drain(decompress(once(wrong.clone()))).await {
                // A bit that only fills a byte up.
                Ok(read) if read == b"hello hello hello" => harmless += 1,
                read => assert_eq!(
                    read.err().map(|failure| failure.kind),
                    Some(FailureKind::Corrupt),
                    "{wrong:x?}"
                ),
            }
        }
        assert!(harmless <= 2, "{harmless}");
    }

    #[tokio::test]
    async fn a_member_that_is_wrong_about_its_length_is_never_read_wrong() {
        let stored = drain(compress(once(b"hello hello hello".to_vec()), 6))
            .await
            .unwrap();
        for length in 0..2 * stored.len() as u32 {
            let mut wrong = stored.clone();
            wrong[16..20].copy_from_slice(&length.to_le_bytes());
            // One that cannot be is not believed, and then it is read as if there was none.
            match drain(decompress(once(wrong))).await {
                Ok(read) => assert_eq!(read, b"hello hello hello", "{length}"),
                Err(failure) => assert_eq!(failure.kind, FailureKind::Corrupt, "{length}"),
            }
        }
    }

    #[tokio::test]
    async fn a_zlib_stream_is_read_and_a_cut_one_is_corrupt() {
        let text = b"line of text\n".repeat(50_000);
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(&text).unwrap();
        let stored = encoder.finish().unwrap();
        assert!(drain(decompress_zlib(once(stored.clone()))).await.unwrap() == text);
        for cut in [stored.len() / 2, stored.len() - 1] {
            let failure = drain(decompress_zlib(once(stored[..cut].to_vec()))).await;
            assert_eq!(failure.unwrap_err().kind, FailureKind::Corrupt, "{cut}");
        }
    }

    #[test]
    fn level_ten_is_refused() {
        assert!(check_level(10).is_err());
    }
}

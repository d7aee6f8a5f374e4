//! gzip (RFC 1952). Written in blocks by libdeflate, which is two to four times as fast as zlib at the same size but needs whole
//! buffers; read as a stream.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use libdeflater::{CompressionLvl, Compressor};

use super::{blocks, through};
use crate::failure::Failure;
use crate::transfer::source::{CHUNK_BYTES, Chunks, gather};

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
    let level = CompressionLvl::new(i32::from(level)).unwrap_or_default();
    let codec = (Compressor::new(level), Vec::new());
    blocks(chunks, codec, |(compressor, output), block| {
        // As long as this block needs: that of an empty table is tiny.
        let bound = compressor.gzip_compress_bound(block.len());
        if output.len() < bound {
            *output = vec![0; bound];
        }
        let bytes = compressor
            .gzip_compress(block, output)
            .map_err(|error| Failure::internal(format!("compressing: {error}")))?;
        Ok(Bytes::copy_from_slice(&output[..bytes]))
    })
}

/// Any number of gzip members, one after another.
pub fn decompress(chunks: Chunks) -> Chunks {
    let decoder = MultiGzDecoder::new(Vec::with_capacity(CHUNK_BYTES * 4));
    gather(through(chunks, decoder, |decoder, chunk| {
        match chunk {
            Some(chunk) => decoder.write_all(chunk),
            None => decoder.try_finish(),
        }
        .map_err(|error| Failure::corrupt(format!("decompressing: {error}")))?;
        Ok((
            std::mem::take(decoder.get_mut()),
            chunk.map_or(0, <[u8]>::len),
        ))
    }))
}

/// One zlib stream (RFC 1950), as pg_dump's custom format has it.
pub fn decompress_zlib(chunks: Chunks) -> Chunks {
    let decoder = ZlibDecoder::new(Vec::with_capacity(CHUNK_BYTES * 4));
    gather(through(chunks, decoder, |decoder, chunk| {
        match chunk {
            Some(chunk) => decoder.write_all(chunk),
            None => decoder.try_finish(),
        }
        .map_err(|error| Failure::corrupt(format!("decompressing: {error}")))?;
        Ok((
            std::mem::take(decoder.get_mut()),
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

    #[tokio::test]
    async fn a_cut_member_and_one_with_a_flipped_byte_are_corrupt() {
        let stored = drain(compress(once(b"hello hello hello".to_vec()), 6))
            .await
            .unwrap();
        let cut = stored[..stored.len() - 4].to_vec();
        let mut flipped = stored.clone();
        flipped[14] ^= 0x10;
        for wrong in [cut, flipped, b"no gzip at all".to_vec()] {
            let failure = drain(decompress(once(wrong))).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt);
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

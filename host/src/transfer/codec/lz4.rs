//! LZ4 frames, read only: pg_dump writes them.

use std::io::{BufRead, Read};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use lz4_flex::frame::FrameDecoder;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::failure::Failure;
use crate::transfer::source::{CHUNK_BYTES, Chunks};

/// Chunks that are decompressed ahead of their reader.
const AHEAD: usize = 4;

/// `None` is the end: a channel that closes without it has lost its thread.
type Item = Option<Result<Bytes, Failure>>;

/// Any number of frames, one after another. The decoder pulls, so it runs on a thread of its own.
pub fn decompress(chunks: Chunks) -> Chunks {
    let state = (Some(chunks), None::<mpsc::Receiver<Item>>);
    stream::unfold(state, |(mut chunks, mut receiver)| async move {
        if let Some(chunks) = chunks.take() {
            let (sender, begun) = mpsc::channel(AHEAD);
            let input = SyncIoBridge::new(StreamReader::new(chunks.map_err(std::io::Error::other)));
            tokio::task::spawn_blocking(move || {
                let end = match decode(input, &sender) {
                    Ok(()) => None,
                    Err(failure) => Some(Err(failure)),
                };
                // Nobody listens any more when this fails.
                let _ = sender.blocking_send(end);
            });
            receiver = Some(begun);
        }
        match receiver.as_mut()?.recv().await {
            Some(Some(Ok(chunk))) => Some((Ok(chunk), (None, receiver))),
            Some(Some(Err(failure))) => Some((Err(failure), (None, None))),
            Some(None) => None,
            None => Some((
                Err(Failure::internal("decompressing ended abnormally")),
                (None, None),
            )),
        }
    })
    .boxed()
}

fn decode(mut input: impl BufRead, sender: &mpsc::Sender<Item>) -> Result<(), Failure> {
    // A decoder for each frame: one that goes on to the next expects its blocks to be of the same size.
    while !input.fill_buf().map_err(explain)?.is_empty() {
        let mut decoder = FrameDecoder::new(&mut input);
        loop {
            let mut plain = vec![0; CHUNK_BYTES];
            let bytes = decoder.read(&mut plain).map_err(explain)?;
            if bytes == 0 {
                break;
            }
            plain.truncate(bytes);
            if sender.blocking_send(Some(Ok(plain.into()))).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn explain(error: std::io::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => Failure::corrupt(format!("decompressing: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::failure::FailureKind;
    use crate::transfer::codec::test_streams::{drain, once};

    fn frame(text: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn frames_that_follow_each_other_are_one_stream() {
        let text = b"some text that repeats, some text that repeats\n".repeat(20_000);
        let stored = [frame(&text), frame(b""), frame(b"tail")].concat();
        let read = drain(decompress(once(stored))).await.unwrap();
        assert!(read == [text, b"tail".to_vec()].concat());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_cut_or_no_frame_is_corrupt() {
        let stored = frame(&b"some text that repeats\n".repeat(20_000));
        let cut = stored[..stored.len() / 2].to_vec();
        for wrong in [cut, b"no frame at all".to_vec()] {
            let failure = drain(decompress(once(wrong))).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt);
        }
    }
}

//! The pieces of a data block in pg_dump's custom format: a length and so many bytes, again and again, up to a length of 0
//! (`_ReadData` in `pg_backup_custom.c`).

use super::through;
use crate::failure::Failure;
use crate::transfer::source::{Chunks, gather};

/// A sign, and four bytes.
const LENGTH_BYTES: usize = 5;

/// The kind of a block with an entry's data, which its number follows.
const DATA: u8 = 1;

#[derive(Debug)]
enum State {
    Kind(u32),
    DumpId(u32, Vec<u8>),
    Length(Vec<u8>),
    Piece(usize),
    End,
}

/// The bytes of the pieces, after the header of this entry's block where one is expected. What follows the block is not looked at.
pub fn unframe(chunks: Chunks, dump_id: Option<u32>) -> Chunks {
    let state = match dump_id {
        Some(dump_id) => State::Kind(dump_id),
        None => State::Length(Vec::new()),
    };
    gather(through(chunks, state, |state, chunk| {
        let Some(chunk) = chunk else {
            return match state {
                State::End => Ok((Vec::new(), 0)),
                _ => Err(Failure::corrupt("the data block is cut off")),
            };
        };
        let other = |dump_id: u32| {
            Failure::corrupt(format!(
                "the data block of entry {dump_id} is not where the archive says"
            ))
        };
        match state {
            State::Kind(dump_id) if chunk.first() == Some(&DATA) => {
                *state = State::DumpId(*dump_id, Vec::new());
                Ok((Vec::new(), 1))
            }
            State::Kind(dump_id) => Err(other(*dump_id)),
            State::DumpId(dump_id, read) => {
                let step = chunk.len().min(LENGTH_BYTES - read.len());
                read.extend_from_slice(&chunk[..step]);
                if read.len() == LENGTH_BYTES {
                    if read[0] != 0 || read[1..] != dump_id.to_le_bytes() {
                        return Err(other(*dump_id));
                    }
                    *state = State::Length(Vec::new());
                }
                Ok((Vec::new(), step))
            }
            State::End => Ok((Vec::new(), chunk.len())),
            State::Piece(left) => {
                let step = chunk.len().min(*left);
                *left -= step;
                if *left == 0 {
                    *state = State::Length(Vec::new());
                }
                Ok((chunk[..step].to_vec(), step))
            }
            State::Length(read) => {
                let step = chunk.len().min(LENGTH_BYTES - read.len());
                read.extend_from_slice(&chunk[..step]);
                if let [sign, bytes @ ..] = read.as_slice()
                    && let Ok(bytes) = <[u8; 4]>::try_from(bytes)
                {
                    let length = u32::from_le_bytes(bytes) as usize;
                    *state = match (*sign, length) {
                        (0, 0) => State::End,
                        (0, length) => State::Piece(length),
                        _ => {
                            return Err(Failure::corrupt(
                                "a piece of a data block has a negative length",
                            ));
                        }
                    };
                }
                Ok((Vec::new(), step))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::transfer::codec::test_streams::{drain, once};

    fn pieces() -> Vec<u8> {
        [
            &[0, 3, 0, 0, 0][..],
            b"abc",
            &[0, 2, 0, 0, 0],
            b"de",
            &[0; 5],
            b"what follows",
        ]
        .concat()
    }

    fn block() -> Vec<u8> {
        [&[DATA, 0, 7, 0, 0, 0][..], &pieces()].concat()
    }

    #[tokio::test]
    async fn pieces_are_joined_and_the_rest_is_left() {
        assert_eq!(
            drain(unframe(once(pieces()), None)).await.unwrap(),
            b"abcde"
        );
        assert_eq!(
            drain(unframe(once(block()), Some(7))).await.unwrap(),
            b"abcde"
        );
    }

    #[tokio::test]
    async fn a_cut_block_and_one_of_another_entry_are_corrupt() {
        let negative = vec![1, 3, 0, 0, 0];
        let wrong = [(negative, None), (pieces(), Some(7)), (block(), Some(8))];
        let cut = [0, 4, 7, 15].map(|length| (pieces()[..length].to_vec(), None));
        for (bytes, dump_id) in wrong.into_iter().chain(cut) {
            let failure = drain(unframe(once(bytes), dump_id)).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt);
        }
    }
}

//! The data blocks of the custom format (`pg_backup_custom.c`), which follow the table of contents in the one file: found by
//! walking over them, for archives whose writer could not seek back to note where they are, and for large objects.

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Of the entry that it belongs to.
    pub dump_id: u32,
    /// Where its pieces begin in the file: lengths and bytes, up to a length of 0. Of large objects: where the first OID is.
    pub pieces: u64,
    /// Where the block ends in the file.
    pub end: u64,
    /// Large objects in it, and where their pieces begin in the file; empty for rows.
    pub large_objects: Vec<(u32, u64)>,
}

/// Bytes that are no blocks.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("byte {offset}: a data block of the unknown kind {kind}")]
    Kind { offset: u64, kind: u8 },
    #[error("byte {offset}: the number {value} cannot stand there")]
    Number { offset: u64, value: i64 },
    #[error("byte {offset}: the archive ends within a data block")]
    CutOff { offset: u64 },
}

/// Kinds of blocks (`BLK_DATA`, `BLK_BLOBS`).
const DATA: u8 = 1;
const BLOBS: u8 = 3;

/// A sign, and four bytes.
const INTEGER_BYTES: usize = 5;

/// Walks over blocks, a chunk of the file at a time. Memory grows with the number of blocks and large objects alone.
#[derive(Debug)]
pub struct Walk {
    offset: u64,
    state: State,
    integer: [u8; INTEGER_BYTES],
    filled: usize,
    current: Option<Block>,
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kind,
    DumpId(u8),
    Oid,
    Length,
    Skip(u64),
}

impl Walk {
    /// Begins at a block: `offset` is where that is in the file.
    pub fn new(offset: u64) -> Self {
        Self {
            offset,
            state: State::Kind,
            integer: [0; INTEGER_BYTES],
            filled: 0,
            current: None,
            blocks: Vec::new(),
        }
    }

    /// Goes over the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), BlockError> {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.state {
                State::Kind => {
                    if !matches!(first, DATA | BLOBS) {
                        return Err(BlockError::Kind {
                            offset: self.offset,
                            kind: first,
                        });
                    }
                    self.offset += 1;
                    self.state = State::DumpId(first);
                    bytes = rest;
                }
                State::Skip(left) => {
                    let step = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    self.offset += step as u64;
                    bytes = &bytes[step..];
                    self.state = match left - step as u64 {
                        0 => State::Length,
                        left => State::Skip(left),
                    };
                }
                State::DumpId(_) | State::Oid | State::Length => {
                    self.integer[self.filled] = first;
                    self.filled += 1;
                    self.offset += 1;
                    bytes = rest;
                    if self.filled == INTEGER_BYTES {
                        self.filled = 0;
                        self.number()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many blocks have ended.
    pub fn ended(&self) -> usize {
        self.blocks.len()
    }

    /// The blocks that have ended, whatever has begun since.
    pub fn into_ended(self) -> Vec<Block> {
        self.blocks
    }

    /// The blocks that have ended; an error when one has not.
    pub fn finish(self) -> Result<Vec<Block>, BlockError> {
        match self.state {
            State::Kind => Ok(self.blocks),
            _ => Err(BlockError::CutOff {
                offset: self.offset,
            }),
        }
    }

    fn number(&mut self) -> Result<(), BlockError> {
        let [sign, bytes @ ..] = self.integer;
        let value = i64::from(u32::from_le_bytes(bytes)) * if sign == 0 { 1 } else { -1 };
        let wrong = BlockError::Number {
            offset: self.offset - INTEGER_BYTES as u64,
            value,
        };
        // An OID past 2^31 is written as the negative number that C makes of it.
        let number = match self.state {
            State::Oid => (value as i32).cast_unsigned(),
            _ => u32::try_from(value).map_err(|_| wrong.clone())?,
        };
        match (self.state, self.current.as_mut()) {
            (State::DumpId(kind), _) => {
                if number == 0 {
                    return Err(wrong);
                }
                self.current = Some(Block {
                    dump_id: number,
                    pieces: self.offset,
                    end: 0,
                    large_objects: Vec::new(),
                });
                self.state = if kind == BLOBS {
                    State::Oid
                } else {
                    State::Length
                };
            }
            (State::Oid, Some(block)) if number > 0 => {
                block.large_objects.push((number, self.offset));
                self.state = State::Length;
            }
            (State::Length, _) if number > 0 => self.state = State::Skip(number.into()),
            // The end of a large object, after which another may follow.
            (State::Length, Some(block)) if !block.large_objects.is_empty() => {
                self.state = State::Oid
            }
            _ => {
                if let Some(mut block) = self.current.take() {
                    block.end = self.offset;
                    self.blocks.push(block);
                }
                self.state = State::Kind;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(value: i32) -> Vec<u8> {
        let mut bytes = vec![u8::from(value < 0)];
        bytes.extend(value.unsigned_abs().to_le_bytes());
        bytes
    }

    fn file() -> Vec<u8> {
        [
            vec![DATA],
            integer(7),
            integer(3),
            b"abc".to_vec(),
            integer(2),
            b"de".to_vec(),
            integer(0),
            vec![BLOBS],
            integer(9),
            integer(4711),
            integer(1),
            b"x".to_vec(),
            integer(0),
            integer(4712),
            integer(0),
            integer(0),
            vec![DATA],
            integer(8),
            integer(0),
        ]
        .concat()
    }

    #[test]
    fn blocks_are_found_however_the_bytes_come() {
        let file = file();
        for step in [1, 2, 7, file.len()] {
            let mut walk = Walk::new(100);
            file.chunks(step)
                .for_each(|chunk| walk.push(chunk).unwrap());
            assert_eq!(walk.ended(), 3);
            let blocks = walk.finish().unwrap();
            assert_eq!(
                blocks.iter().map(|block| block.dump_id).collect::<Vec<_>>(),
                [7, 9, 8]
            );
            assert_eq!((blocks[0].pieces, blocks[0].end), (106, 126));
            assert_eq!(blocks[1].large_objects, [(4711, 137), (4712, 153)]);
            assert_eq!(blocks[2].end, 100 + file.len() as u64);
        }
    }

    #[test]
    fn what_is_no_block_or_cut_is_an_error() {
        let file = file();
        for cut in [1, 8, 12, 40] {
            let mut walk = Walk::new(0);
            walk.push(&file[..cut]).unwrap();
            assert_eq!(
                walk.finish(),
                Err(BlockError::CutOff { offset: cut as u64 })
            );
        }
        assert_eq!(
            Walk::new(5).push(b"PGDMP"),
            Err(BlockError::Kind {
                offset: 5,
                kind: b'P'
            })
        );
        let negative = [vec![DATA], integer(7), integer(-3)].concat();
        assert_eq!(
            Walk::new(0).push(&negative),
            Err(BlockError::Number {
                offset: 6,
                value: -3
            })
        );
    }
}

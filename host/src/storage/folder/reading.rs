//! Reads a file piece by piece.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use super::blocking;
use crate::storage::{ByteStream, StorageError, StorageErrorKind};

/// Large enough that the switch of threads costs little, small enough for many files at once.
const PIECE: u64 = 256 * 1024;

/// The bytes of a file that is `length` long, or a range of them.
pub(super) fn stream(
    file: File,
    length: u64,
    range: Option<Range<u64>>,
    doing: String,
) -> Result<ByteStream, StorageError> {
    let range = range.unwrap_or(0..length);
    if range.end > length || range.start > range.end {
        let cause = format!(
            "it has {length} bytes, and bytes {} to {} were asked for",
            range.start, range.end
        );
        return Err(StorageError::new(StorageErrorKind::Corrupt, doing, cause));
    }
    let pieces = stream::try_unfold((file, range), move |(file, range)| {
        let doing = doing.clone();
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let piece = range.start..range.end.min(range.start + PIECE);
            let rest = piece.end..range.end;
            let (file, bytes) =
                blocking(doing, move |doing| read_piece(file, piece, doing)).await?;
            Ok(Some((bytes, (file, rest))))
        }
    });
    Ok(pieces.boxed())
}

fn read_piece(
    mut file: File,
    piece: Range<u64>,
    doing: &str,
) -> Result<(File, Bytes), StorageError> {
    // At most `PIECE`.
    let mut bytes = vec![0; (piece.end - piece.start) as usize];
    let read = file
        .seek(SeekFrom::Start(piece.start))
        .and_then(|_| file.read_exact(&mut bytes));
    match read {
        Ok(()) => Ok((file, bytes.into())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(StorageError::new(
            StorageErrorKind::Corrupt,
            doing,
            "the file became shorter while it was read",
        )),
        Err(error) => Err(StorageError::io(doing, &error)),
    }
}

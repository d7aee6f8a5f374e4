//! How the rows of a big table are loaded by several connections: in pieces of whole chunks.

use std::ops::Range;

use archive::manifest::Chunk;

/// Bytes of rows in one piece: enough that a transaction's beginning and end do not matter, and so little that the connections
/// finish at about the same time.
const PIECE_BYTES: u64 = 32 * 1024 * 1024;

/// Ranges of chunks, one after another, of about the same number of bytes.
pub fn pieces(chunks: &[Chunk]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, chunk) in chunks.iter().enumerate() {
        bytes += chunk.plain_bytes;
        if bytes >= PIECE_BYTES {
            pieces.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    match pieces.last_mut() {
        // The end is no piece of its own: often it is the mark of the end alone.
        Some(last) if bytes < PIECE_BYTES / 4 => last.end = chunks.len(),
        _ if start < chunks.len() => pieces.push(start..chunks.len()),
        _ => {}
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(mib: &[u64]) -> Vec<Chunk> {
        let chunk = |mib: &u64| Chunk {
            offset: 0,
            bytes: 1,
            plain_bytes: mib * 1024 * 1024,
            rows: 1,
            sha256: None,
        };
        mib.iter().map(chunk).collect()
    }

    #[test]
    fn pieces_hold_every_chunk_once() {
        // How many chunks each piece holds.
        for (mib, expected) in [
            (vec![], vec![]),
            (vec![3, 0], vec![2]),
            (vec![100, 0], vec![2]),
            (vec![16; 5], vec![2, 2, 1]),
            (vec![40, 40, 1, 0], vec![1, 3]),
            (vec![8; 64], vec![4; 16]),
        ] {
            let pieces = pieces(&chunks(&mib));
            let lengths: Vec<usize> = pieces.iter().map(Range::len).collect();
            assert_eq!(lengths, expected, "{mib:?}");
            assert!(pieces.windows(2).all(|two| two[0].end == two[1].start));
        }
    }
}

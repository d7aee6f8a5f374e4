//! A digest of the rows of a COPY that does not depend on their order: what says that two tables hold the same.

use futures_util::StreamExt;
use memchr::memchr_iter;
use sha2::{Digest, Sha256};

use super::source::Source;
use super::task::Receipt;
use crate::failure::Failure;

/// What pg_dump writes after the last row.
const END: &[u8] = b"\\.";

/// Reads rows to their end, and keeps nothing but their number, their bytes and the sum of their digests.
pub async fn discard_rows(source: Source) -> Result<Receipt, Failure> {
    let meter = source.meter();
    let mut chunks = source.into_chunks();
    let mut rows = RowDigest::default();
    while let Some(chunk) = chunks.next().await {
        rows.update(&chunk?);
    }
    let (count, bytes, sha256) = rows.finish()?;
    Ok(Receipt {
        bytes,
        sha256,
        plain_bytes: meter.plain_bytes(),
        rows: Some(count),
        ..Receipt::default()
    })
}

/// Takes rows in pieces of any size.
#[derive(Default)]
struct RowDigest {
    /// Of the row under way.
    hash: Sha256,
    /// The first bytes of the row under way, as many as the mark of the end has and one more.
    head: Vec<u8>,
    row_bytes: u64,
    sum: [u64; 4],
    count: u64,
    bytes: u64,
    ended: bool,
}

impl RowDigest {
    fn update(&mut self, chunk: &[u8]) {
        let mut start = 0;
        for end in memchr_iter(b'\n', chunk) {
            if self.ended {
                return;
            }
            self.part(&chunk[start..end]);
            self.end_row();
            start = end + 1;
        }
        if !self.ended {
            self.part(&chunk[start..]);
        }
    }

    fn part(&mut self, part: &[u8]) {
        let room = END.len() + 1 - self.head.len();
        self.head.extend_from_slice(&part[..part.len().min(room)]);
        self.row_bytes += part.len() as u64;
        self.hash.update(part);
    }

    fn end_row(&mut self) {
        self.ended = self.head == END;
        let digest = self.hash.finalize_reset();
        if !self.ended {
            add(&mut self.sum, &digest);
            self.count += 1;
            self.bytes += self.row_bytes + 1;
        }
        self.head.clear();
        self.row_bytes = 0;
    }

    /// Rows, their bytes, and the sum in 64 lowercase hex digits.
    fn finish(self) -> Result<(u64, u64, String), Failure> {
        if self.row_bytes > 0 {
            return Err(Failure::corrupt("the last row has no end"));
        }
        let sum = self.sum.map(u64::to_be_bytes).concat();
        Ok((self.count, self.bytes, hex::encode(sum)))
    }
}

/// Modulo 2^256; the most significant limb first.
fn add(sum: &mut [u64; 4], digest: &[u8]) {
    let mut carry = false;
    for (limb, bytes) in sum.iter_mut().zip(digest.chunks_exact(8)).rev() {
        let mut number = [0; 8];
        number.copy_from_slice(bytes);
        let (with_number, first) = limb.overflowing_add(u64::from_be_bytes(number));
        let (with_carry, second) = with_number.overflowing_add(carry.into());
        *limb = with_carry;
        carry = first || second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &[u8], piece: usize) -> (u64, u64, String) {
        let mut rows = RowDigest::default();
        text.chunks(piece).for_each(|piece| rows.update(piece));
        rows.finish().unwrap()
    }

    #[test]
    fn the_order_and_the_pieces_do_not_matter_and_everything_else_does() {
        let one = digest(b"a\tb\nc\td\nc\td\n\n", 100);
        assert_eq!((one.0, one.1), (4, 13));
        for piece in [1, 2, 3, 5] {
            assert_eq!(digest(b"c\td\n\na\tb\nc\td\n", piece), one);
            assert_eq!(
                digest(b"c\td\n\na\tb\nc\td\n\\.\n\n\n", piece),
                one,
                "with pg_dump's end"
            );
        }
        for other in [
            &b"a\tb\nc\td\n\n"[..],
            b"a\tb\nc\tD\nc\td\n\n",
            b"a\tb\na\tb\nc\td\n\n",
            b"\\.\na\tb\nc\td\nc\td\n\n",
        ] {
            assert_ne!(digest(other, 4).2, one.2);
        }
    }

    #[test]
    fn one_row_has_the_digest_of_its_line_and_sums_wrap() {
        let line = hex::encode(Sha256::digest(b"row"));
        assert_eq!(digest(b"row\n", 2).2, line);
        let mut sum = [u64::MAX; 4];
        let mut one = [0; 32];
        one[31] = 2;
        add(&mut sum, &one);
        assert_eq!(sum, [0, 0, 0, 1]);
    }

    #[test]
    fn a_cut_row_is_found() {
        let mut rows = RowDigest::default();
        rows.update(b"whole\nhal");
        assert!(rows.finish().is_err());
    }
}

//! A gzip member (RFC 1952) that says how long it is, so that a reader can decompress it at once: in an extra field of the header, as
//! BGZF does, which other readers skip.

use libdeflater::{CompressionError, Compressor, Crc, DecompressionError, Decompressor};

/// Up to the compressed bytes.
pub const HEADER_BYTES: usize = 20;

/// Magic, deflate, an extra field, no time, no flags, an unknown system; eight bytes of extra field: subfield `OR` with four bytes.
const HEADER: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, b'O', b'R', 4, 0];

/// CRC-32 and length of what is inside.
const TRAILER_BYTES: usize = 8;

/// What is decompressed at once: several times what is compressed at once. A bomb makes no more of itself.
const BLOCK_BYTES_MAX: usize = 4 * super::BLOCK_BYTES;

/// Compresses a block into `output`, in place of what is in there.
pub fn write(
    compressor: &mut Compressor,
    block: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    // As long as this block needs: that of an empty table is tiny.
    let bound = compressor.deflate_compress_bound(block.len());
    output.clear();
    output.resize(HEADER_BYTES + bound, 0);
    let compressed = compressor.deflate_compress(block, &mut output[HEADER_BYTES..])?;
    output.truncate(HEADER_BYTES + compressed);
    let mut crc = Crc::new();
    crc.update(block);
    output.extend_from_slice(&crc.sum().to_le_bytes());
    // Modulo 2^32, as the format has it.
    output.extend_from_slice(&(block.len() as u32).to_le_bytes());
    let length = output.len() as u32;
    output[..HEADER.len()].copy_from_slice(&HEADER);
    output[HEADER.len()..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// How long the member that begins here is; `None` where it does not say.
pub fn length(header: &[u8]) -> Option<usize> {
    let length = header.get(HEADER.len()..HEADER_BYTES)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let is_ours = header.starts_with(&HEADER);
    // Deflate makes nothing much longer than it was.
    let is_sound = (HEADER_BYTES + TRAILER_BYTES..=2 * BLOCK_BYTES_MAX).contains(&length);
    (is_ours && is_sound).then_some(length)
}

/// What a member is to a reader that takes it at once.
pub enum Member {
    /// What it holds.
    Block(Vec<u8>),
    /// It holds more than is decompressed at once.
    TooLong,
}

/// Decompresses a whole member, and checks it.
pub fn read(decompressor: &mut Decompressor, member: &[u8]) -> Result<Member, DecompressionError> {
    let Some(length) = member
        .last_chunk::<4>()
        .map(|last| u32::from_le_bytes(*last) as usize)
    else {
        return Err(DecompressionError::BadData);
    };
    if length > BLOCK_BYTES_MAX {
        return Ok(Member::TooLong);
    }
    let mut block = vec![0; length];
    let written = decompressor.gzip_decompress(member, &mut block)?;
    if written != length {
        return Err(DecompressionError::BadData);
    }
    Ok(Member::Block(block))
}

//! Randomness from the host's generator, which is seeded for each step: the same seed gives the same numbers again.
//!
//! Not for secrets. A component has no entropy of its own. With the feature `getrandom`, crates that ask getrandom 0.3 or
//! 0.4 for it (`rand`, `uuid`, ...) get the same numbers; `orchestrator plugin build` sets the flag that getrandom wants.

use crate::run;

/// Fills a buffer.
pub fn fill(buffer: &mut [u8]) {
    fill_from(run::random, buffer);
}

/// A number below `bound`, each with the same chance; 0 when `bound` is 0.
pub fn below(bound: u64) -> u64 {
    below_from(run::random, bound)
}

/// Lowercase hex digits, for names that must not meet by chance.
pub fn hex(digits: usize) -> String {
    (0..digits)
        .map(|_| char::from(b"0123456789abcdef"[below(16) as usize]))
        .collect()
}

/// What getrandom calls when it is compiled with `--cfg getrandom_backend="custom"`.
#[cfg(all(feature = "getrandom", target_arch = "wasm32"))]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    destination: *mut u8,
    bytes: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: getrandom promises memory that is valid for writes of that many bytes; they are zeroed before a slice, which
    // must hold no uninitialised byte, is made of them.
    let buffer = unsafe {
        destination.write_bytes(0, bytes);
        std::slice::from_raw_parts_mut(destination, bytes)
    };
    fill(buffer);
    Ok(())
}

fn fill_from(mut random: impl FnMut() -> u64, buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(8) {
        let bytes = random().to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}

/// Lemire's method: the high half of a product, drawn again where the low half would favour some numbers.
fn below_from(mut random: impl FnMut() -> u64, bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    let unfair = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(random()) * u128::from(bound);
        if product as u64 >= unfair {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{below_from, fill_from};

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        assert_eq!(below_from(|| u64::MAX, 10), 9);
        assert_eq!(below_from(|| 0x8000_0000_0000_0001, 10), 5);
        assert_eq!(below_from(|| 1, 0), 0);
        // 2^64 is no multiple of 10: the six lowest products are drawn again.
        let mut draws = [0, u64::MAX].into_iter();
        assert_eq!(below_from(|| draws.next().unwrap(), 10), 9);
    }

    #[test]
    fn every_byte_of_a_buffer_is_filled() {
        let mut buffer = [0; 11];
        fill_from(|| 0x0807_0605_0403_0201, &mut buffer);
        assert_eq!(buffer, [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
    }
}

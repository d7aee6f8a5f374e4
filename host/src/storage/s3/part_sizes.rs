//! How large the parts of a multipart upload are: at least 5 MiB each but the last, and at most 10,000 of them.

/// Bytes of a part where nothing speaks for more.
pub(super) const DEFAULT: u64 = 8 * MIB;

/// S3's limit.
pub(super) const MOST_PARTS: u64 = 10_000;

const MIB: u64 = 1024 * 1024;
const LARGEST: u64 = 5 * 1024 * MIB;

/// The sizes of one object's parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSizes {
    base: u64,
    /// Parts of the size `base`.
    steady: u64,
    /// From then on the size doubles after this many parts.
    step: u64,
}

impl PartSizes {
    /// A known length gives parts of one size, with a tenth of their number in reserve; an unknown one begins small and
    /// doubles every 1000 parts, which ends near 8 TiB.
    pub fn of_object(expected_bytes: Option<u64>) -> PartSizes {
        const STEADY: u64 = 9000;
        match expected_bytes {
            Some(bytes) => PartSizes {
                base: bytes
                    .div_ceil(STEADY)
                    .div_ceil(MIB)
                    .saturating_mul(MIB)
                    .clamp(DEFAULT, LARGEST),
                steady: STEADY,
                step: 100,
            },
            None => PartSizes {
                base: DEFAULT,
                steady: 1000,
                step: 1000,
            },
        }
    }

    /// Bytes of the part of this number; the first one is 1.
    pub fn of_part(self, number: u64) -> u64 {
        let doublings = match number.checked_sub(self.steady + 1) {
            None => 0,
            Some(beyond) => beyond / self.step + 1,
        };
        let factor = 1_u64.checked_shl(doublings as u32).unwrap_or(u64::MAX);
        self.base.saturating_mul(factor).min(LARGEST)
    }
}

/// Whole MiB, at least one.
pub(super) fn in_mib(bytes: u64) -> usize {
    bytes.div_ceil(MIB).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;
    const TIB: u64 = 1024 * GIB;

    fn capacity(sizes: PartSizes) -> u64 {
        (1..=MOST_PARTS).map(|number| sizes.of_part(number)).sum()
    }

    #[test]
    fn every_size_fits_into_ten_thousand_parts() {
        for expected in [0, 1, GIB, 100 * GIB, 5 * TIB, 40 * TIB] {
            let sizes = PartSizes::of_object(Some(expected));
            assert!(capacity(sizes) > expected, "{expected}");
            assert!(sizes.of_part(1) >= DEFAULT);
        }
        assert!(capacity(PartSizes::of_object(None)) > 7 * TIB);
    }

    #[test]
    fn a_bad_guess_is_survived() {
        assert!(capacity(PartSizes::of_object(Some(1))) > TIB);
        let huge = PartSizes::of_object(Some(u64::MAX));
        assert_eq!(huge.of_part(MOST_PARTS), LARGEST);
    }

    #[test]
    fn usual_objects_have_usual_parts() {
        assert_eq!(PartSizes::of_object(None).of_part(1000), DEFAULT);
        assert_eq!(PartSizes::of_object(None).of_part(1001), 2 * DEFAULT);
        let known = PartSizes::of_object(Some(GIB));
        assert_eq!(known.of_part(9000), DEFAULT);
    }
}

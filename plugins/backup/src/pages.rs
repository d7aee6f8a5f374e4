//! How a big table is cut into ranges of its pages, which several readers copy at the same time.

/// Bytes of heap and TOAST in one range: enough that a COPY's beginning and end do not matter, and so little that what is
/// compressed ahead of its turn fits in memory.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Each range is a stream that the host holds, and an entry of the manifest.
const RANGES_MAX: u64 = 8192;

/// A range of pages: from the first up to but not including the end, or to the end of the table.
pub(crate) type Pages = (u64, Option<u64>);

/// Ranges of about the same number of bytes. The last one has no end: the table may have grown since its size was read.
/// One range for a table that is not worth cutting.
pub(crate) fn ranges(pages: u64, bytes: u64) -> Vec<Pages> {
    let wanted = (bytes / RANGE_BYTES).clamp(1, RANGES_MAX).min(pages.max(1));
    let step = pages.div_ceil(wanted).max(1);
    let starts: Vec<u64> = (0..wanted)
        .map(|range| range * step)
        .take_while(|start| *start == 0 || *start < pages)
        .collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    starts.iter().copied().zip(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn small_tables_stay_whole() {
        assert_eq!(ranges(0, 0), [(0, None)]);
        assert_eq!(ranges(1, 8192), [(0, None)]);
        assert_eq!(ranges(1500, 12 * MIB), [(0, None)]);
    }

    #[test]
    fn ranges_follow_each_other_without_a_gap() {
        for (pages, bytes) in [
            (2048, 16 * MIB),
            (2049, 16 * MIB + 8192),
            (100_000, 800 * MIB),
            (1 << 32, 1 << 45),
        ] {
            let ranges = ranges(pages, bytes);
            assert!(ranges.len() > 1 && ranges.len() as u64 <= RANGES_MAX);
            assert_eq!(ranges[0].0, 0);
            assert!(ranges.windows(2).all(|two| two[0].1 == Some(two[1].0)));
            assert_eq!(ranges.last().map(|last| last.1), Some(None));
            assert!(ranges.last().is_some_and(|last| last.0 < pages));
        }
    }

    #[test]
    fn toast_counts() {
        // Four pages that point to gigabytes.
        assert_eq!(ranges(4, 4096 * MIB).len(), 4);
        assert_eq!(ranges(1000, 80 * MIB).len(), 10);
    }
}

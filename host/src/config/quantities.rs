//! Sizes in bytes and durations, as people write them.

use super::error::Problem;
use jiff::SignedDuration;
use std::time::Duration;

/// `512`, `64KiB`, `256 MiB`, `1GiB`; also powers of ten: `kB`, `MB`, `GB`.
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    let problem = || {
        Problem::new(
            format!("{text:?} is no size"),
            "write a whole number with a unit: 512KiB, 64MiB, 1GiB",
        )
    };
    let text_of_number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[text_of_number.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(problem()),
    };
    let number: u64 = text_of_number.parse().map_err(|_| problem())?;
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(problem)
}

/// `90s`, `15m`, `1h30m`, `PT1H`.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    let parsed: Option<SignedDuration> = text.parse().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            Problem::new(
                format!("{text:?} is no duration"),
                "write it as 90s, 15m or 1h30m",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512", 512),
            ("64KiB", 65_536),
            ("256 MiB", 268_435_456),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "1.5GiB",
            "MiB",
            "1 mib",
            "1TiB",
            "99999999999GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("24h", 86_400)] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for text in ["", "0s", "-1s", "5", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

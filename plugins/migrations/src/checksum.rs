//! The checksum that the history keeps of a script: lowercase hex of the SHA-256 of its bytes.

use sha2::{Digest, Sha256};

/// Of the file as it is.
pub fn of(script: &str) -> String {
    hex::encode(Sha256::digest(script))
}

/// Whether the history's checksum is of this script, whatever the ends of its lines are: git may change them on the way from one
/// machine to another, and Prisma looks past that too.
pub fn is_of(recorded: &str, script: &str) -> bool {
    let unix = script.replace("\r\n", "\n");
    recorded == of(script) || recorded == of(&unix) || recorded == of(&unix.replace('\n', "\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_do_not_count() {
        let unix = "SELECT 1;\nSELECT 2;\n";
        let windows = "SELECT 1;\r\nSELECT 2;\r\n";
        // As `sha256sum` prints it.
        assert_eq!(
            of(unix),
            "82efb67f3010c6eb7ead02e4f6d9550633dbc1407f99aa487468e7b2567aebbc"
        );
        for recorded in [of(unix), of(windows)] {
            for script in [unix, windows] {
                assert!(is_of(&recorded, script));
            }
            assert!(!is_of(&recorded, "SELECT 1;\nSELECT 3;\n"));
        }
    }
}

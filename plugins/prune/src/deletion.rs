//! What may be deleted, and in what order.

use archive::BackupFolder;

/// Keys in one request: S3's own limit.
const KEYS_AT_ONCE: usize = 1000;

/// Whether a prefix ends in the folder of a backup, `<database>/<backup id>`, whatever stands before it.
pub fn names_a_backup(prefix: &str) -> bool {
    let mut parts = prefix.rsplitn(3, '/');
    let (Some(id), Some(database)) = (parts.next(), parts.next()) else {
        return false;
    };
    BackupFolder::parse(&format!("{database}/{id}")).is_ok()
}

/// The requests: the first key (the manifest) alone, so that no failure leaves a backup that looks whole, then the rest.
pub fn batches(keys: &[String]) -> impl Iterator<Item = &[String]> {
    let (first, rest) = keys.split_at(keys.len().min(1));
    std::iter::once(first)
        .filter(|first| !first.is_empty())
        .chain(rest.chunks(KEYS_AT_ONCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_backup_is_known_by_its_end() {
        for prefix in [
            "app/2026-01-17T02-00-00Z-manual-0a1b2c3d",
            "nightly/eu/app/2026-01-17T02-00-00Z-pre-migrate-0a1b2c3d",
        ] {
            assert!(names_a_backup(prefix), "{prefix}");
        }
        for prefix in [
            "",
            "app",
            "app/latest",
            "app/2026-01-17",
            "2026-01-17T02-00-00Z-manual-0a1b2c3d",
        ] {
            assert!(!names_a_backup(prefix), "{prefix}");
        }
    }

    #[test]
    fn the_manifest_goes_first_and_alone() {
        let keys: Vec<String> = (0..2002).map(|number| number.to_string()).collect();
        let sizes: Vec<_> = batches(&keys).map(<[String]>::len).collect();
        assert_eq!(sizes, [1, 1000, 1000, 1]);
        assert_eq!(batches(&keys).next(), Some(&["0".to_owned()][..]));
        assert_eq!(batches(&[]).count(), 0);
    }
}

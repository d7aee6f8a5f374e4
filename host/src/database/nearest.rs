//! The nearest known name, for messages about an unknown one.

/// The candidate that is most alike, when one is alike enough to be what was meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let alike = |candidate: &str| {
        strsim::normalized_damerau_levenshtein(&candidate.to_lowercase(), &name.to_lowercase())
    };
    candidates
        .into_iter()
        .map(|candidate| (candidate, alike(candidate)))
        .filter(|(_, likeness)| *likeness > 0.5)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_is_alike() {
        assert_eq!(
            nearest("sslmod", ["sslkey", "sslmode", "host"]),
            Some("sslmode")
        );
        assert_eq!(nearest("Backup", ["backup"]), Some("backup"));
        assert_eq!(nearest("zzz", ["sslkey", "sslmode", "host"]), None);
    }
}

//! Tags: what AWS takes for one, and how they are set.

use aws_sdk_rds::Client;
use aws_sdk_rds::types::Tag;

use super::failure::Request;
use super::text;
use crate::failure::Failure;

/// In characters: the API's own limits (`Tag` in the Amazon RDS API Reference).
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

/// Besides letters, digits and spaces of all scripts: `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$` ("Tagging Amazon RDS resources" in the
/// Amazon RDS User Guide).
const PUNCTUATION: &str = "_.:/=+-@";

/// Beginnings that AWS keeps for itself.
const RESERVED: [&str; 2] = ["aws:", "rds:"];

/// What RDS tells of tags.
pub(super) fn told(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter()
        .map(|tag| (text(tag.key()), text(tag.value())))
        .collect()
}

/// Tags of something new.
pub(super) fn given(pairs: &[(String, String)]) -> Result<Vec<Tag>, Failure> {
    pairs.iter().map(|(key, value)| tag(key, value)).collect()
}

/// Sets a tag of a snapshot; without a value, takes it off. `arn` is what RDS calls the snapshot in full.
pub(super) async fn set(
    client: &Client,
    arn: Option<&str>,
    snapshot: &str,
    key: &str,
    value: Option<&str>,
) -> Result<(), Failure> {
    let new = value.map(|value| tag(key, value)).transpose()?;
    let arn = arn.ok_or_else(|| {
        Failure::internal(format!(
            "RDS described the snapshot {snapshot} without its ARN"
        ))
    })?;
    if let Some(new) = new {
        let request = Request::new(
            "AddTagsToResource",
            format!("tagging the snapshot {snapshot}"),
        );
        client
            .add_tags_to_resource()
            .resource_name(arn)
            .tags(new)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
    } else {
        let request = Request::new(
            "RemoveTagsFromResource",
            format!("taking the tag {key} off the snapshot {snapshot}"),
        );
        client
            .remove_tags_from_resource()
            .resource_name(arn)
            .tag_keys(key)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
    }
    Ok(())
}

/// A tag that RDS takes. It refuses others itself, with less to go on.
fn tag(key: &str, value: &str) -> Result<Tag, Failure> {
    for (what, text, longest) in [("name", key, KEY_MAX), ("value", value, VALUE_MAX)] {
        if let Some(problem) = problem(text, longest) {
            return Err(
                Failure::invalid_input(format!("the {what} of the tag {key} {problem}")).hint(
                    format!(
                        "AWS keeps 1 to {longest} letters, digits, spaces and {PUNCTUATION} there"
                    ),
                ),
            );
        }
    }
    Ok(Tag::builder().key(key).value(value).build())
}

/// What RDS has against a text, in words.
fn problem(text: &str, longest: usize) -> Option<String> {
    let length = text.chars().count();
    if length == 0 {
        return Some("is empty".to_owned());
    }
    if length > longest {
        return Some(format!("has {length} characters"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(reserved) = RESERVED.iter().find(|begin| lower.starts_with(**begin)) {
        return Some(format!(
            "begins with {reserved}, which AWS keeps for itself"
        ));
    }
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || PUNCTUATION.contains(*c);
    let other = text.chars().find(|c| !kept(c))?;
    Some(format!("has the character {other:?} in it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn a_tag_is_as_aws_keeps_it() {
        let longest = "ä".repeat(VALUE_MAX);
        for good in [
            "before the audit",
            "until 2026-03-01T00:00:00+01:00 a/b=c_d@example.org",
            "vor der Prüfung",
            &longest,
        ] {
            let tag = tag("orchestrator:pin", good).expect(good);
            assert_eq!(tag.value(), Some(good));
        }
        let long = "x".repeat(VALUE_MAX + 1);
        for (bad, expected) in [
            ("", "the value of the tag orchestrator:pin is empty"),
            (long.as_str(), "has 257 characters"),
            ("before 2.0, until May", "has the character ',' in it"),
            ("two\nlines", "has the character '\\n' in it"),
            ("a\tb", "has the character '\\t' in it"),
            ("AWS:x", "begins with aws:"),
        ] {
            let failure = tag("orchestrator:pin", bad).expect_err(bad);
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            assert!(failure.message.contains(expected), "{failure}");
            let hint = failure.hint.expect("a hint");
            assert!(hint.contains("1 to 256 letters, digits, spaces"), "{hint}");
        }
        assert!(tag("a,b", "c").is_err());
    }
}

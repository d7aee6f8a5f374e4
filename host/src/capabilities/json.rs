//! JSON of others, before it becomes part of a record.

use serde_json::Value;

use crate::failure::Failure;

/// Objects and lists within each other. A record is JSON itself and holds these values some levels down, and parsers of JSON end at 128
/// levels: what is nested deeper could be written, and never be read again.
const DEPTH_MAX: usize = 64;

/// Parses what a plugin says; `what` is for the error: `the fact tables`.
pub fn parse(what: &str, json: &str) -> Result<Value, Failure> {
    check_depth(what, json)?;
    serde_json::from_str(json)
        .map_err(|error| Failure::invalid_input(format!("{what} is no JSON: {error}")))
}

/// Refuses a text of JSON that no record can hold.
pub fn check_depth(what: &str, json: &str) -> Result<(), Failure> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Failure::limit(format!(
                "{what} is nested more than {DEPTH_MAX} levels deep"
            ))
            .hint("write what lies deeper as a text"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn what_is_nested_too_deep_is_refused_and_nothing_else() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse("the result", &nested(DEPTH_MAX)).is_ok());
        for levels in [DEPTH_MAX + 1, 127, 128, 1_000_000] {
            let failure = parse("the result", &nested(levels)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::LimitExceeded, "{levels}");
            assert!(failure.message.starts_with("the result is nested"));
        }
        let text = format!(r#"["\"{0}\\", {{"{0}": 1}}]"#, "[".repeat(500));
        assert!(parse("the result", &text).is_ok());
        let failure = parse("the result", "[}").unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
    }
}

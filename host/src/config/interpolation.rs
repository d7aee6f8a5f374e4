//! `${NAME}` and `${NAME:-default}` in string values; `$${` stands for `${`.

use super::error::Problem;
use crate::database::{ProcessEnvironment, nearest};

/// The text with the variables in place of their names. As in a shell, the default also serves for an empty variable.
pub(super) fn interpolate(text: &str, environment: &ProcessEnvironment) -> Result<String, Problem> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        result.push_str(before);
        let (expression, after) = rest[start + 2..].split_once('}').ok_or_else(|| {
            Problem::new(
                "a ${ has no }",
                "write ${NAME} or ${NAME:-default}; $${ is a plain ${",
            )
        })?;
        result.push_str(value_of(expression, environment)?);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

fn value_of<'a>(
    expression: &'a str,
    environment: &'a ProcessEnvironment,
) -> Result<&'a str, Problem> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Problem::new(
            "a ${…} holds no name of a variable",
            "write ${NAME} or ${NAME:-default}; $${ is a plain ${",
        ));
    }
    match (environment.variables.get(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default),
        (None, None) => {
            let near = nearest(name, environment.variables.keys().map(String::as_str));
            let near = near
                .map(|near| format!(" ({near} is set)"))
                .unwrap_or_default();
            Err(Problem::new(
                format!("the variable {name} is not set"),
                format!("set {name}{near}, or give a default: ${{{name}:-…}}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let environment =
            ProcessEnvironment::of([("HOST", "db"), ("EMPTY", ""), ("DATABASE_URL", "x")]);
        interpolate(text, &environment)
            .map_err(|problem| format!("{} | {}", problem.message, problem.hint))
    }

    #[test]
    fn variables_and_defaults() {
        assert_eq!(
            filled("a ${HOST}/${HOST:-x} $HOST $").unwrap(),
            "a db/db $HOST $"
        );
        assert_eq!(
            filled("[${EMPTY}] [${EMPTY:-d}] [${NONE:-}] [${NONE:-a:-b}]").unwrap(),
            "[] [d] [] [a:-b]"
        );
        assert_eq!(filled("$${HOST} ${HOST}").unwrap(), "${HOST} db");
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(filled("${DATABSE_URL}").unwrap_err(), @"the variable DATABSE_URL is not set | set DATABSE_URL (DATABASE_URL is set), or give a default: ${DATABSE_URL:-…}");
        insta::assert_snapshot!(filled("${HOST").unwrap_err(), @"a ${ has no } | write ${NAME} or ${NAME:-default}; $${ is a plain ${");
        insta::assert_snapshot!(filled("${}").unwrap_err(), @"a ${…} holds no name of a variable | write ${NAME} or ${NAME:-default}; $${ is a plain ${");
    }
}

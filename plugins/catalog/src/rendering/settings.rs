//! `SET name TO value` from the `name=value` that catalogs store.

use crate::identifiers::{parse_name_list, quote_identifier, quote_literal};

/// Settings whose value is a list of quoted names (GUC_LIST_QUOTE): it is taken apart, and each name becomes a literal.
const NAME_LISTS: &[&str] = &[
    "local_preload_libraries",
    "oauth_validator_libraries",
    "output_plugin_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `SET name TO value`, or nothing for what is not `name=value`.
pub fn set(stored: &str) -> Option<String> {
    let (name, value) = stored.split_once('=')?;
    let is_list = NAME_LISTS
        .iter()
        .any(|list| list.eq_ignore_ascii_case(name));
    let values = if is_list {
        parse_name_list(value)
            .iter()
            .map(|name| quote_literal(name))
            .collect::<Vec<_>>()
            .join(", ")
    } else {
        quote_literal(value)
    };
    Some(format!("SET {} TO {values}", quote_identifier(name)))
}

/// `name=value, ...` of storage parameters, as WITH takes them.
pub fn storage_parameters<'a>(
    options: impl IntoIterator<Item = &'a String>,
    prefix: &str,
) -> String {
    let parts = options.into_iter().map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let quoted = quote_identifier(value);
        let value = if quoted == value {
            quoted
        } else {
            quote_literal(value)
        };
        format!("{prefix}{}={value}", quote_identifier(name))
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_taken_apart() {
        assert_eq!(
            set("search_path=a, \"B c\"").unwrap(),
            "SET search_path TO 'a', 'B c'"
        );
        assert_eq!(set("search_path=\"\"").unwrap(), "SET search_path TO ''");
        assert_eq!(set("work_mem=1MB").unwrap(), "SET work_mem TO '1MB'");
        assert_eq!(set("none"), None);
    }

    #[test]
    fn parameters_are_quoted_where_they_must_be() {
        let options = [
            "fillfactor=70".to_owned(),
            "security_barrier=true".to_owned(),
            "x=on".to_owned(),
            "buffering=auto".to_owned(),
        ];
        assert_eq!(
            storage_parameters(&options, "toast."),
            "toast.fillfactor='70', toast.security_barrier='true', toast.x='on', toast.buffering=auto"
        );
    }
}

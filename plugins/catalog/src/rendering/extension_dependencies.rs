//! ALTER ... DEPENDS ON EXTENSION: an object that is to be dropped with an extension, without belonging to it.

use crate::identifiers::quote_identifier;

/// One statement for each extension; `name` is ready to print.
pub fn statements(keyword: &str, name: &str, extensions: &[&str]) -> String {
    let statements = extensions.iter().map(|extension| {
        let extension = quote_identifier(extension);
        format!("\nALTER {keyword} {name} DEPENDS ON EXTENSION {extension};")
    });
    statements.collect()
}

//! Names as they stand in the SQL of an archive.

use orchestrator_sdk::postgres::quote_identifier;

/// How a name may be spelled: as it is, where pg_dump saw no need for quotes, and in double quotes.
pub fn spellings(name: &str) -> [String; 2] {
    [name.to_owned(), quote_identifier(name)]
}

/// A schema's object, or one in no schema, in double quotes.
pub fn qualified(schema: &str, name: &str) -> String {
    if schema.is_empty() {
        quote_identifier(name)
    } else {
        format!("{}.{}", quote_identifier(schema), quote_identifier(name))
    }
}

/// Whether SQL names this role, by itself and not as a part of another word.
pub fn mentions(sql: &str, name: &str) -> bool {
    let [bare, quoted] = spellings(name);
    let in_word =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '"');
    let alone = sql.match_indices(&bare).any(|(at, found)| {
        !sql[..at].ends_with(in_word) && !sql[at + found.len()..].starts_with(in_word)
    });
    alone || sql.contains(&quoted)
}

/// The statements of a database under another name: `ALTER DATABASE a`, `IN DATABASE a`, `ON DATABASE a`.
pub fn rename_database(sql: &str, from: &str, to: &str) -> String {
    let to = quote_identifier(to);
    let mut renamed = sql.to_owned();
    for spelled in spellings(from) {
        for (before, after) in [
            ("CREATE DATABASE ", " "),
            ("ALTER DATABASE ", " "),
            (" IN DATABASE ", " "),
            (" ON DATABASE ", " "),
        ] {
            renamed = renamed.replace(
                &format!("{before}{spelled}{after}"),
                &format!("{before}{to}{after}"),
            );
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_as_a_word() {
        assert!(mentions(
            "GRANT SELECT ON TABLE public.t TO reader;",
            "reader"
        ));
        assert!(mentions(
            "GRANT SELECT ON TABLE public.t TO \"Odd Role\";",
            "Odd Role"
        ));
        assert!(!mentions(
            "GRANT SELECT ON TABLE public.readers TO app;",
            "reader"
        ));
        assert!(!mentions(
            "GRANT SELECT ON TABLE public.t TO \"reader \";",
            "reader"
        ));
    }

    #[test]
    fn a_database_gets_another_name_everywhere() {
        assert_eq!(
            rename_database("CREATE DATABASE a WITH TEMPLATE = template0;", "a", "b"),
            "CREATE DATABASE \"b\" WITH TEMPLATE = template0;"
        );
        assert_eq!(
            rename_database(
                "ALTER DATABASE \"A b\" SET x TO '1';\nALTER ROLE r IN DATABASE \"A b\" SET y TO '2';",
                "A b",
                "c"
            ),
            "ALTER DATABASE \"c\" SET x TO '1';\nALTER ROLE r IN DATABASE \"c\" SET y TO '2';"
        );
        assert_eq!(
            rename_database("GRANT CONNECT ON DATABASE a TO a;", "a", "b"),
            "GRANT CONNECT ON DATABASE \"b\" TO a;"
        );
    }
}

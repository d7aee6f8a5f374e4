//! Names as they stand in the SQL of an archive.

use orchestrator_sdk::postgres::quote_identifier;

/// How a name may be spelled: as it is, where pg_dump saw no need for quotes, and in double quotes.
pub fn spellings(name: &str) -> [String; 2] {
    [name.to_owned(), quote_identifier(name)]
}

/// Whether SQL names this role where roles stand: after TO, FROM, ROLE, FOR or a comma, as pg_dump writes them.
pub fn mentions_role(sql: &str, name: &str) -> bool {
    let goes_on = |rest: &str| {
        rest.starts_with(|next: char| {
            next.is_alphanumeric() || matches!(next, '_' | '$' | '"' | ')' | '.')
        })
    };
    spellings(name).iter().any(|spelled| {
        sql.match_indices(spelled.as_str()).any(|(at, found)| {
            let before = &sql[..at];
            let stands_for_role = ["TO ", "FROM ", "ROLE ", "FOR ", ", "]
                .iter()
                .any(|word| before.ends_with(word));
            stands_for_role && !goes_on(&sql[at + found.len()..])
        })
    })
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
    fn roles_are_found_where_roles_stand() {
        for (sql, role) in [
            ("GRANT SELECT ON TABLE public.t TO reader;", "reader"),
            (
                "GRANT SELECT ON TABLE public.t TO \"Odd Role\";",
                "Odd Role",
            ),
            (
                "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA s GRANT ALL ON TABLES TO reader;",
                "app",
            ),
            ("CREATE POLICY p ON public.t TO a, b USING (true);", "b"),
            ("CREATE USER MAPPING FOR app SERVER s;", "app"),
        ] {
            assert!(mentions_role(sql, role), "{sql}");
        }
        for (sql, role) in [
            ("GRANT SELECT ON TABLE public.readers TO app;", "reader"),
            ("GRANT SELECT ON TABLE public.t TO \"reader \";", "reader"),
            ("GRANT USAGE ON SCHEMA app TO reader;", "app"),
            ("GRANT SELECT(id, app) ON TABLE public.t TO reader;", "app"),
        ] {
            assert!(!mentions_role(sql, role), "{sql}");
        }
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

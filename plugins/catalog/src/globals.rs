//! Roles, memberships and their settings: what belongs to the cluster and not to a database (`pg_dumpall --roles-only
//! --no-role-passwords`), as the text of `globals.sql`, and back from that text to what each statement is about.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::error::Error;
use crate::identifiers::{quote_identifier, quote_literal};
use crate::reading::Reader;
use crate::rendering::settings;
use crate::session::Session;
use crate::version::ServerVersion;

/// The superuser that initdb creates: the grantor of what superusers grant.
const BOOTSTRAP_SUPERUSER: &str = "10";

/// A condition on a role's name: the system's own are on every server, and those that the host makes for one run of a plugin do not outlive it.
macro_rules! is_ours {
    ($name:literal) => {
        concat!($name, " !~ '^(pg_|orchestrator_run_[0-9a-f]{12}_[0-9]+$)'")
    };
}

/// Whether the host has made the role for one run of a plugin (`run_role_name` in the host): its rights go with it, and belong in no backup.
pub(crate) fn is_of_a_run(role: &str) -> bool {
    let parts = role
        .strip_prefix("orchestrator_run_")
        .and_then(|rest| rest.split_once('_'));
    parts.is_some_and(|(run, number)| {
        run.len() == 12
            && run
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Every role but the system's own, and a membership before those that its grantor needs it for.
pub fn globals(session: &mut dyn Session, server_version_num: u32) -> Result<String, Error> {
    let version = ServerVersion(server_version_num);
    let mut reader = Reader::new(session, version);
    let mut sql = String::from(
        "-- Roles, memberships and settings of the cluster, without passwords.\n\nSET standard_conforming_strings = on;\n\n",
    );
    sql += &roles(&mut reader)?;
    sql += &security_labels(&mut reader)?;
    sql += &role_settings(&mut reader)?;
    sql += &memberships(&mut reader, version)?;
    Ok(sql)
}

fn roles(reader: &mut Reader<'_>) -> Result<String, Error> {
    let mut sql = String::new();
    let columns = [
        "rolname",
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
        "rolvaliduntil",
        "pg_catalog.shobj_description(oid, 'pg_authid')",
    ];
    const ATTRIBUTES: [&str; 7] = [
        "SUPERUSER",
        "INHERIT",
        "CREATEROLE",
        "CREATEDB",
        "LOGIN",
        "REPLICATION",
        "BYPASSRLS",
    ];
    reader.rows(
        "roles",
        &columns,
        concat!(
            "FROM pg_catalog.pg_roles WHERE ",
            is_ours!("rolname"),
            " ORDER BY rolname COLLATE \"C\""
        ),
        |row| {
            let role = quote_identifier(&row.text()?);
            // Writing to a String cannot fail.
            let _ = write!(sql, "CREATE ROLE {role};\nALTER ROLE {role} WITH");
            for attribute in ATTRIBUTES {
                let no = if row.flag()? { "" } else { "NO" };
                let _ = write!(sql, " {no}{attribute}");
            }
            let limit = row.text()?;
            if limit != "-1" {
                let _ = write!(sql, " CONNECTION LIMIT {limit}");
            }
            if let Some(until) = row.optional()? {
                let _ = write!(sql, " VALID UNTIL {}", quote_literal(&until));
            }
            sql += ";\n";
            if let Some(comment) = row.optional()? {
                let _ = writeln!(
                    sql,
                    "COMMENT ON ROLE {role} IS {};",
                    quote_literal(&comment)
                );
            }
            Ok(())
        },
    )?;
    Ok(sql)
}

fn security_labels(reader: &mut Reader<'_>) -> Result<String, Error> {
    let mut sql = String::new();
    reader.rows(
        "security labels of roles",
        &["l.provider", "r.rolname", "l.label"],
        concat!(
            "FROM pg_catalog.pg_shseclabel l JOIN pg_catalog.pg_roles r ON r.oid = l.objoid \
             WHERE l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND ",
            is_ours!("r.rolname"),
            " ORDER BY r.rolname COLLATE \"C\", l.provider COLLATE \"C\""
        ),
        |row| {
            let provider = quote_identifier(&row.text()?);
            let role = quote_identifier(&row.text()?);
            let label = quote_literal(&row.text()?);
            let _ = writeln!(
                sql,
                "SECURITY LABEL FOR {provider} ON ROLE {role} IS {label};"
            );
            Ok(())
        },
    )?;
    Ok(sql)
}

/// Those that hold in every database; those in one belong to that database's archive.
fn role_settings(reader: &mut Reader<'_>) -> Result<String, Error> {
    let mut sql = String::new();
    reader.rows(
        "settings of roles",
        &["r.rolname", "c.setting"],
        concat!(
            "FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
             CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS c(setting, position) \
             WHERE s.setdatabase = 0 AND (s.setrole = 0 OR ",
            is_ours!("r.rolname"),
            ") ORDER BY r.rolname COLLATE \"C\" NULLS FIRST, c.position"
        ),
        |row| {
            let role = match row.optional()? {
                Some(role) => quote_identifier(&role),
                None => "ALL".to_owned(),
            };
            if let Some(set) = settings::set(&row.text()?) {
                let _ = writeln!(sql, "ALTER ROLE {role} {set};");
            }
            Ok(())
        },
    )?;
    Ok(sql)
}

struct Membership {
    role: String,
    member: String,
    /// None for what the bootstrap superuser granted, as every superuser's grants count.
    grantor: Option<String>,
    admin: bool,
    options: Vec<&'static str>,
}

fn memberships(reader: &mut Reader<'_>, version: ServerVersion) -> Result<String, Error> {
    // Since version 16 a grantor counts, and INHERIT and SET are properties of the grant.
    let counts = version.at_least(16);
    let (inherit, set) = match counts {
        true => ("a.inherit_option", "a.set_option"),
        false => ("true", "true"),
    };
    let grantor = format!("CASE WHEN a.grantor <> {BOOTSTRAP_SUPERUSER} THEN g.rolname END");
    let mut left = Vec::new();
    reader.rows(
        "memberships",
        &["r.rolname", "m.rolname", &grantor, "a.admin_option", inherit, set],
        "FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid = a.roleid \
         JOIN pg_catalog.pg_roles m ON m.oid = a.member LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor \
         WHERE m.rolname !~ '^pg_' ORDER BY r.rolname COLLATE \"C\", m.rolname COLLATE \"C\", g.rolname COLLATE \"C\"",
        |row| {
            let (role, member) = (row.text()?, row.text()?);
            let grantor = row.optional()?.filter(|_| counts);
            let admin = row.flag()?;
            let (inherits, sets) = (row.flag()?, row.flag()?);
            if is_of_a_run(&role) {
                return Ok(());
            }
            let mut options = Vec::new();
            if admin {
                options.push("ADMIN OPTION");
            }
            if counts {
                options.push(if inherits { "INHERIT TRUE" } else { "INHERIT FALSE" });
                if !sets {
                    options.push("SET FALSE");
                }
            }
            left.push(Membership {
                role,
                member,
                grantor,
                admin,
                options,
            });
            Ok(())
        },
    )?;
    let mut sql = String::new();
    // Who grants a role has to have been given its ADMIN OPTION before.
    let mut admins: BTreeSet<(String, String)> = BTreeSet::new();
    while !left.is_empty() {
        let (mut now, mut later): (Vec<_>, Vec<_>) = left.into_iter().partition(|membership| {
            membership
                .grantor
                .as_ref()
                .is_none_or(|grantor| admins.contains(&(membership.role.clone(), grantor.clone())))
        });
        if now.is_empty() {
            now = std::mem::take(&mut later);
        }
        for membership in now {
            let (role, member) = (
                quote_identifier(&membership.role),
                quote_identifier(&membership.member),
            );
            let _ = write!(sql, "GRANT {role} TO {member}");
            if !membership.options.is_empty() {
                let _ = write!(sql, " WITH {}", membership.options.join(", "));
            }
            if let Some(grantor) = &membership.grantor {
                let _ = write!(sql, " GRANTED BY {}", quote_identifier(grantor));
            }
            sql += ";\n";
            if membership.admin {
                admins.insert((membership.role, membership.member));
            }
        }
        left = later;
    }
    Ok(sql)
}

/// One statement of `globals.sql`, and the roles that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalStatement {
    /// Creates a role.
    Create {
        /// The role.
        role: String,
        /// As it stands in the file, without the semicolon.
        sql: String,
    },
    /// Says more about a role; about all of them where none is named.
    Describe {
        /// The role.
        role: Option<String>,
        /// As it stands in the file, without the semicolon.
        sql: String,
    },
    /// Makes a role a member of another one.
    Grant {
        /// What is granted.
        role: String,
        /// Who gets it.
        member: String,
        /// As it stands in the file, without the semicolon.
        sql: String,
    },
}

impl GlobalStatement {
    /// The statements of a file that [`globals`] wrote. The error is a statement that it never writes.
    pub fn parse(text: &str) -> Result<Vec<GlobalStatement>, String> {
        split(text)
            .into_iter()
            .filter(|sql| !sql.starts_with("SET "))
            .map(|sql| Self::of(&sql).ok_or(sql))
            .collect()
    }

    fn of(sql: &str) -> Option<GlobalStatement> {
        let owned = sql.to_owned();
        if let Some(rest) = sql.strip_prefix("CREATE ROLE ") {
            let (role, rest) = identifier(rest)?;
            return rest
                .is_empty()
                .then_some(GlobalStatement::Create { role, sql: owned });
        }
        if let Some(rest) = sql.strip_prefix("SECURITY LABEL FOR ") {
            let (_, rest) = identifier(rest)?;
            let (role, _) = identifier(rest.strip_prefix(" ON ROLE ")?)?;
            let role = Some(role);
            return Some(GlobalStatement::Describe { role, sql: owned });
        }
        for verb in ["ALTER ROLE ", "COMMENT ON ROLE "] {
            if let Some(rest) = sql.strip_prefix(verb) {
                let role = match rest.starts_with("ALL ") {
                    true => None,
                    false => Some(identifier(rest)?.0),
                };
                return Some(GlobalStatement::Describe { role, sql: owned });
            }
        }
        let (role, rest) = identifier(sql.strip_prefix("GRANT ")?)?;
        let (member, _) = identifier(rest.strip_prefix(" TO ")?)?;
        Some(GlobalStatement::Grant {
            role,
            member,
            sql: owned,
        })
    }
}

/// Statements without their semicolons, and without comments between them.
fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, '-') if statement.trim().is_empty() && rest.as_str().starts_with('-') => {
                rest.by_ref().find(|character| *character == '\n');
                continue;
            }
            (None, ';') => {
                statements.push(std::mem::take(&mut statement).trim().to_owned());
                continue;
            }
            (None, '\'' | '"') => quote = Some(character),
            // A doubled quote closes and opens again.
            (Some(open), character) if open == character => quote = None,
            _ => {}
        }
        statement.push(character);
    }
    let last = statement.trim();
    if !last.is_empty() {
        statements.push(last.to_owned());
    }
    statements
}

/// An identifier at the beginning of a text, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', ';']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name += part;
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_tell_whom_they_are_about() {
        let text = "-- a comment; with a semicolon\nSET standard_conforming_strings = on;\n\nCREATE ROLE \"odd; \"\"role\n\";\n\
                    ALTER ROLE app SET application_name TO 'it''s; -- fine';\nALTER ROLE ALL SET work_mem TO '4MB';\n\
                    COMMENT ON ROLE app IS 'x';\nSECURITY LABEL FOR \"a b\" ON ROLE app IS 'y';\nGRANT app TO \"odd; \"\"role\n\" WITH ADMIN OPTION GRANTED BY boss;\n";
        let odd = "odd; \"role\n".to_owned();
        let statements = GlobalStatement::parse(text).unwrap();
        assert_eq!(
            statements[0],
            GlobalStatement::Create {
                role: odd.clone(),
                sql: "CREATE ROLE \"odd; \"\"role\n\"".to_owned()
            }
        );
        let roles: Vec<Option<&str>> = statements[1..5]
            .iter()
            .map(|statement| match statement {
                GlobalStatement::Describe { role, .. } => role.as_deref(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(roles, [Some("app"), None, Some("app"), Some("app")]);
        let GlobalStatement::Grant { role, member, sql } = &statements[5] else {
            panic!("{statements:?}");
        };
        assert_eq!((role.as_str(), member), ("app", &odd));
        assert!(sql.ends_with("GRANTED BY boss"));
        assert_eq!(
            GlobalStatement::parse("DROP ROLE app;"),
            Err("DROP ROLE app".to_owned())
        );
    }
}

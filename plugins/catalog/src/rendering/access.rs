//! GRANT and REVOKE: the way from the privileges that an object has when it is made to those that it shall have
//! (`buildACLCommands` in `dumputils.c`).

use std::collections::BTreeSet;

use crate::globals::is_of_a_run;
use crate::identifiers::quote_identifier;

/// What the statements are about.
pub struct Privileges<'a> {
    /// As in GRANT: `TABLE`, `SCHEMA`; in the plural for default privileges.
    pub kind: &'a str,
    /// Ready to print; none for default privileges.
    pub object: Option<String>,
    /// Ready to print.
    pub column: Option<&'a str>,
    pub owner: &'a str,
    /// What every statement begins with: `ALTER DEFAULT PRIVILEGES ... `
    pub prefix: &'a str,
}

/// The statements that turn `base` into `acl`; empty when there is no difference. `None` when an item cannot be read.
pub fn statements(
    privileges: &Privileges<'_>,
    acl: &[String],
    base: &[String],
    roles: &mut BTreeSet<String>,
) -> Option<String> {
    let Privileges { kind, prefix, .. } = privileges;
    let object = privileges
        .object
        .as_ref()
        .map(|object| format!("{object} "))
        .unwrap_or_default();
    let mut name = |role: &str| {
        if role.is_empty() {
            return "PUBLIC".to_owned();
        }
        roles.insert(role.to_owned());
        quote_identifier(role)
    };
    let mut of_owner = String::new();
    let mut of_others = String::new();
    for item in base.iter().filter(|item| !acl.contains(item)) {
        let item = Item::parse(item, privileges, false)?;
        if !item.plain.is_empty() {
            of_owner.push_str(&format!(
                "{prefix}REVOKE {} ON {kind} {object}FROM {};\n",
                item.plain,
                name(&item.grantee)
            ));
        }
    }
    // In the order of the ACL, since a grant may rest on an earlier one; but the owner's own come first.
    for item in acl.iter().filter(|item| !base.contains(item)) {
        let item = Item::parse(item, privileges, true)?;
        let is_empty = item.plain.is_empty() && item.grantable.is_empty();
        if is_empty || is_of_a_run(&item.grantee) {
            continue;
        }
        let grantor = if item.grantor.is_empty() {
            privileges.owner
        } else {
            &item.grantor
        };
        let is_owners = grantor == privileges.owner;
        let sql = if is_owners && item.grantee == privileges.owner {
            &mut of_owner
        } else {
            &mut of_others
        };
        if !is_owners {
            sql.push_str(&format!("SET SESSION AUTHORIZATION {};\n", name(grantor)));
        }
        let grantee = name(&item.grantee);
        if !item.plain.is_empty() {
            sql.push_str(&format!(
                "{prefix}GRANT {} ON {kind} {object}TO {grantee};\n",
                item.plain
            ));
        }
        if !item.grantable.is_empty() {
            sql.push_str(&format!(
                "{prefix}GRANT {} ON {kind} {object}TO {grantee} WITH GRANT OPTION;\n",
                item.grantable
            ));
        }
        if !is_owners {
            sql.push_str("RESET SESSION AUTHORIZATION;\n");
        }
    }
    Some(of_owner + &of_others)
}

/// Letters of aclitem and their keywords, for a kind of object.
fn keywords(kind: &str, is_column: bool) -> &'static [(char, &'static str)] {
    match kind {
        "TABLE" | "TABLES" if is_column => &[
            ('r', "SELECT"),
            ('a', "INSERT"),
            ('x', "REFERENCES"),
            ('w', "UPDATE"),
        ],
        // MAINTAIN is new in 17; an ACL of an older server never has all of these, and lists what it has.
        "TABLE" | "TABLES" => &[
            ('r', "SELECT"),
            ('a', "INSERT"),
            ('x', "REFERENCES"),
            ('d', "DELETE"),
            ('t', "TRIGGER"),
            ('D', "TRUNCATE"),
            ('m', "MAINTAIN"),
            ('w', "UPDATE"),
        ],
        "SEQUENCE" | "SEQUENCES" => &[('r', "SELECT"), ('U', "USAGE"), ('w', "UPDATE")],
        "FUNCTION" | "FUNCTIONS" | "PROCEDURE" => &[('X', "EXECUTE")],
        "SCHEMA" | "SCHEMAS" => &[('C', "CREATE"), ('U', "USAGE")],
        "DATABASE" => &[('C', "CREATE"), ('c', "CONNECT"), ('T', "TEMPORARY")],
        "LARGE OBJECT" | "LARGE OBJECTS" => &[('r', "SELECT"), ('w', "UPDATE")],
        // LANGUAGE, TYPE, TYPES
        _ => &[('U', "USAGE")],
    }
}

/// An aclitem, `grantee=privileges/grantor`.
struct Item {
    /// Empty for PUBLIC.
    grantee: String,
    grantor: String,
    plain: String,
    /// WITH GRANT OPTION
    grantable: String,
}

impl Item {
    /// `None` when it is no aclitem. Without `options`, it does not matter which privileges are grantable.
    fn parse(text: &str, privileges: &Privileges<'_>, options: bool) -> Option<Self> {
        let (grantee, rest) = role(text);
        let (letters, grantor) = rest.strip_prefix('=')?.split_once('/')?;
        let (grantor, rest) = role(grantor);
        if !rest.is_empty() {
            return None;
        }
        let keywords = keywords(privileges.kind, privileges.column.is_some());
        let suffix = privileges
            .column
            .map(|column| format!("({column})"))
            .unwrap_or_default();
        let (mut plain, mut grantable) = (Vec::new(), Vec::new());
        for &(letter, keyword) in keywords {
            let Some(at) = letters.find(letter) else {
                continue;
            };
            let is_grantable = options && letters[at + 1..].starts_with('*');
            let list = if is_grantable {
                &mut grantable
            } else {
                &mut plain
            };
            list.push(format!("{keyword}{suffix}"));
        }
        // ALL stands for whatever a later release has, too.
        for list in [&mut plain, &mut grantable] {
            if list.len() == keywords.len() {
                *list = vec![format!("ALL{suffix}")];
            }
        }
        Some(Self {
            grantee,
            grantor,
            plain: plain.join(","),
            grantable: grantable.join(","),
        })
    }
}

/// The role that an aclitem begins with, its quotes removed, and what follows.
fn role(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut is_quoted = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if(|(_, next)| *next == '"').is_some() => {
                name.push('"')
            }
            '"' => is_quoted = !is_quoted,
            '=' if !is_quoted => return (name, &text[at..]),
            _ => name.push(character),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(acl: &[&str], base: &[&str]) -> String {
        let own = |items: &[&str]| {
            items
                .iter()
                .map(|&item| item.to_owned())
                .collect::<Vec<_>>()
        };
        let privileges = Privileges {
            kind: "TABLE",
            object: Some("s.t".into()),
            column: None,
            owner: "o",
            prefix: "",
        };
        statements(&privileges, &own(acl), &own(base), &mut BTreeSet::new()).unwrap()
    }

    #[test]
    fn no_difference_is_no_statement() {
        assert_eq!(table(&["o=arwdDxt/o"], &["o=arwdDxt/o"]), "");
    }

    #[test]
    fn what_a_run_was_granted_goes_with_it() {
        let base = ["o=arwdDxt/o"];
        let during = ["o=arwdDxt/o", "orchestrator_run_0a1b2c3d4e5f_1=ar/o"];
        assert_eq!(table(&during, &base), "");
        for other in [
            "orchestrator_run",
            "orchestrator_run_0a1b2c3d4e5f",
            "orchestrator_run_0a1b2c3d4e5f_",
            "orchestrator_run_0A1B2C3D4E5F_1",
            "orchestrator_run_mine_1",
        ] {
            let granted = table(&[base[0], &format!("{other}=r/o")], &base);
            assert!(
                granted.starts_with("GRANT SELECT ON TABLE s.t TO "),
                "{other}: {granted}"
            );
        }
    }

    #[test]
    fn grants_and_revokes() {
        assert_eq!(
            table(
                &["o=r/o", "=r/o", "\"A \"\"b\"\"\"=r*w/o", "c=r/a"],
                &["o=arwdDxtm/o"]
            ),
            "REVOKE ALL ON TABLE s.t FROM o;\nGRANT SELECT ON TABLE s.t TO o;\nGRANT SELECT ON TABLE s.t TO PUBLIC;\n\
             GRANT UPDATE ON TABLE s.t TO \"A \"\"b\"\"\";\nGRANT SELECT ON TABLE s.t TO \"A \"\"b\"\"\" WITH GRANT OPTION;\n\
             SET SESSION AUTHORIZATION a;\nGRANT SELECT ON TABLE s.t TO c;\nRESET SESSION AUTHORIZATION;\n"
        );
    }
}

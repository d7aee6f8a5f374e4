//! Directories that stock pg_dump wrote (`-Fd`): no manifest, so what can be checked is what compression itself checks.

use std::collections::BTreeSet;

use archive::manifest::StoredObject;
use archive::{Entry, Toc, layout};
use orchestrator_sdk::Error;
use orchestrator_sdk::storage::Store;

use super::{Backup, Facts, Files, read_large_objects};

/// The directory at the prefix.
pub fn open(store: Store, prefix: &str) -> Result<Backup, Error> {
    let mut objects = Vec::new();
    store.for_each(&format!("{prefix}/"), |object| {
        let name = object.key[prefix.len() + 1..].to_owned();
        objects.push(unchecked(name, object.bytes));
        Ok(())
    })?;
    if !objects.iter().any(|object| object.name == layout::TOC) {
        return Err(Error::not_found(format!(
            "there is no backup at {prefix}: it holds neither {} nor {}",
            layout::MANIFEST,
            layout::TOC
        ))
        .hint("`orchestrator backup list` shows the backups there are"));
    }
    let bytes = objects.iter().map(|object| object.bytes).sum();
    let files = Files::new(store, prefix, objects.into_iter());
    let toc = files.read_toc()?;
    for entry in toc.entries.iter().filter(|entry| entry.had_dumper) {
        if entry.desc != "BLOBS" {
            files.find(&entry.filename)?;
        }
    }
    Ok(Backup {
        large_objects: read_large_objects(&files, &toc)?,
        facts: facts(prefix, &toc, bytes),
        files,
        toc,
    })
}

/// An object of which nobody has noted the digest.
pub fn unchecked(name: String, bytes: u64) -> StoredObject {
    StoredObject {
        name,
        bytes,
        sha256: String::new(),
        table: None,
    }
}

/// What the table of contents alone tells.
pub fn facts(key: &str, toc: &Toc, bytes: u64) -> Facts {
    Facts {
        name: key.rsplit('/').next().unwrap_or(key).to_owned(),
        snapshot_time: None,
        server_major: major(toc.header.server_version.as_deref().unwrap_or_default()),
        encoding: String::new(),
        roles: roles(toc).into_iter().collect(),
        bytes,
        filters: None,
    }
}

/// Of `15.18 (Debian 15.18-0+deb12u1)` or `18beta2`.
fn major(version: &str) -> u32 {
    let digits = version.find(|c: char| !c.is_ascii_digit());
    version[..digits.unwrap_or(version.len())]
        .parse()
        .unwrap_or_default()
}

/// Roles that the entries name: owners, and those behind TO and FOR ROLE in grants.
fn roles(toc: &Toc) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    for entry in &toc.entries {
        roles.extend(entry.owner.clone().filter(|owner| !owner.is_empty()));
        if matches!(entry.desc.as_str(), "ACL" | "DEFAULT ACL") {
            roles.extend(granted(entry));
        }
    }
    roles
}

fn granted(entry: &Entry) -> Vec<String> {
    let mut roles = Vec::new();
    for line in entry.definition.as_deref().unwrap_or_default().lines() {
        for before in [" TO ", " FROM ", " FOR ROLE ", "SESSION AUTHORIZATION "] {
            let name = line
                .split_once(before)
                .and_then(|(_, rest)| identifier(rest));
            roles.extend(name.filter(|name| name != "PUBLIC" && name != "DEFAULT"));
        }
    }
    roles
}

/// The identifier that a text begins with, unquoted.
fn identifier(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek()) {
                ('"', Some('"')) => {
                    rest.next();
                    name.push('"');
                }
                ('"', _) => return Some(name),
                _ => name.push(c),
            }
        }
        return None;
    }
    let end = text.find([';', ' ', '\n']).unwrap_or(text.len());
    Some(text[..end].to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    #[test]
    fn versions_are_read_by_their_major_number() {
        assert_eq!(major("15.18 (Debian 15.18-0+deb12u1)"), 15);
        assert_eq!(major("18beta2"), 18);
        assert_eq!(major(""), 0);
    }

    #[test]
    fn roles_of_grants_are_found() {
        let mut acl = entry(1, "ACL", "public", "TABLE t", &[]);
        acl.definition = Some(
            "REVOKE ALL ON TABLE public.t FROM app;\nSET SESSION AUTHORIZATION \"o\"\"dd\";\nGRANT SELECT ON TABLE public.t TO reader WITH GRANT OPTION;\nRESET SESSION AUTHORIZATION;\nGRANT ALL ON TABLE public.t TO PUBLIC;\nGRANT SELECT(a) ON TABLE public.t TO \"The Team\";\n"
                .to_owned(),
        );
        assert_eq!(granted(&acl), ["app", "o\"dd", "reader", "The Team"]);
        acl.definition = Some("ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES  TO reader;\n".to_owned());
        assert_eq!(granted(&acl), ["reader", "app"]);
    }
}

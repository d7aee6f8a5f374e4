//! Schemas and extensions.

use archive::{Entry, Section};

use super::writer::{Subject, Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, Namespace, class};
use crate::selection::Components;

/// The comment that initdb gives the schema public.
const PUBLIC_COMMENT: &str = "standard public schema";

pub fn schema(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let namespace = &writer.catalog.namespaces[at];
    let name = quote_identifier(&namespace.name);
    let id = CatalogId::new(class::NAMESPACE, namespace.oid);
    if namespace.dump.has(Components::DEFINITION) {
        let (create, drop) = if namespace.create {
            (
                format!("CREATE SCHEMA {name};\n"),
                format!("DROP SCHEMA {name};\n"),
            )
        } else {
            // pg_restore knows by the leading dashes that only the owner is to be set.
            let every_database = "schema, since initdb creates it\n";
            (
                format!("-- *not* creating {every_database}"),
                format!("-- *not* dropping {every_database}"),
            )
        };
        writer.add(Entry {
            definition: Some(create),
            drop_statement: Some(drop),
            owner: Some(namespace.owner.to_string()),
            ..entry(dump_id, id, "SCHEMA", Section::PreData, &*namespace.name)
        });
    }
    let subject = Subject {
        kind: "SCHEMA",
        name: &name,
        schema: None,
        owner: &namespace.owner,
        dump_id,
    };
    if namespace.dump.has(Components::COMMENT) {
        match writer.catalog.comment(id) {
            // A new database has it already; removing it is the user's doing.
            Some(PUBLIC_COMMENT) if !namespace.create => {}
            None if !namespace.create => writer.comment_text(subject, ""),
            Some(comment) => writer.comment_text(subject, comment),
            None => {}
        }
        writer.security_labels(subject, id);
    }
    if namespace.dump.has(Components::ACL) {
        privileges(writer, subject, namespace, id);
    }
}

fn privileges(writer: &mut Writer<'_>, subject: Subject<'_>, namespace: &Namespace, id: CatalogId) {
    let written = if &*namespace.name == "public" {
        // Whatever initdb granted in the release that made this cluster, a new database since 15 begins with this.
        let owner = acl_role(&namespace.owner);
        let initial = vec![format!("{owner}=UC/{owner}"), format!("=U/{owner}")];
        let mut access = namespace.access.clone();
        access.acl.get_or_insert_with(|| access.default.clone());
        writer.access(subject, &access, Some(&initial))
    } else {
        let initial = writer
            .catalog
            .initial_privileges
            .get(&id)
            .map(Vec::as_slice);
        writer.access(subject, &namespace.access, initial)
    };
    if let Some(entry) = written {
        writer.schema_access.insert(namespace.name.clone(), entry);
    }
}

/// A role's name as aclitem prints it.
fn acl_role(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

pub fn extension(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let extension = &writer.catalog.extensions[at];
    let name = quote_identifier(&extension.name);
    let id = CatalogId::new(class::EXTENSION, extension.oid);
    if extension.dump.has(Components::DEFINITION) {
        // Without a version: the target has its own. It may be installed already, which is no harm.
        let schema = quote_identifier(&extension.schema);
        writer.add(Entry {
            definition: Some(format!(
                "CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {schema};\n"
            )),
            drop_statement: Some(format!("DROP EXTENSION {name};\n")),
            ..entry(dump_id, id, "EXTENSION", Section::PreData, &*extension.name)
        });
    }
    if extension.dump.has(Components::COMMENT) {
        writer.annotate(
            Subject {
                kind: "EXTENSION",
                name: &name,
                schema: None,
                owner: "",
                dump_id,
            },
            id,
        );
    }
}

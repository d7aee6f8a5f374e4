//! CREATE DATABASE, and the properties that can only be set afterwards.

use archive::{Entry, Section};

use super::settings;
use super::writer::{Subject, Writer, entry};
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::{CatalogId, Database, class};

pub fn write(writer: &mut Writer<'_>) {
    let database = &writer.catalog.database;
    let name = quote_identifier(&database.name);
    let dump_id = writer.fresh_id();
    let id = CatalogId::new(class::DATABASE, database.oid);
    writer.add(Entry {
        definition: Some(create(writer, database, &name)),
        drop_statement: Some(format!("DROP DATABASE {name};\n")),
        owner: Some(database.owner.to_string()),
        ..entry(dump_id, id, "DATABASE", Section::PreData, &*database.name)
    });
    let subject = Subject {
        kind: "DATABASE",
        name: &name,
        schema: None,
        owner: &database.owner,
        dump_id,
    };
    if let Some(comment) = &database.comment {
        writer.comment_text(subject, comment);
    }
    writer.security_labels(subject, id);
    writer.access(subject, &database.access, None);
    properties(writer, database, &name);
}

fn create(writer: &Writer<'_>, database: &Database, name: &str) -> String {
    let mut sql = format!(
        "CREATE DATABASE {name} WITH TEMPLATE = template0 ENCODING = {}",
        quote_literal(&database.encoding)
    );
    // Locale providers are new in 15: an older server does not know the clause.
    if writer.catalog.version.at_least(15) {
        let provider = match database.locale_provider {
            'b' => "builtin",
            'i' => "icu",
            _ => "libc",
        };
        sql.push_str(&format!(" LOCALE_PROVIDER = {provider}"));
    }
    if database.collate == database.ctype {
        sql.push_str(&format!(" LOCALE = {}", quote_literal(&database.collate)));
    } else {
        sql.push_str(&format!(
            " LC_COLLATE = {}",
            quote_literal(&database.collate)
        ));
        sql.push_str(&format!(" LC_CTYPE = {}", quote_literal(&database.ctype)));
    }
    if let Some(locale) = &database.locale {
        let clause = if database.locale_provider == 'b' {
            "BUILTIN_LOCALE"
        } else {
            "ICU_LOCALE"
        };
        sql.push_str(&format!(" {clause} = {}", quote_literal(locale)));
    }
    if let Some(rules) = &database.icu_rules {
        sql.push_str(&format!(" ICU_RULES = {}", quote_literal(rules)));
    }
    if !["", "pg_default"].contains(&database.tablespace.as_str()) {
        sql.push_str(&format!(
            " TABLESPACE = {}",
            quote_identifier(&database.tablespace)
        ));
    }
    sql + ";\n"
}

/// In an entry of their own: pg_restore runs one entry's statements in a transaction, where CREATE DATABASE cannot be.
fn properties(writer: &mut Writer<'_>, database: &Database, name: &str) {
    let mut sql = String::new();
    let mut drop_sql = String::new();
    if database.connection_limit != -1 {
        sql.push_str(&format!(
            "ALTER DATABASE {name} CONNECTION LIMIT = {};\n",
            database.connection_limit
        ));
    }
    if database.is_template {
        sql.push_str(&format!("ALTER DATABASE {name} IS_TEMPLATE = true;\n"));
        let literal = quote_literal(&database.name);
        drop_sql = format!(
            "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = {literal};\n"
        );
    }
    for (role, setting) in &database.settings {
        let Some(set) = settings::set(setting) else {
            continue;
        };
        match role {
            Some(role) => {
                sql.push_str(&format!(
                    "ALTER ROLE {} IN DATABASE {name} {set};\n",
                    quote_identifier(role)
                ));
                writer.roles.insert(role.clone());
            }
            None => sql.push_str(&format!("ALTER DATABASE {name} {set};\n")),
        }
    }
    if sql.is_empty() {
        return;
    }
    let dump_id = writer.fresh_id();
    writer.add(Entry {
        definition: Some(sql),
        drop_statement: Some(drop_sql),
        owner: Some(database.owner.to_string()),
        ..entry(
            dump_id,
            CatalogId::default(),
            "DATABASE PROPERTIES",
            Section::PreData,
            &*database.name,
        )
    });
}

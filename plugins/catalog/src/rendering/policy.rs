//! CREATE POLICY, and row security of tables.

use archive::{Entry, Section};

use super::writer::{PartOfRelation, Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, class};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let policy = &writer.catalog.policies[at];
    let relation = &writer.catalog.relations[policy.table];
    let (table, name) = (relation.qualified(), quote_identifier(&policy.name));
    let mut sql = format!("CREATE POLICY {name} ON {table}");
    if !policy.permissive {
        sql.push_str(" AS RESTRICTIVE");
    }
    sql.push_str(match policy.command {
        'r' => " FOR SELECT",
        'a' => " FOR INSERT",
        'w' => " FOR UPDATE",
        'd' => " FOR DELETE",
        _ => "",
    });
    if !policy.roles.is_empty() {
        let roles = policy
            .roles
            .iter()
            .map(|role| quote_identifier(role))
            .collect::<Vec<_>>()
            .join(", ");
        sql.push_str(&format!(" TO {roles}"));
        writer.roles.extend(policy.roles.iter().cloned());
    }
    if let Some(using) = &policy.using {
        sql.push_str(&format!(" USING ({using})"));
    }
    if let Some(check) = &policy.with_check {
        sql.push_str(&format!(" WITH CHECK ({check})"));
    }
    writer.add_part(
        dump_id,
        PartOfRelation {
            desc: "POLICY",
            id: CatalogId::new(class::POLICY, policy.oid),
            name: &policy.name,
            relation,
            definition: sql + ";\n",
            drop_statement: format!("DROP POLICY {name} ON {table};\n"),
        },
    );
}

pub fn row_security(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let relation = &writer.catalog.relations[at];
    let table_id = writer.relation_dump_id(at);
    writer.add(Entry {
        definition: Some(format!(
            "ALTER TABLE {} ENABLE ROW LEVEL SECURITY;",
            relation.qualified()
        )),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        dependencies: vec![table_id],
        ..entry(
            dump_id,
            CatalogId::new(0, relation.oid),
            "ROW SECURITY",
            Section::PostData,
            &*relation.name,
        )
    });
}

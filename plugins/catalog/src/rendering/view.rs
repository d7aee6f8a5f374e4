//! Views and materialized views.

use archive::{Entry, Section};

use super::extension_dependencies;
use super::settings::storage_parameters;
use super::table;
use super::writer::{Writer, entry};
use crate::identifiers::quote_identifier;
use crate::model::{CatalogId, Relation};
use crate::ordering::Node;

/// CREATE VIEW. In a loop the view begins with columns alone, and a rule brings its query later.
pub fn create(relation: &Relation, postponed: bool) -> String {
    let name = relation.qualified();
    if postponed {
        return format!("CREATE VIEW {name} AS\n{};\n", columns_alone(relation));
    }
    format!("CREATE VIEW {name}{};\n", query(relation))
}

/// What comes after the view's name.
pub fn query(relation: &Relation) -> String {
    let options = storage_parameters(&relation.options, "");
    let options = if options.is_empty() {
        options
    } else {
        format!(" WITH ({options})")
    };
    let check = relation
        .check_option
        .as_ref()
        .map(|check| format!("\n  WITH {check} CHECK OPTION"))
        .unwrap_or_default();
    format!(
        "{options} AS\n{}{check}",
        relation.query.as_deref().unwrap_or_default()
    )
}

/// A query that yields the view's columns and reads nothing.
pub fn columns_alone(relation: &Relation) -> String {
    let columns = relation.columns.iter().map(|column| {
        let collation = column
            .collation
            .as_ref()
            .map(|collation| format!(" COLLATE {collation}"))
            .unwrap_or_default();
        format!(
            "\n    NULL::{}{collation} AS {}",
            column.type_name,
            quote_identifier(&column.name)
        )
    });
    format!("SELECT{}", columns.collect::<Vec<_>>().join(","))
}

/// CREATE MATERIALIZED VIEW, always without rows: they come with the data.
pub fn create_materialized(relation: &Relation, node: &Node<'_>) -> String {
    let name = relation.qualified();
    let query = relation.query.as_deref().unwrap_or_default();
    let unlogged = if relation.unlogged { "UNLOGGED " } else { "" };
    let options = table::with_clause(relation);
    let mut sql = format!(
        "CREATE {unlogged}MATERIALIZED VIEW {name}{options} AS\n{query}\n  WITH NO DATA;\n"
    );
    sql.push_str(&extension_dependencies::statements(
        "MATERIALIZED VIEW",
        &name,
        &node.extensions,
    ));
    sql
}

/// REFRESH MATERIALIZED VIEW, unless it is empty, or reads one that is.
pub fn refresh(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let catalog = writer.catalog;
    let relation = &catalog.relations[at];
    let mut reads = catalog
        .refresh_order
        .iter()
        .filter(|(view, _)| *view == relation.oid);
    let reads_unpopulated = reads.any(|(_, read)| {
        catalog
            .relation(*read)
            .is_some_and(|read| !read.is_populated)
    });
    if !relation.is_populated || reads_unpopulated {
        return;
    }
    writer.add(Entry {
        definition: Some(format!(
            "REFRESH MATERIALIZED VIEW {};\n",
            relation.qualified()
        )),
        namespace: Some(relation.schema.to_string()),
        owner: Some(relation.owner.to_string()),
        ..entry(
            dump_id,
            CatalogId::new(0, relation.oid),
            "MATERIALIZED VIEW DATA",
            Section::PostData,
            &*relation.name,
        )
    });
}

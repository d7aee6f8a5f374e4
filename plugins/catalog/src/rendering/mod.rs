//! The SQL of each class of object, one file per class, as pg_dump writes it: definitions, DROP statements, comments and
//! privileges as entries of an archive.

mod access;
mod access_method;
mod aggregate;
mod cast;
mod collation;
mod constraint;
mod conversion;
mod database;
mod default_access;
mod event_trigger;
mod extension_dependencies;
mod foreign;
mod function;
mod index;
mod language;
mod large_object;
mod namespace;
mod operator;
mod operator_class;
mod planner_statistics;
mod policy;
mod preamble;
mod replication;
mod rule;
mod sequence;
pub mod settings;
mod statistics;
mod table;
mod table_columns;
mod table_data;
mod table_parts;
mod text_search;
mod trigger;
mod types;
mod view;
mod writer;

pub use writer::{Writer, dump_id};

use crate::error::Error;
use crate::ordering::{Graph, Object};
use crate::selection::Components;

/// Writes the entries of a node, if it has any.
pub fn object(writer: &mut Writer<'_>, graph: &Graph<'_>, position: usize) -> Result<(), Error> {
    let node = &graph.nodes[position];
    if !node.dump.any() {
        return Ok(());
    }
    // What belongs to a table that an extension made comes with it.
    let is_part = matches!(
        node.object,
        Object::TableAttach(_)
            | Object::Default(..)
            | Object::Constraint(_)
            | Object::ForeignKey(_)
            | Object::Index(_)
            | Object::IndexAttach(_)
            | Object::Rule(_)
            | Object::Trigger(_)
            | Object::Policy(_)
            | Object::RowSecurity(_)
    );
    if is_part && !node.dump.has(Components::DEFINITION) {
        return Ok(());
    }
    let dump_id = writer::dump_id(position);
    match node.object {
        Object::Namespace(at) => namespace::schema(writer, dump_id, at),
        Object::Language(at) => language::write(writer, dump_id, at),
        Object::Collation(at) => collation::write(writer, dump_id, at),
        Object::Transform(at) => language::transform(writer, dump_id, at),
        Object::Extension(at) => namespace::extension(writer, dump_id, at),
        Object::Type(at) => types::write(writer, graph, dump_id, at),
        Object::ShellType(at) => types::shell(writer, dump_id, at),
        Object::Function(at) => function::write(writer, node, dump_id, at),
        Object::Aggregate(at) => aggregate::write(writer, dump_id, at),
        Object::Cast(at) => cast::write(writer, dump_id, at),
        Object::AccessMethod(at) => access_method::write(writer, dump_id, at),
        Object::Operator(at) => operator::write(writer, dump_id, at),
        Object::OperatorFamily(at) => operator_class::family(writer, dump_id, at),
        Object::OperatorClass(at) => operator_class::class(writer, dump_id, at),
        Object::Conversion(at) => conversion::write(writer, dump_id, at),
        Object::Parser(at) => text_search::parser(writer, dump_id, at),
        Object::Template(at) => text_search::template(writer, dump_id, at),
        Object::Dictionary(at) => text_search::dictionary(writer, dump_id, at),
        Object::TextSearchConfiguration(at) => text_search::configuration(writer, dump_id, at),
        Object::ForeignDataWrapper(at) => foreign::wrapper(writer, dump_id, at),
        Object::ForeignServer(at) => foreign::server(writer, dump_id, at),
        Object::Relation(at) => table::write(writer, graph, node, dump_id, at),
        Object::TableAttach(at) => table_parts::attach(writer, dump_id, at),
        Object::Default(at, column) => table_parts::default(writer, node, dump_id, at, column),
        Object::TableData(at) => table_data::write(writer, dump_id, at),
        Object::SequenceSet(at) => sequence::position(writer, at),
        Object::Refresh(at) => view::refresh(writer, dump_id, at),
        Object::Blob(at) => large_object::write(writer, dump_id, at),
        Object::Blobs => large_object::data(writer, dump_id),
        Object::Constraint(at) | Object::ForeignKey(at) => {
            constraint::write(writer, graph, node, dump_id, at)
        }
        Object::Index(at) => index::write(writer, graph, node, dump_id, at),
        Object::IndexAttach(at) => index::attach(writer, dump_id, at),
        Object::Rule(at) => rule::write(writer, node, dump_id, at),
        Object::Trigger(at) => trigger::write(writer, node, dump_id, at),
        Object::Policy(at) => policy::write(writer, dump_id, at),
        Object::RowSecurity(at) => policy::row_security(writer, dump_id, at),
        Object::ExtendedStatistics(at) => statistics::write(writer, dump_id, at),
        Object::PlannerStatistics(at) => planner_statistics::write(writer, dump_id, at),
        Object::Publication(at) => replication::publication(writer, dump_id, at),
        Object::PublishedTable(at) => replication::table(writer, dump_id, at),
        Object::PublishedSchema(at) => replication::schema(writer, dump_id, at),
        Object::Subscription(at) => replication::subscription(writer, dump_id, at),
        Object::EventTrigger(at) => event_trigger::write(writer, dump_id, at),
        Object::DefaultAccess(at) => return default_access::write(writer, dump_id, at),
        Object::Member
        | Object::AutomaticType(_)
        | Object::PreDataBoundary
        | Object::PostDataBoundary => {}
    }
    Ok(())
}

/// Writes the entries that come first.
pub fn beginning(writer: &mut Writer<'_>, encoding: &str) {
    preamble::write(writer, encoding);
    database::write(writer);
}

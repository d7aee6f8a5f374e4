//! The queries: one file per class, a fixed number of them for any size of database. Where releases differ, the difference
//! stands beside the query with the release that made it.
//!
//! Names are not qualified with `pg_catalog`: the session's search_path is empty.

mod access_methods;
mod acls;
mod aggregates;
mod casts;
mod classes;
mod collations;
mod columns;
mod comments;
mod constraints;
mod conversions;
mod coverage;
mod databases;
mod dependencies;
mod event_triggers;
mod extensions;
mod foreign;
mod functions;
mod indexes;
mod inheritance;
mod languages;
mod large_objects;
mod locks;
mod namespaces;
mod operator_classes;
mod operators;
mod planner_statistics;
mod policies;
mod relations;
mod replication;
mod roles;
mod rows;
mod rules;
mod security_labels;
mod sequences;
mod sql;
mod statistics;
mod text_search;
mod triggers;
mod type_details;
mod types;

use crate::error::Error;
use crate::model::{Catalog, Locks, Options};
use crate::selection::Selection;
use crate::session::Session;
use crate::version::ServerVersion;
pub use locks::lock;
use relations::Purpose;
pub use rows::Reader;

/// Reads everything that a dump of the session's database needs. The session is in a REPEATABLE READ, READ ONLY transaction
/// with [`crate::session_settings`] applied; `server_version_num` is the server's, as 150018.
pub fn read(
    session: &mut dyn Session,
    server_version_num: u32,
    options: &Options,
) -> Result<Catalog, Error> {
    let version = known_version(server_version_num)?;
    let reader = &mut Reader::new(session, version);
    reader.roles = roles::read(reader)?;
    reader.is_superuser = roles::is_superuser(reader)?;

    let database = databases::read(reader)?;
    let extensions = extensions::read(reader, &options.filters)?;
    let members = extensions::members(reader)?;
    let mut selection = Selection::new(&options.filters, &extensions, &members);
    let namespaces = namespaces::read(reader, &mut selection)?;
    reader.learn_schemas(&namespaces);

    let mut relations = relations::read(reader, &selection, Purpose::Dump)?;
    extensions::mark_configuration_tables(&extensions, &mut relations);
    relations::leave_out_rows(&options.filters, &mut relations);
    let without_match = options.filters.without_match(&relations)?;
    inheritance::read(reader, &mut relations)?;
    match options.locks {
        Locks::Take => locks::take(reader, relations.iter())?,
        Locks::HeldBy(process) => locks::check(reader, process, &relations)?,
    }
    coverage::check(reader, &options.refused)?;

    relations::details(reader, &options.filters, &mut relations)?;
    columns::read(reader, &mut relations)?;
    columns::defaults(reader, &mut relations)?;
    inheritance::flag_inherited_columns(version, &mut relations);
    sequences::read(reader, &mut relations)?;
    acls::columns(reader, &mut relations)?;

    let mut functions = functions::read(reader, &selection)?;
    functions::details(reader, &mut functions)?;
    aggregates::details(reader, &mut functions)?;
    let mut types = types::read(reader, &selection, &relations)?;
    type_details::read(reader, &mut types)?;

    let mut indexes = indexes::read(reader, &relations)?;
    let mut constraints = constraints::of_tables(reader, &relations)?;
    constraints::of_indexes(reader, &relations, &mut indexes, &mut constraints)?;
    constraints::of_domains(reader, &types, &mut constraints)?;

    let (operator_classes, operator_families) = operator_classes::read(reader, &selection)?;
    let publications = replication::publications(reader, &selection)?;

    Ok(Catalog {
        version,
        languages: languages::read(reader, &selection)?,
        transforms: languages::transforms(reader, &selection)?,
        collations: collations::read(reader, &selection)?,
        casts: casts::read(reader, &selection)?,
        access_methods: access_methods::read(reader, &selection)?,
        operators: operators::read(reader, &selection)?,
        operator_classes,
        operator_families,
        conversions: conversions::read(reader, &selection)?,
        parsers: text_search::parsers(reader, &selection)?,
        templates: text_search::templates(reader, &selection)?,
        dictionaries: text_search::dictionaries(reader, &selection)?,
        text_search_configurations: text_search::configurations(reader, &selection)?,
        foreign_data_wrappers: foreign::wrappers(reader, &selection)?,
        foreign_servers: foreign::servers(reader, &selection)?,
        statistics: statistics::read(reader, &selection, &relations)?,
        planner_statistics: match options.filters.statistics {
            true => planner_statistics::read(reader, &relations, &indexes)?,
            false => Vec::new(),
        },
        published_tables: replication::tables(reader, &selection, &publications, &relations)?,
        published_schemas: replication::schemas(reader, &selection, &publications)?,
        publications,
        subscriptions: replication::subscriptions(reader, &selection)?,
        event_triggers: event_triggers::read(reader, &selection)?,
        triggers: triggers::read(reader, &relations)?,
        rules: rules::read(reader, &relations)?,
        policies: policies::read(reader, &relations)?,
        default_access: acls::defaults(reader, &namespaces)?,
        large_objects: match options.filters.large_objects() {
            true => large_objects::read(reader)?,
            false => Vec::new(),
        },
        extension_foreign_keys: extensions::foreign_keys(reader)?,
        refresh_order: dependencies::refresh_order(reader)?,
        dependencies: dependencies::read(reader)?,
        comments: comments::read(reader)?,
        security_labels: security_labels::read(reader)?,
        without_match,
        initial_privileges: acls::initial(reader)?,
        database,
        namespaces,
        extensions,
        members,
        relations,
        functions,
        types,
        constraints,
        indexes,
    })
}

fn known_version(server_version_num: u32) -> Result<ServerVersion, Error> {
    let version = ServerVersion(server_version_num);
    if (ServerVersion::OLDEST..=ServerVersion::NEWEST).contains(&version.major()) {
        Ok(version)
    } else {
        Err(Error::Version(server_version_num))
    }
}

//! CREATE PUBLICATION, what it publishes, and CREATE SUBSCRIPTION.

use archive::Section;

use super::writer::{Standalone, Writer};
use crate::identifiers::{quote_identifier, quote_literal};
use crate::model::Subscription;

pub fn publication(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let publication = &writer.catalog.publications[at];
    let name = publication.header.qualified();
    let mut sql = format!("CREATE PUBLICATION {name}");
    if publication.all_tables {
        sql.push_str(" FOR ALL TABLES");
    }
    sql.push_str(&format!(
        " WITH (publish = '{}'",
        publication.operations.join(", ")
    ));
    if publication.via_root {
        sql.push_str(", publish_via_partition_root = true");
    }
    if publication.generated_columns {
        sql.push_str(", publish_generated_columns = stored");
    }
    let object = Standalone {
        section: Section::PostData,
        ..Standalone::new(
            "PUBLICATION",
            sql + ");\n",
            format!("DROP PUBLICATION {name};\n"),
        )
    };
    writer.add_standalone(dump_id, &publication.header, None, object);
}

pub fn table(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let published = &writer.catalog.published_tables[at];
    let publication = &writer.catalog.publications[published.publication].header;
    let table = &writer.catalog.relations[published.table];
    let mut sql = format!(
        "ALTER PUBLICATION {} ADD TABLE ONLY {}",
        publication.qualified(),
        table.qualified()
    );
    if !published.columns.is_empty() {
        let columns: Vec<String> = published
            .columns
            .iter()
            .map(|column| quote_identifier(column))
            .collect();
        sql.push_str(&format!(" ({})", columns.join(", ")));
    }
    if let Some(condition) = &published.condition {
        sql.push_str(&format!(" WHERE ({condition})"));
    }
    // It goes with the table.
    let object = Standalone {
        section: Section::PostData,
        tag: Some(format!("{} {}", publication.name, table.name)),
        ..Standalone::new("PUBLICATION TABLE", sql + ";\n", String::new())
    };
    writer.add_standalone(dump_id, &published.header, None, object);
}

pub fn schema(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let published = &writer.catalog.published_schemas[at];
    let publication = &writer.catalog.publications[published.publication].header;
    let schema = &published.header.name;
    // It goes with the schema.
    let object = Standalone {
        section: Section::PostData,
        tag: Some(format!("{} {schema}", publication.name)),
        ..Standalone::new(
            "PUBLICATION TABLES IN SCHEMA",
            format!(
                "ALTER PUBLICATION {} ADD TABLES IN SCHEMA {};\n",
                publication.qualified(),
                quote_identifier(schema)
            ),
            String::new(),
        )
    };
    let header = crate::model::Header {
        // As pg_dump labels it.
        schema: Some(schema.as_str().into()),
        ..published.header.clone()
    };
    writer.add_standalone(dump_id, &header, None, object);
}

/// Restored without connecting: it is disabled then, and refreshed by whoever enables it.
pub fn subscription(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let subscription = &writer.catalog.subscriptions[at];
    let name = subscription.header.qualified();
    let publications: Vec<String> = subscription
        .publications
        .iter()
        .map(|publication| quote_identifier(publication))
        .collect();
    let object = Standalone {
        section: Section::PostData,
        ..Standalone::new(
            "SUBSCRIPTION",
            format!(
                "CREATE SUBSCRIPTION {name} CONNECTION {} PUBLICATION {} WITH ({});\n",
                quote_literal(&subscription.connection),
                publications.join(", "),
                options(subscription)
            ),
            format!("DROP SUBSCRIPTION {name};\n"),
        )
    };
    writer.add_standalone(dump_id, &subscription.header, None, object);
}

fn options(subscription: &Subscription) -> String {
    let slot = subscription.slot.as_deref();
    let mut options = vec![
        "connect = false".to_owned(),
        format!(
            "slot_name = {}",
            slot.map_or("NONE".to_owned(), quote_literal)
        ),
    ];
    let mut set = |holds: bool, option: &str| {
        if holds {
            options.push(option.to_owned());
        }
    };
    set(subscription.binary, "binary = true");
    match subscription.streaming {
        't' => set(true, "streaming = on"),
        'p' => set(true, "streaming = parallel"),
        'f' => set(true, "streaming = off"),
        // 13 does not know the word.
        _ => {}
    }
    set(subscription.two_phase, "two_phase = on");
    set(subscription.disable_on_error, "disable_on_error = true");
    set(!subscription.password_required, "password_required = false");
    set(subscription.run_as_owner, "run_as_owner = true");
    set(subscription.failover, "failover = true");
    let commit = &subscription.synchronous_commit;
    set(
        commit != "off",
        &format!("synchronous_commit = {}", quote_identifier(commit)),
    );
    let origin = &subscription.origin;
    set(
        !origin.eq_ignore_ascii_case("any"),
        &format!("origin = {origin}"),
    );
    options.join(", ")
}

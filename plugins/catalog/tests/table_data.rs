//! The statements that read rows: a table's parts by pages are the whole.

mod support;

use std::io::Read;

use catalog::{Options, TableData};
use support::{archiving, server::Server};

#[test]
fn parts_by_pages_are_the_whole() {
    let server = Server::start(15);
    let mut client = server.connect("postgres");
    client
        .batch_execute(
            "CREATE TABLE \"Big\" (id int, \"Text\" text, twice int GENERATED ALWAYS AS (id * 2) STORED);
             INSERT INTO \"Big\" SELECT g, repeat('x', g % 500) FROM generate_series(1, 5000) g;
             INSERT INTO \"Big\" SELECT g, string_agg(md5(random()::text), '') FROM generate_series(5001, 5020) g, generate_series(1, 300) GROUP BY g;
             DELETE FROM \"Big\" WHERE id % 7 = 0;
             CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES;
             ANALYZE \"Big\"",
        )
        .unwrap();
    let (dump, mut connection) = archiving::dump(client, &Options::default()).unwrap();
    let find = |name: &str| dump.tables.iter().find(|table| table.name == name).unwrap();
    let table: &TableData = find("Big");
    assert_eq!(
        table.copy_out,
        "COPY public.\"Big\" (id, \"Text\") TO stdout;"
    );
    assert!(
        table.pages > 50 && table.heap_bytes == table.pages * 8192 && table.toast_bytes > 0,
        "{table:?}"
    );
    assert_eq!(table.estimated_rows, Some(4303.0));

    let mut copy = |sql: &str| {
        let mut bytes = Vec::new();
        connection
            .0
            .copy_out(sql)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    let middle = table.pages / 2;
    let parts = [
        table.copy_out_pages(0, Some(middle)).unwrap(),
        table.copy_out_pages(middle, None).unwrap(),
    ];
    assert_eq!(
        parts.map(|part| copy(&part)).concat(),
        copy(&table.copy_out)
    );
    assert_eq!(find("no_columns").copy_out_pages(0, None), None);
}

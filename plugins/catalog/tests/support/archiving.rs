//! Dumps a database through this crate into a folder that stock pg_restore reads.

use std::io::Read;
use std::path::Path;

use archive::{Compression, Created, Format, Header, TableOfLargeObjects, Toc, Version};
use catalog::{Dump, Error, Options, Session, SessionError, session_settings};
use postgres::Client;

/// A connection in a dumping session's transaction.
pub struct Connection(pub Client);

impl Connection {
    pub fn begin(mut client: Client) -> (Self, u32) {
        let version: u32 = client
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .unwrap()
            .get::<_, i32>(0) as u32;
        for setting in session_settings(version) {
            client.simple_query(&setting).unwrap();
        }
        client
            .simple_query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .unwrap();
        (Self(client), version)
    }
}

impl Session for Connection {
    fn for_each(
        &mut self,
        sql: &str,
        row: &mut dyn FnMut(Vec<Option<String>>),
    ) -> Result<(), SessionError> {
        // As a plugin's session does it: the extended protocol, and nothing but text.
        for found in self
            .0
            .query(sql, &[])
            .map_err(|error| format!("{error:?}\n{sql}"))?
        {
            let values = (0..found.len())
                .map(|column| found.try_get(column))
                .collect::<Result<Vec<Option<String>>, _>>();
            row(values.map_err(|error| format!("{error}\n{sql}"))?);
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str) -> Result<(), SessionError> {
        Ok(self.0.batch_execute(sql)?)
    }
}

/// The dump of a database, and its connection.
pub fn dump(client: Client, options: &Options) -> Result<(Dump, Connection), Error> {
    let (mut session, version) = Connection::begin(client);
    let dump = catalog::read(&mut session, version, options)?.dump()?;
    Ok((dump, session))
}

/// Writes an archive in directory format, version 1.14 and uncompressed.
pub fn write(dump: &Dump, connection: &mut Connection, folder: &Path) {
    let store = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    for table in &dump.tables {
        let mut bytes = Vec::new();
        connection
            .0
            .copy_out(&table.copy_out)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes.extend_from_slice(b"\\.\n\n\n");
        store(&table.filename, &bytes);
    }
    if !dump.large_objects.is_empty() {
        for object in &dump.large_objects {
            let bytes: Vec<u8> = connection
                .0
                .query_one("SELECT lo_get($1)", &[&object.oid])
                .unwrap()
                .get(0);
            store(&object.filename, &bytes);
        }
        let list = TableOfLargeObjects::of(dump.large_objects.iter().map(|object| object.oid));
        store("blobs.toc", &list.write());
    }
    let toc = Toc {
        header: Header {
            version: Version::V1_14,
            format: Format::Directory,
            compression: Compression::None,
            created: Created {
                sec: 0,
                min: 0,
                hour: 0,
                mday: 1,
                mon: 0,
                year: 126,
                isdst: 0,
            },
            database: Some(dump.database.clone()),
            server_version: Some("test".to_owned()),
            dumper_version: Some("test".to_owned()),
        },
        entries: dump.entries.clone(),
        data_offsets: Default::default(),
    };
    store("toc.dat", &toc.write());
}

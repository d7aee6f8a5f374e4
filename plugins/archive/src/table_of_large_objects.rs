//! `blobs.toc`: which file of the archive holds which large object (`_StartLO` and `_LoadLOs` in `pg_backup_directory.c`).

/// The lines of a `blobs.toc`, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOfLargeObjects {
    /// One for each large object.
    pub large_objects: Vec<LargeObject>,
}

/// One line: `16403 blob_16403.dat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeObject {
    /// Above 0.
    pub oid: u32,
    /// Name of its file, without the suffix of its compression.
    pub filename: String,
}

/// What a `blobs.toc` holds that is not a table of large objects.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableOfLargeObjectsError {
    #[error("the table of large objects is not text; it is damaged")]
    NotText,
    #[error("the table of large objects ends in the middle of line {line}; it is cut off")]
    CutOff {
        /// From 1.
        line: usize,
    },
    #[error(
        "line {line} of the table of large objects is not an oid and the name of a file: {text:?}"
    )]
    Line {
        /// From 1.
        line: usize,
        /// Its first characters.
        text: String,
    },
}

impl TableOfLargeObjects {
    /// The table of these large objects, under the names that pg_dump gives them.
    pub fn of(oids: impl IntoIterator<Item = u32>) -> TableOfLargeObjects {
        let large_objects = oids
            .into_iter()
            .map(|oid| LargeObject {
                oid,
                filename: crate::layout::large_object_filename(oid),
            })
            .collect();
        TableOfLargeObjects { large_objects }
    }

    /// The file's bytes. It is never compressed.
    pub fn write(&self) -> Vec<u8> {
        let lines = self
            .large_objects
            .iter()
            .map(|LargeObject { oid, filename }| format!("{oid} {filename}\n"));
        lines.collect::<String>().into_bytes()
    }

    /// Reads a file; its names are plain names, never paths.
    pub fn read(bytes: &[u8]) -> Result<TableOfLargeObjects, TableOfLargeObjectsError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TableOfLargeObjectsError::NotText)?;
        let mut large_objects = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let number = index + 1;
            let line = line
                .strip_suffix('\n')
                .ok_or(TableOfLargeObjectsError::CutOff { line: number })?;
            let large_object = read_line(line).ok_or_else(|| TableOfLargeObjectsError::Line {
                line: number,
                text: line.chars().take(80).collect(),
            })?;
            large_objects.push(large_object);
        }
        Ok(TableOfLargeObjects { large_objects })
    }
}

fn read_line(line: &str) -> Option<LargeObject> {
    let (oid, filename) = line.split_once(' ')?;
    let oid: u32 = oid.parse().ok()?;
    let plain = oid > 0 && crate::layout::is_object_name(filename);
    plain.then(|| LargeObject {
        oid,
        filename: filename.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_pg_dump_writes_and_reads_it_back() {
        let table = TableOfLargeObjects::of([16403, u32::MAX]);
        let bytes = table.write();
        assert_eq!(
            bytes,
            b"16403 blob_16403.dat\n4294967295 blob_4294967295.dat\n"
        );
        assert_eq!(TableOfLargeObjects::read(&bytes), Ok(table));
        assert_eq!(
            TableOfLargeObjects::read(b""),
            Ok(TableOfLargeObjects::default())
        );
    }

    #[test]
    fn refuses_damage() {
        assert_eq!(
            TableOfLargeObjects::read(b"1 blob_1.dat\n2 blob_2"),
            Err(TableOfLargeObjectsError::CutOff { line: 2 })
        );
        for bad in [
            "x\n",
            "0 blob_0.dat\n",
            "1 \n",
            "1 ../x\n",
            "4294967296 a\n",
            "1 a/b\n",
        ] {
            assert!(
                matches!(
                    TableOfLargeObjects::read(bad.as_bytes()),
                    Err(TableOfLargeObjectsError::Line { line: 1, .. })
                ),
                "{bad}"
            );
        }
        assert_eq!(
            TableOfLargeObjects::read(b"1 \xff\n"),
            Err(TableOfLargeObjectsError::NotText)
        );
    }
}

//! A backup as a plain SQL script, what `pg_restore -f -` would print of it.

use std::io::{self, Write};

use archive::script::{
    CLOSE_LARGE_OBJECT, Contents, LARGE_OBJECT_BYTES, Piece, open_large_object, script,
    write_large_object,
};
use archive::{Compression, Toc};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::Backup;
use crate::failure::Failure;
use crate::transfer::source::Chunks;

/// Why a script ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] Failure),
    /// The script cannot be written.
    #[error("writing the script: {0}")]
    Output(#[from] io::Error),
}

/// Writes the script piece by piece, in as little memory as its longest definition needs. The key is [`script`]'s.
pub async fn write_script(
    backup: &Backup,
    toc: &Toc,
    contents: Contents,
    restrict_key: &str,
    output: &mut impl Write,
) -> Result<(), ScriptError> {
    let compression = toc.header.compression;
    for piece in script(toc, contents, restrict_key) {
        match piece {
            Piece::Text(text) => output.write_all(text.as_bytes())?,
            Piece::Rows(entry) => {
                let mut rows = backup.data(&entry.filename, compression)?;
                while let Some(chunk) = rows.next().await {
                    output.write_all(&chunk?)?;
                }
            }
            Piece::LargeObjects(_) => large_objects(backup, compression, output).await?,
        }
    }
    output.flush()?;
    Ok(())
}

async fn large_objects(
    backup: &Backup,
    compression: Compression,
    output: &mut impl Write,
) -> Result<(), ScriptError> {
    for object in backup.large_objects().await?.large_objects {
        output.write_all(open_large_object(object.oid).as_bytes())?;
        let data = backup.data(&object.filename, compression)?;
        large_object(data, output).await?;
        output.write_all(CLOSE_LARGE_OBJECT.as_bytes())?;
    }
    Ok(())
}

async fn large_object(mut data: Chunks, output: &mut impl Write) -> Result<(), ScriptError> {
    let mut pending = BytesMut::new();
    while let Some(chunk) = data.next().await {
        pending.extend_from_slice(&chunk?);
        while pending.len() >= LARGE_OBJECT_BYTES {
            let bytes = pending.split_to(LARGE_OBJECT_BYTES);
            output.write_all(write_large_object(&bytes).as_bytes())?;
        }
    }
    if !pending.is_empty() {
        output.write_all(write_large_object(&pending).as_bytes())?;
    }
    Ok(())
}

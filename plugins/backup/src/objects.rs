//! The objects of the backup that is being written: encrypted where the operator wants it, and part of the manifest.

use archive::layout::{ENCRYPTED, ENCRYPTED_MANIFEST, MANIFEST};
use archive::manifest::{Encryption, Manifest, StoredObject};
use orchestrator_sdk::streams::{ByteSource, Transfer, TransferOptions};
use orchestrator_sdk::{Error, storage};

/// Below the prefix of one backup, which exists when its manifest is published.
pub(crate) struct Objects {
    draft: storage::Draft,
    encryption: Option<Encryption>,
}

impl Objects {
    pub fn create(binding: &str, prefix: &str) -> Result<Self, Error> {
        let store = storage::open(binding)?;
        Ok(Self {
            encryption: store.encrypts().then_some(Encryption::Age),
            draft: store.create(prefix)?,
        })
    }

    pub fn encryption(&self) -> Option<Encryption> {
        self.encryption
    }

    /// Begins to store a file of the archive; the name is the one that it is stored under.
    pub fn put(
        &self,
        file: &str,
        sources: Vec<ByteSource>,
        options: &TransferOptions,
    ) -> Result<(Transfer, String), Error> {
        match self.encryption {
            None => Ok((self.draft.put(file, sources, options)?, file.to_owned())),
            Some(Encryption::Age) => {
                let name = format!("{file}{ENCRYPTED}");
                let transfer = self.draft.put_encrypted(&name, sources, options)?;
                Ok((transfer, name))
            }
        }
    }

    /// Stores a file that the plugin made itself.
    pub fn put_bytes(&self, file: &str, bytes: &[u8]) -> Result<StoredObject, Error> {
        let options = TransferOptions {
            label: file.to_owned(),
            expected_bytes: bytes.len() as u64,
        };
        let (transfer, name) = self.put(file, ByteSource::pieces(bytes), &options)?;
        let receipt = transfer.wait()?;
        Ok(StoredObject {
            name,
            bytes: receipt.bytes,
            sha256: receipt.sha256,
            table: None,
        })
    }

    /// Makes the backup exist.
    pub fn publish(self, manifest: &Manifest) -> Result<(), Error> {
        let bytes = manifest
            .write()
            .map_err(|error| Error::internal(error.to_string()))?;
        let sources = ByteSource::pieces(&bytes);
        match self.encryption {
            None => storage::Draft::publish_sources(self.draft, MANIFEST, sources),
            Some(Encryption::Age) => {
                storage::Draft::publish_sources_encrypted(self.draft, ENCRYPTED_MANIFEST, sources)
            }
        }
    }
}

//! Files of the folders that the step's parameters name.

pub use crate::bindings::orchestrator::plugin::files::{Entry, Folder, open};

use crate::Error;

/// What is read in one call: a few MiB may cross.
const READ_BYTES: u64 = 1024 * 1024;

impl Folder {
    /// Everything below the folder, in the order of the paths' bytes.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let page = self.list(all.last().map(|last| last.path.as_str()))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The files among these entries as text, as many in a call as fit. Fails with the kind `invalid-input`, naming it, when one is not
    /// UTF-8, and with `conflict` when one is gone by now.
    pub fn texts<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Vec<(&'a str, String)>, Error> {
        let mut texts = Vec::new();
        let mut batch: Vec<&Entry> = Vec::new();
        let mut bytes = 0;
        for entry in entries.into_iter().filter(|entry| !entry.is_folder) {
            if bytes + entry.bytes > READ_BYTES {
                self.read_batch(&mut batch, &mut texts)?;
                bytes = 0;
            }
            bytes += entry.bytes;
            batch.push(entry);
        }
        self.read_batch(&mut batch, &mut texts)?;
        Ok(texts)
    }

    fn read_batch<'a>(
        &self,
        batch: &mut Vec<&'a Entry>,
        texts: &mut Vec<(&'a str, String)>,
    ) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = batch.iter().map(|entry| entry.path.clone()).collect();
        for (entry, file) in batch.drain(..).zip(self.read(&paths)?) {
            let path = entry.path.as_str();
            let bytes = file.ok_or_else(|| {
                Error::conflict(format!("{path} was there, and is gone or no file by now"))
            })?;
            let text = String::from_utf8(bytes)
                .map_err(|error| Error::invalid_input(format!("{path} is not UTF-8: {error}")))?;
            texts.push((path, text));
        }
        Ok(())
    }
}

//! Object storage, by the name of a binding.

pub use crate::bindings::orchestrator::plugin::storage::{Draft, Hold, Object, Range, Store, open};

use crate::Error;

impl Store {
    /// Calls a function with every object whose key begins with the prefix, in the order of their keys, page by page.
    pub fn for_each(
        &self,
        prefix: &str,
        mut each: impl FnMut(Object) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let page = self.list(prefix, after.as_deref())?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.key.clone());
            page.into_iter().try_for_each(&mut each)?;
        }
    }

    /// A whole object, decrypted when its key ends in `.age`. Fails with the kind `limit-exceeded` when it is longer than
    /// `max_bytes`.
    pub fn read(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut source = self.get(key, None)?;
        if key.ends_with(".age") {
            source = self.decrypt(source)?;
        }
        source
            .read_all(max_bytes)
            .map_err(|error| error.while_doing(format_args!("reading the object {key}")))
    }
}

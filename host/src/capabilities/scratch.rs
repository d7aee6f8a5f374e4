//! `postgres.scratch`: a database beside the binding's that does not outlive its step.

use std::sync::{Arc, Mutex, PoisonError};

use manifest::Access;
use wasmtime::component::Resource;

use super::context::{StepContext, Unfinished};
use super::sessions::Session;
use super::v0_1_0::orchestrator::plugin::postgres::HostScratch;
use crate::database::{ConnectionSettings, drop_scratch, scratch_name};
use crate::failure::Failure;

/// What a plugin holds as a `scratch`.
pub struct Scratch {
    binding: String,
    name: String,
}

/// A name that was taken, and where the server's maintenance database is.
#[derive(Clone)]
struct Taken {
    maintenance: ConnectionSettings,
    name: String,
}

/// Those of one step; dropped at its end.
#[derive(Clone, Default)]
pub(super) struct Scratches(Arc<Mutex<Vec<Taken>>>);

impl Scratches {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what still has a name that was taken; what could not be dropped, in a sentence each.
    pub async fn close(&self, unfinished: &dyn Unfinished) -> Vec<String> {
        let taken = std::mem::take(&mut *self.list());
        let mut leftovers = Vec::new();
        for Taken { maintenance, name } in taken {
            match drop_scratch(&maintenance, &name).await {
                Ok(_) => unfinished.scratch_closed(&name),
                Err(error) => leftovers.push(format!(
                    "could not drop the scratch database {name} on {}: {error}; the next start tries again",
                    maintenance.places()
                )),
            }
        }
        leftovers
    }
}

impl StepContext {
    pub(super) fn take_scratch_of(&mut self, binding: &str) -> Result<Resource<Scratch>, Failure> {
        let access = self.grants.database(binding)?;
        let settings = self.bound_database(binding)?;
        let maintenance = self.maintenance_of(binding, access)?;
        let name = scratch_name(&settings.database, self.run, self.scratches.list().len());
        self.unfinished
            .scratch_opened(binding, &maintenance.redacted(), &name)?;
        self.scratches.list().push(Taken {
            maintenance,
            name: name.clone(),
        });
        self.keep(Scratch {
            binding: binding.to_owned(),
            name,
        })
    }
}

impl HostScratch for StepContext {
    async fn name(&mut self, scratch: Resource<Scratch>) -> wasmtime::Result<String> {
        Ok(self.table.get(&scratch)?.name.clone())
    }

    async fn connect(&mut self, scratch: Resource<Scratch>) -> Result<Resource<Session>, Failure> {
        let Scratch { binding, name } = self.held(&scratch)?;
        let settings = self.bound_database(binding)?;
        let beside = settings.with_database(name);
        let bound_database = settings.database.clone();
        let binding = binding.clone();
        self.open_session(binding, beside, Access::Admin, bound_database)
            .await
    }

    async fn drop(&mut self, scratch: Resource<Scratch>) -> wasmtime::Result<()> {
        // The database goes at the end of the step, when nothing is connected to it any more.
        self.table.delete(scratch)?;
        Ok(())
    }
}

//! The host side of the contract, one file per WIT interface, thin: the work is done by transfer, storage,
//! snapshots and database.

pub mod context;
mod files;
mod growth;
pub(crate) mod json;
mod postgres;
mod rows;
mod run;
mod scratch;
mod scripts;
mod sessions;
mod snapshots;
mod statements;
mod storage;
pub(crate) mod streams;
mod values;

pub use context::{Bindings, BoundStorage, StepContext, StepReport, Stop, Unfinished};

/// What `bindgen!` makes of `plugins/wit/0.1.0`. One module per version of the contract.
pub mod v0_1_0 {
    #![allow(missing_docs)]
    wasmtime::component::bindgen!({
        path: "../plugins/wit/0.1.0",
        world: "operation",
        imports: { default: async | trappable },
        exports: { default: async },
        require_store_data_send: true,
        trappable_error_type: {
            "orchestrator:plugin/types.error" => crate::failure::Failure,
        },
        with: {
            "orchestrator:plugin/streams.byte-source": crate::capabilities::streams::ByteSource,
            "orchestrator:plugin/streams.transfer": crate::transfer::Transfer,
            "orchestrator:plugin/postgres.connection": crate::capabilities::sessions::Session,
            "orchestrator:plugin/postgres.transaction": crate::capabilities::sessions::Transaction,
            "orchestrator:plugin/postgres.scratch": crate::capabilities::scratch::Scratch,
            "orchestrator:plugin/postgres.rows": crate::capabilities::rows::RowCursor,
            "orchestrator:plugin/files.folder": crate::capabilities::files::Folder,
            "orchestrator:plugin/snapshots.managed-server": crate::capabilities::snapshots::ManagedServer,
            "orchestrator:plugin/storage.store": crate::capabilities::storage::Store,
            "orchestrator:plugin/storage.draft": crate::capabilities::storage::Draft,
        },
    });
}

use crate::failure::{Failure, FailureKind};
use crate::text::printable;
use v0_1_0::orchestrator::plugin::types;

/// Adds the contract's imports, and nothing else, to a linker.
pub fn link(linker: &mut wasmtime::component::Linker<StepContext>) -> wasmtime::Result<()> {
    v0_1_0::Operation::add_to_linker::<_, wasmtime::component::HasSelf<StepContext>>(
        linker,
        |context| context,
    )
}

impl types::Host for StepContext {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<types::Error> {
        Ok(types::Error {
            kind: match failure.kind {
                FailureKind::InvalidInput => types::ErrorKind::InvalidInput,
                FailureKind::NotFound => types::ErrorKind::NotFound,
                FailureKind::AlreadyExists => types::ErrorKind::AlreadyExists,
                FailureKind::Refused => types::ErrorKind::Refused,
                FailureKind::Conflict => types::ErrorKind::Conflict,
                FailureKind::Cancelled => types::ErrorKind::Cancelled,
                FailureKind::Timeout => types::ErrorKind::Timeout,
                FailureKind::LimitExceeded => types::ErrorKind::LimitExceeded,
                FailureKind::Unavailable => types::ErrorKind::Unavailable,
                FailureKind::Corrupt => types::ErrorKind::Corrupt,
                FailureKind::Database => types::ErrorKind::Database,
                FailureKind::Unsupported => types::ErrorKind::Unsupported,
                FailureKind::Internal => types::ErrorKind::Internal,
            },
            message: failure.message,
            sqlstate: failure.sqlstate,
            detail: failure.detail,
            hint: failure.hint,
        })
    }
}

impl From<types::Error> for Failure {
    fn from(error: types::Error) -> Self {
        Self {
            kind: match error.kind {
                types::ErrorKind::InvalidInput => FailureKind::InvalidInput,
                types::ErrorKind::NotFound => FailureKind::NotFound,
                types::ErrorKind::AlreadyExists => FailureKind::AlreadyExists,
                types::ErrorKind::Refused => FailureKind::Refused,
                types::ErrorKind::Conflict => FailureKind::Conflict,
                types::ErrorKind::Cancelled => FailureKind::Cancelled,
                types::ErrorKind::Timeout => FailureKind::Timeout,
                types::ErrorKind::LimitExceeded => FailureKind::LimitExceeded,
                types::ErrorKind::Unavailable => FailureKind::Unavailable,
                types::ErrorKind::Corrupt => FailureKind::Corrupt,
                types::ErrorKind::Database => FailureKind::Database,
                types::ErrorKind::Unsupported => FailureKind::Unsupported,
                types::ErrorKind::Internal => FailureKind::Internal,
            },
            message: printable(&error.message),
            sqlstate: error.sqlstate.map(|text| printable(&text)),
            detail: error.detail.map(|text| printable(&text)),
            hint: error.hint.map(|text| printable(&text)),
        }
    }
}

//! From the contract's one export to a plugin's own function: parameters in, a JSON document out.

use std::panic::PanicHookInfo;

use serde::de::DeserializeOwned;

use crate::{Error, Request, run};

/// What a plugin does. See [`export!`](crate::export).
pub trait Operation {
    /// The parameters of a step, as `plugin.toml` declares them, with its defaults filled in. A parameter without a default
    /// may be absent.
    type Parameters: DeserializeOwned;

    /// Runs the step. The result stands in the run's report and in `--output json`.
    ///
    /// With `dry_run` it describes what it would do and changes nothing.
    fn execute(parameters: Self::Parameters, dry_run: bool) -> Result<serde_json::Value, Error>;
}

/// Makes a type that implements [`Operation`] the plugin of this crate.
#[macro_export]
macro_rules! export {
    ($operation:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::bindings::Guest for Exported {
                fn execute(
                    request: $crate::Request,
                ) -> ::core::result::Result<::std::string::String, $crate::Error> {
                    $crate::answer::<$operation>(&request)
                }
            }

    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// What [`export!`](crate::export) calls.
pub fn answer<O: Operation>(request: &Request) -> Result<String, Error> {
    std::panic::set_hook(Box::new(log_panic));
    let parameters = serde_json::from_str(&request.parameters)
        .map_err(|error| Error::invalid_input(format!("reading the step's parameters: {error}")))?;
    let result = O::execute(parameters, request.dry_run)?;
    Ok(result.to_string())
}

/// A panic ends in a trap, which carries no message: this line of the log is what is left of it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let line = match panic.location() {
        Some(location) => format!("the plugin panicked at {location}: {message}"),
        None => format!("the plugin panicked: {message}"),
    };
    run::log(run::Level::Warning, &line);
}

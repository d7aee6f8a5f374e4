//! Waiting for what the provider does in its own time.

use orchestrator_sdk::{Error, ErrorKind, run};

/// A small server's snapshot takes a minute or two, a new server ten: rarer looks cost nobody anything, and spare the account's limit of
/// requests.
const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 15_000;

/// What one look has shown.
pub enum Look<T> {
    /// It is there.
    Done(T),
    /// Not yet; how far it is, in words.
    Coming(String),
    /// It will not come.
    Never(Error),
}

/// Looks again and again, until it is there or the time is over. `hint` says what to do when it is.
pub fn until<T>(
    what: &str,
    timeout_seconds: u32,
    hint: &str,
    mut look: impl FnMut() -> Result<Look<T>, Error>,
) -> Result<T, Error> {
    let begun = run::now();
    let mut pause = FIRST_MS;
    loop {
        let how_far = match look() {
            Ok(Look::Done(found)) => return Ok(found),
            Ok(Look::Never(error)) => return Err(error),
            Ok(Look::Coming(how_far)) => how_far,
            // Whatever was begun goes on without us.
            Err(error) if error.kind == ErrorKind::Unavailable => error.message,
            Err(error) => return Err(error),
        };
        let waited = run::now().saturating_sub(begun);
        let left = (u64::from(timeout_seconds) * 1_000).saturating_sub(waited);
        if left == 0 {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("{what} is not there after {} s: {how_far}", waited / 1_000),
            )
            .hint(hint));
        }
        run::phase(&format!("waiting for {what}: {how_far}"));
        // No more than the longest pause, which fits.
        run::sleep(u32::try_from(pause.min(left)).unwrap_or(u32::MAX))?;
        pause = (pause * 3 / 2).min(LONGEST_MS);
    }
}

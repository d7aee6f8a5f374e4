//! What is about to be deleted, and the question whether it shall be.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Prints the plan and asks; where nobody can answer, says how to agree.
pub(super) fn delete(place: &str, names: &[String]) -> Result<(), Failure> {
    eprintln!("to be deleted from {place}:");
    for name in names {
        eprintln!("  {name}");
    }
    let refusal = || Failure::refused("nothing was deleted").hint("agree with --yes");
    if !std::io::stdin().is_terminal() {
        return Err(refusal());
    }
    eprint!("delete? [y/N] ");
    let mut answer = String::new();
    std::io::stderr()
        .flush()
        .and_then(|()| std::io::stdin().read_line(&mut answer))
        .map_err(|error| Failure::internal(format!("reading the answer: {error}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(refusal())
    }
}

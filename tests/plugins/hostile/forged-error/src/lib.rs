//! Fails with what looks like lines of somebody else.

use attack::attack;
use orchestrator_sdk::Error;

attack!(|_| Err(Error {
    message: format!("\u{1b}[2Jnothing\r\nerror: forged\n{}", "x".repeat(1 << 20)),
    detail: Some("\u{9b}31m<b>detail</b>\n## Forged entry".to_owned()),
    hint: Some("\u{202e}hint\nreport: /forged".to_owned()),
    ..Error::internal("")
}));

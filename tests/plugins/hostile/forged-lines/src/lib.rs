//! Writes what looks like lines of somebody else.

use attack::{attack, json};
use orchestrator_sdk::run;
use orchestrator_sdk::streams::{ByteSource, TransferOptions};

/// Colours, a cleared screen, a title; the same by a C1 control; text that runs from right to left; HTML and Markdown.
const NASTY: &str = "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{1b}[31m\u{9b}2J\u{202e}txt.exe\u{2066}\u{200b}\u{feff}<script>alert(1)</script> \
                     ![i](https://evil.test/x.png) [click](https://evil.test) **bold** `code` | cell |";

attack!(|_| {
    let forged = format!(
        "{NASTY}\r\nerror: forged\n## Forged entry\n\n<!-- orchestrator run forged -->\nreport: /forged\u{2028}WARN forged"
    );
    run::info(&forged);
    run::warn(&forged);
    run::phase(&forged);
    run::fact("change", &forged)?;
    run::fact(
        "verification",
        &json!([{ "sql": forged, "result": forged, "ok": true }]),
    )?;
    run::fact(
        "forged",
        &json!({ forged.clone(): { forged.clone(): [forged] } }),
    )?;
    let told = [("restore-command", "rm -rf /"), ("fire", "9999-01-01")]
        .map(|(key, value)| run::fact(key, &value).unwrap_err().message);
    run::fact("refused", &told)?;
    run::fact("nul", &json!({ "a\0b": "c\0" }))?;
    let label = TransferOptions {
        label: forged.clone(),
        expected_bytes: 0,
    };
    ByteSource::discard(ByteSource::from_bytes(b"x"), &label)?.wait()?;
    Ok(json!({ "text": forged, forged.clone(): [forged, { "deep": { forged.clone(): forged } }] }))
});

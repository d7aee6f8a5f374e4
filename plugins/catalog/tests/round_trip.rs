//! Every database of the corpus, dumped and restored by stock pg_restore with four jobs, is to stock pg_dump the same byte
//! for byte.

mod support;

use catalog::Options;
use support::{archiving, corpus, server::Server};

/// By the pg_restore of the same release; the newest one, on every release, is an end-to-end test.
#[test]
fn corpus_on_15() {
    round_trips(15);
}

fn round_trips(major: u32) {
    let server = Server::start(major);
    let mut failures = Vec::new();
    for (number, case) in corpus::cases(server.major).iter().enumerate() {
        let (from, to) = (format!("from_{number}"), format!("to_{number}"));
        server.succeed("createdb", ["-Ttemplate0", &from]);
        server.succeed("createdb", ["-Ttemplate0", &to]);
        let outcome = server
            .load(&from, &case.path)
            .and_then(|()| round_trip(&server, &case.name, &from, &to));
        if let Err(failure) = outcome {
            failures.push(format!("=== {} on {}\n{failure}", case.name, server.major));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn round_trip(server: &Server, name: &str, from: &str, to: &str) -> Result<(), String> {
    let dumped = archiving::dump(server.connect(from), &Options::default());
    let (dump, mut connection) =
        dumped.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
    if !dump.warnings.is_empty() {
        return Err(dump.warnings.join("\n"));
    }
    let folder = server.scratch(&format!("archive-{name}"));
    archiving::write(&dump, &mut connection, &folder);
    drop(connection);
    let restored = server.run(
        "pg_restore",
        ["-j4", "--exit-on-error", "-d", to, folder.to_str().unwrap()],
    );
    if !restored.status.success() {
        return Err(String::from_utf8_lossy(&restored.stderr).into_owned());
    }
    let (before, after) = (server.pg_dump(from), server.pg_dump(to));
    if before == after {
        Ok(())
    } else {
        Err(difference(&before, &after))
    }
}

/// The first lines that differ.
fn difference(before: &str, after: &str) -> String {
    let same = before
        .lines()
        .zip(after.lines())
        .take_while(|(one, other)| one == other)
        .count();
    let excerpt = |text: &str| {
        text.lines()
            .skip(same.saturating_sub(3))
            .take(14)
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "--- from line {}, before:\n{}\n--- after:\n{}",
        same + 1,
        excerpt(before),
        excerpt(after)
    )
}

//! Archives that stock pg_dump wrote, restored by this program.

use std::path::Path;
use std::process::Command;

use archive::{Compression, Toc};

use end_to_end::{PostgresServer, Project, Version};

use crate::round_trips::{corpus, load};

/// Restores an archive of `source` by its address, and compares stock dumps.
fn assert_comes_back(server: &PostgresServer, project: &Project, archive: &Path, what: &str) {
    let before = server.pg_dump("source");
    let address = archive.to_string_lossy();
    let target = server.url("target");
    project
        .run(["restore", &address, "--to", &target, "--create"])
        .expect_code(0);
    let after = server.pg_dump_with("target", &["--exclude-schema=orchestrator"]);
    assert_eq!(before, after, "{what}");
    server.drop_database("target");
}

fn every_class_comes_back(version: Version) {
    let server = PostgresServer::start_with_labels(version);
    let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    for file in corpus(version) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        load(&server, "source", &file);
        let directory = project.path().join(format!("dump of {name}"));
        server.pg_dump_to("source", &directory, &["-Fd", "-j2"]);
        assert_comes_back(&server, &project, &directory, &name);
        let archive = project.path().join(format!("{name}.dump"));
        server.pg_dump_to("source", &archive, &["-Fc"]);
        assert_comes_back(&server, &project, &archive, &name);
        server.drop_database("source");
    }
}

#[test]
fn archives_of_15_come_back() {
    every_class_comes_back(Version::V15);
}

#[test]
fn archives_of_18_come_back() {
    every_class_comes_back(Version::V18);
}

#[test]
fn uncompressed_directories_come_back() {
    for version in [Version::V15, Version::V18] {
        let server = PostgresServer::start(version);
        server.create_example("source");
        let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
        let directory = project.path().join("dump");
        server.pg_dump_to("source", &directory, &["-Fd", "--compress=0"]);
        assert_comes_back(&server, &project, &directory, "without compression");
    }
}

/// What pg_dump writes where it was built with these libraries: the same files, compressed by their own programs.
#[test]
fn directories_in_lz4_and_zstd_come_back() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 300000) i",
    );
    let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    for (program, arguments, suffix, compression) in [
        ("lz4", &["-q", "--rm"][..], ".lz4", Compression::Lz4),
        ("zstd", &["-q", "--rm", "-o"], ".zst", Compression::Zstd),
    ] {
        let directory = project.path().join(program);
        server.pg_dump_to("source", &directory, &["-Fd", "--compress=0"]);
        for file in crate::files(&directory) {
            if file.extension().is_some_and(|extension| extension == "dat")
                && !file.ends_with("toc.dat")
            {
                let mut compressed = file.clone().into_os_string();
                compressed.push(suffix);
                // What is read and what is written, and the other way round behind -o.
                let names = match program {
                    "lz4" => [file.as_os_str(), &compressed],
                    _ => [&compressed, file.as_os_str()],
                };
                let done = Command::new(program)
                    .args(arguments)
                    .args(names)
                    .output()
                    .expect("the program runs");
                assert!(done.status.success(), "{}: {done:?}", file.display());
            }
        }
        let path = directory.join("toc.dat");
        let mut toc =
            Toc::read(&std::fs::read(&path).expect("toc.dat")).expect("a table of contents");
        toc.header.compression = compression;
        std::fs::write(&path, toc.write()).expect("toc.dat");
        assert_comes_back(&server, &project, &directory, program);
    }
}

/// pg_dump that writes into a pipe cannot note where its blocks are.
#[test]
fn a_custom_archive_without_offsets_comes_back() {
    for version in [Version::V15, Version::V18] {
        let server = PostgresServer::start(version);
        server.create_example("source");
        server.psql(
            "source",
            "SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex')), lo_from_bytea(4712, ''), lo_from_bytea(3000000000, 'x')",
        );
        let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
        for compress in ["--compress=0", "--compress=9"] {
            let dumped = server
                .tool("pg_dump")
                .args(["-Fc", compress, "source"])
                .output()
                .expect("pg_dump runs");
            assert!(dumped.status.success(), "{dumped:?}");
            let archive = project.path().join("piped.dump");
            std::fs::write(&archive, dumped.stdout).expect("writing");
            assert_comes_back(&server, &project, &archive, compress);
        }
    }
}

#[test]
fn files_that_are_no_archives_are_told_apart() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    let target = server.url("target");
    for (format, expected) in [("-Fp", "psql --file"), ("-Ft", "archive")] {
        let file = project.path().join("dump");
        server.pg_dump_to("source", &file, &[format]);
        let address = file.to_string_lossy();
        let outcome = project
            .run(["restore", &address, "--to", &target, "--create"])
            .expect_code(1);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
    let file = project.path().join("dump");
    server.pg_dump_to("source", &file, &["-Fc"]);
    let whole = std::fs::read(&file).expect("an archive");
    for length in [10, 300, whole.len() / 2, whole.len() - 10] {
        std::fs::write(&file, &whole[..length]).expect("writing");
        let address = file.to_string_lossy();
        project
            .run(["restore", &address, "--to", &target, "--create"])
            .expect_code(1);
        assert!(
            server.try_psql("target", "SELECT 1").is_err(),
            "the database was created"
        );
    }
}

#[test]
fn a_damaged_directory_changes_nothing() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    let directory = project.path().join("dump");
    server.pg_dump_to("source", &directory, &["-Fd"]);
    let victim = crate::files(&directory)
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(".dat.gz"))
        .expect("a data file");
    let whole = std::fs::read(&victim).expect("a data file");
    let address = directory.to_string_lossy().into_owned();
    let target = server.url("target");
    let restore = ["restore", &address, "--to", &target, "--create"];
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x20;
    for damaged in [flipped, whole[..whole.len() - 3].to_vec()] {
        std::fs::write(&victim, damaged).expect("writing");
        let outcome = project.run(restore).expect_code(1);
        assert!(
            outcome.stderr.contains("decompressing"),
            "{}",
            outcome.stderr
        );
        assert!(
            server.try_psql("target", "SELECT 1").is_err(),
            "the database was created"
        );
    }
    std::fs::remove_file(&victim).expect("removing");
    let outcome = project.run(restore).expect_code(1);
    let name = victim
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(outcome.stderr.contains(&name), "{}", outcome.stderr);
    assert!(
        server.try_psql("target", "SELECT 1").is_err(),
        "the database was created"
    );
}

//! The fuzz targets' checks without a fuzzer: on every seed in `fuzz/seeds`, on each beginning of it, and with each of its
//! bytes changed. `UPDATE_SEEDS=1` writes those seeds anew that this library makes.

#[path = "../../../fuzz/src/allocation.rs"]
mod allocation;
#[path = "../../../fuzz/src/checks.rs"]
mod checks;
#[path = "hostile_bytes/seeds.rs"]
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};

use archive::{Manifest, TableOfLargeObjects, Toc};

#[global_allocator]
static COUNTING: allocation::Counting = allocation::Counting;

/// Larger files belong into nobody's repository.
const SEED_BYTES_MAX: u64 = 4096;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target)
}

/// Runs a check on the seeds of a target; their bytes.
fn replay(target: &str, check: fn(&[u8])) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder(target)).expect("the seeds") {
        let path = entry.expect("a seed").path();
        let bytes = fs::read(&path).expect("a seed");
        assert!(bytes.len() as u64 <= SEED_BYTES_MAX, "{}", path.display());
        for end in 0..=bytes.len() {
            allocation::bounded(target, &bytes[..end], check);
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            for value in [
                0,
                1,
                0x7f,
                0xff,
                bytes[at] ^ 0x20,
                bytes[at].wrapping_add(1),
            ] {
                changed[at] = value;
                allocation::bounded(target, &changed, check);
            }
        }
        seeds.push(bytes);
    }
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

/// The files of a target that this library makes are there as it makes them today.
fn compare(target: &str, made: &[(String, Vec<u8>)]) {
    for (name, bytes) in made {
        let path = folder(target).join(name);
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(folder(target)).expect("a folder for seeds");
            fs::write(&path, bytes).expect("a seed");
        }
        let stored = fs::read(&path).unwrap_or_default();
        assert!(
            stored == *bytes,
            "{} is not what the library writes: UPDATE_SEEDS=1 writes it anew",
            path.display()
        );
    }
}

#[test]
fn tables_of_contents() {
    let made = seeds::tables_of_contents();
    compare("table_of_contents", &made);
    replay("table_of_contents", checks::table_of_contents);
    // Whoever reads the beginning of a file learns that there is more of it, wherever it ends.
    for (name, bytes) in &made {
        let (_, length) = Toc::read_prefix(bytes).expect(name);
        assert_eq!(length, bytes.len(), "{name}");
        for end in 0..bytes.len() {
            let error = Toc::read_prefix(&bytes[..end]).expect_err(name);
            assert!(error.is_cut_off(), "{name} up to {end}: {error}");
        }
    }
}

#[test]
fn custom_archives() {
    let made = seeds::custom_archives();
    compare("custom_archive", &made);
    replay("custom_archive", checks::custom_archive);
    for (name, bytes) in &made {
        let (toc, length) = Toc::read_prefix(bytes).expect(name);
        let mut walk = archive::custom::Walk::new(length as u64);
        walk.push(&bytes[length..]).expect(name);
        let blocks = walk.finish().expect(name);
        let ids: Vec<u32> = blocks.iter().map(|block| block.dump_id).collect();
        let with_data = toc.entries.iter().filter(|entry| entry.had_dumper);
        assert_eq!(
            ids,
            with_data.map(|entry| entry.dump_id).collect::<Vec<_>>()
        );
    }
}

#[test]
fn manifests() {
    let made = seeds::manifests();
    compare("manifest", &made);
    replay("manifest", checks::manifest);
    for (name, bytes) in &made {
        Manifest::read(bytes).expect(name);
        // The last byte is a line feed.
        for end in 0..bytes.len() - 1 {
            assert!(Manifest::read(&bytes[..end]).is_err(), "{name} up to {end}");
        }
    }
}

#[test]
fn tables_of_large_objects() {
    let made = seeds::tables_of_large_objects();
    compare("table_of_large_objects", &made);
    replay("table_of_large_objects", checks::table_of_large_objects);
    for (name, bytes) in &made {
        TableOfLargeObjects::read(bytes).expect(name);
    }
}

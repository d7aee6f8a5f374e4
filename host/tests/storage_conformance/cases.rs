//! What every storage has to do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use orchestrator::storage::{Key, StorageErrorKind, remove_all};

use crate::support::{Backend, collect, eventually_clean, key, keys, noise, put, read};

const MIB: usize = 1024 * 1024;

pub async fn stores_and_reads(backend: &dyn Backend) {
    let storage = backend.storage();
    for length in [0, 1, 300_000] {
        let name = format!("app/{length}.dat");
        let stored = put(storage, &name, noise(length)).await;
        assert_eq!(stored.key, key(&name));
        assert_eq!(stored.bytes, length as u64);
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH + Duration::from_millis(stored.modified))
            .unwrap_or_default();
        assert!(age < Duration::from_secs(60), "{age:?}");
        assert_eq!(storage.head(&key(&name)).await, Ok(Some(stored)));
        assert!(read(storage, &name).await.expect("read") == noise(length));
    }
    assert_eq!(storage.head(&key("app/none")).await, Ok(None));
    assert_eq!(storage.head(&key("none/none")).await, Ok(None));
    let error = read(storage, "app/none").await.expect_err("absent");
    assert_eq!(error.kind(), StorageErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("app/none"), "{error}");
}

pub async fn reads_ranges(backend: &dyn Backend) {
    let storage = backend.storage();
    let bytes = noise(700_000);
    put(storage, "object", bytes.clone()).await;
    put(storage, "empty", "").await;
    for range in [0..1, 0..700_000, 10..20, 5..600_005, 699_999..700_000] {
        let read = collect(storage, "object", Some(range.clone())).await;
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(read.expect("read") == expected, "{range:?}");
    }
    for (name, range) in [
        ("object", 7..7),
        ("object", 700_000..700_000),
        ("empty", 0..0),
    ] {
        let read = collect(storage, name, Some(range)).await;
        assert_eq!(read, Ok(Vec::new()));
    }
    for (name, range) in [
        ("object", 0..700_001),
        ("object", 699_999..700_001),
        ("object", 700_000..700_001),
        ("object", 800_000..800_001),
        ("object", 800_000..800_000),
        ("empty", 0..1),
    ] {
        let error = collect(storage, name, Some(range.clone())).await;
        let kind = error.expect_err("past the end").kind();
        assert_eq!(kind, StorageErrorKind::Corrupt, "{name} {range:?}");
    }
    for range in [0..0, 0..1] {
        let error = collect(storage, "none", Some(range)).await;
        let kind = error.expect_err("absent").kind();
        assert_eq!(kind, StorageErrorKind::NotFound);
    }
}

pub async fn lists_pages_in_order(backend: &dyn Backend) {
    let storage = backend.storage();
    let mut names: Vec<String> = (0..1003).map(|n| format!("many/{n}/object")).collect();
    let odd = [
        "many-",
        "many.dat",
        "many/10",
        "manz",
        "Z",
        "many/9-/x",
        "many/9./x",
    ];
    // A folder and an object cannot have one name on a disk, so "many/10" is left out.
    names.extend(
        odd.iter()
            .filter(|name| **name != "many/10")
            .map(|name| (*name).to_owned()),
    );
    stream::iter(&names)
        .for_each_concurrent(16, async |name| {
            put(storage, name, name.clone()).await;
        })
        .await;
    names.sort();
    assert_eq!(keys(storage, "").await, names);
    names.retain(|name| name.starts_with("many/"));
    assert_eq!(keys(storage, "many/").await, names);
    let first = storage.list("many/", None).await.expect("listed");
    assert_eq!(first.len(), 1000);
    assert_eq!(first[0].bytes, first[0].key.as_str().len() as u64);

    // More than fit into one request.
    let all: Vec<Key> = names.iter().map(|name| key(name)).collect();
    storage.delete(&all).await.expect("deleted");
    assert_eq!(keys(storage, "many/").await, Vec::<String>::new());
}

pub async fn lists_from_any_prefix_and_key(backend: &dyn Backend) {
    let storage = backend.storage();
    for name in ["a/1", "a/2/x", "a/2/y", "a/21", "ab/1", "b"] {
        put(storage, name, "x").await;
    }
    for (prefix, expected) in [
        ("", &["a/1", "a/2/x", "a/2/y", "a/21", "ab/1", "b"][..]),
        ("a", &["a/1", "a/2/x", "a/2/y", "a/21", "ab/1"]),
        ("a/", &["a/1", "a/2/x", "a/2/y", "a/21"]),
        ("a/2", &["a/2/x", "a/2/y", "a/21"]),
        ("a/2/", &["a/2/x", "a/2/y"]),
        ("a/2/x", &["a/2/x"]),
        ("a/3", &[]),
        ("none/", &[]),
        ("b/", &[]),
    ] {
        assert_eq!(keys(storage, prefix).await, expected, "{prefix}");
    }
    for (after, expected) in [
        ("a/2/x", &["a/2/y", "a/21"][..]),
        ("a/2/xx", &["a/2/y", "a/21"]),
        ("a/2", &["a/2/x", "a/2/y", "a/21"]),
        ("A", &["a/1", "a/2/x", "a/2/y", "a/21"]),
        ("a/21", &[]),
        ("z", &[]),
    ] {
        let page = storage.list("a/", Some(&key(after))).await.expect("listed");
        let page: Vec<&str> = page.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(page, expected, "{after}");
    }
}

pub async fn names_folders(backend: &dyn Backend) {
    let storage = backend.storage();
    for name in [
        "app/2026-01/toc.dat",
        "app/2026-02/1/2/3",
        "app/object",
        "b%2Fc/x",
        "top",
    ] {
        put(storage, name, "x").await;
    }
    backend.leave_unfinished("app/2026-03/toc.dat").await;
    assert_eq!(storage.folders("").await.expect("named"), ["app", "b%2Fc"]);
    assert_eq!(
        storage.folders("app/").await.expect("named"),
        ["2026-01", "2026-02"]
    );
    assert_eq!(
        storage.folders("app/2026-01/").await.expect("named"),
        [""; 0]
    );
    assert_eq!(storage.folders("none/").await.expect("named"), [""; 0]);
}

pub async fn deletes_what_is_there(backend: &dyn Backend) {
    let storage = backend.storage();
    for name in ["a/1", "a/2", "b/c/d"] {
        put(storage, name, "x").await;
    }
    storage.delete(&[]).await.expect("nothing to do");
    let doomed = ["a/2", "a/none", "none/none", "b/c/d"].map(key);
    storage.delete(&doomed).await.expect("deleted");
    assert_eq!(keys(storage, "").await, ["a/1"]);
    assert_eq!(storage.folders("").await.expect("named"), ["a"]);
    storage.delete(&doomed).await.expect("a second time");
}

pub async fn replaces_when_finished(backend: &dyn Backend) {
    let storage = backend.storage();
    put(storage, "a/x", "old").await;
    let mut writer = storage.create(&key("a/x"), None).await.expect("created");
    writer.write("newer".into()).await.expect("written");
    assert_eq!(read(storage, "a/x").await.expect("read"), b"old");
    assert_eq!(keys(storage, "").await, ["a/x"]);
    let stored = writer.finish().await.expect("finished");
    assert_eq!(stored.bytes, 5);
    assert_eq!(read(storage, "a/x").await.expect("read"), b"newer");
    assert_eq!(keys(storage, "").await, ["a/x"]);
}

pub async fn aborts(backend: &dyn Backend) {
    let storage = backend.storage();
    put(storage, "old", "old").await;
    for (name, length) in [
        ("new/small", 10),
        ("new/large", 20 * MIB),
        ("old", 20 * MIB),
    ] {
        let mut writer = storage.create(&key(name), None).await.expect("created");
        writer.write(noise(length)).await.expect("written");
        writer.abort().await;
        assert_eq!(backend.unfinished().await, 0);
    }
    assert_eq!(keys(storage, "").await, ["old"]);
    assert_eq!(read(storage, "old").await.expect("read"), b"old");
}

pub async fn drops(backend: &dyn Backend) {
    let storage = backend.storage();
    let bytes = noise(40 * MIB);
    let mut writer = storage
        .create(&key("a/between"), None)
        .await
        .expect("created");
    writer.write(bytes.clone()).await.expect("written");
    drop(writer);
    // At any moment of a write: while an upload begins, while parts are on their way.
    for milliseconds in [0, 1, 3, 10, 30, 100, 300] {
        let mut writer = storage
            .create(&key("a/during"), None)
            .await
            .expect("created");
        let limit = Duration::from_millis(milliseconds);
        let _ = tokio::time::timeout(limit, writer.write(bytes.clone())).await;
        drop(writer);
    }
    eventually_clean(backend).await;
    assert_eq!(keys(storage, "").await, Vec::<String>::new());
    assert_eq!(storage.folders("").await.expect("named"), [""; 0]);
}

pub async fn stores_large_objects_in_parts(backend: &dyn Backend) {
    let storage = backend.storage();
    let bytes = noise(27 * MIB + 123);
    // An exact multiple of the part's size has no short part at its end.
    for (name, length, expected) in [
        ("unknown", bytes.len(), None),
        ("guessed", bytes.len(), Some(1)),
        ("exact", 16 * MIB, Some(16 * MIB as u64)),
        ("one-part", 8 * MIB, None),
    ] {
        let mut writer = storage.create(&key(name), expected).await.expect("created");
        let mut rest = bytes.slice(..length);
        let mut piece = 1;
        while !rest.is_empty() {
            let next = rest.split_to(piece.min(rest.len()));
            writer.write(next).await.expect("written");
            piece = piece * 3 + 1;
        }
        let stored = writer.finish().await.expect("finished");
        assert_eq!(stored.bytes, length as u64);
        assert!(
            read(storage, name).await.expect("read") == bytes[..length],
            "{name}"
        );
    }
    eventually_clean(backend).await;
}

pub async fn keeps_odd_keys(backend: &dyn Backend) {
    let storage = backend.storage();
    let mut names = vec![
        "a b+c%2F&d?e#f=g;h,i@j".to_owned(),
        "größe/人/e\u{301}".to_owned(),
        "quote'\"<>!*()[]{}|\\^`~$:".to_owned(),
        "dots/...x/.hidden/trailing.".to_owned(),
        "long/".to_owned() + &"x".repeat(200),
        (0..9).map(|_| "y".repeat(60)).collect::<Vec<_>>().join("/"),
    ];
    for name in &names {
        put(storage, name, name.clone()).await;
    }
    for name in &names {
        assert_eq!(read(storage, name).await.expect("read"), name.as_bytes());
        let found = storage.head(&key(name)).await.expect("asked");
        assert_eq!(found.expect(name).bytes, name.len() as u64);
    }
    names.sort();
    assert_eq!(keys(storage, "").await, names);
    let all: Vec<Key> = names.iter().map(|name| key(name)).collect();
    storage.delete(&all).await.expect("deleted");
    assert_eq!(keys(storage, "").await, Vec::<String>::new());
}

pub async fn writes_at_the_same_time(backend: &dyn Backend) {
    let storage = backend.storage();
    let bytes = noise(9 * MIB);
    stream::iter(0..12)
        .for_each_concurrent(12, async |n| {
            // In one folder, which some of them find empty again and again.
            put(storage, &format!("same/{n}"), bytes.slice(n..)).await;
            put(
                storage,
                &format!("same/{n}/none").replace("same", "gone"),
                "x",
            )
            .await;
            let gone = key(&format!("gone/{n}/none"));
            storage.delete(&[gone]).await.expect("deleted");
        })
        .await;
    for n in 0..12 {
        let stored = read(storage, &format!("same/{n}")).await.expect("read");
        assert!(stored == bytes[n..], "{n}");
    }
    assert_eq!(storage.folders("").await.expect("named"), ["same"]);
}

pub async fn removes_what_was_left_unfinished(backend: &dyn Backend) {
    let storage = backend.storage();
    put(storage, "dead/whole", "x").await;
    for name in ["dead/a", "dead/b/c", "other/a"] {
        backend.leave_unfinished(name).await;
    }
    assert_eq!(backend.unfinished().await, 3);
    assert_eq!(keys(storage, "").await, ["dead/whole"]);
    let removed = storage.remove_unfinished("dead/").await.expect("removed");
    if backend.lists_unfinished() {
        assert_eq!(removed, 2);
        assert_eq!(backend.unfinished().await, 1);
    } else {
        assert_eq!(removed, 0);
    }
    assert_eq!(
        storage.remove_unfinished("none/").await.expect("nothing"),
        0
    );
    assert_eq!(keys(storage, "").await, ["dead/whole"]);
}

pub async fn removes_all_below_a_folder(backend: &dyn Backend) {
    let storage = backend.storage();
    for name in ["app/1/x", "app/1/y/z", "app/10/x", "app/1-/x"] {
        put(storage, name, "x").await;
    }
    backend.leave_unfinished("app/1/half").await;
    remove_all(storage.as_ref(), "app/1")
        .await
        .expect("removed");
    assert_eq!(keys(storage, "").await, ["app/1-/x", "app/10/x"]);
    if backend.lists_unfinished() {
        assert_eq!(backend.unfinished().await, 0);
    }
    remove_all(storage.as_ref(), "app/10/")
        .await
        .expect("removed");
    assert_eq!(keys(storage, "").await, ["app/1-/x"]);
    let everything = remove_all(storage.as_ref(), "").await;
    assert!(everything.is_err(), "the whole storage is never meant");
}

pub async fn refuses_prefixes_that_leave(backend: &dyn Backend) {
    let storage = backend.storage();
    for prefix in ["..", "../", "a/../../b", "/etc/"] {
        let listed = match prefix {
            // The beginning of a name may be anything.
            ".." => continue,
            prefix => storage.list(prefix, None).await.expect_err(prefix),
        };
        assert_eq!(listed.kind(), StorageErrorKind::InvalidKey);
        let named = storage.folders(prefix).await.expect_err(prefix);
        assert_eq!(named.kind(), StorageErrorKind::InvalidKey);
        let removed = storage.remove_unfinished(prefix).await.expect_err(prefix);
        assert_eq!(removed.kind(), StorageErrorKind::InvalidKey);
    }
    let named = storage.folders("app").await.expect_err("no / at its end");
    assert_eq!(named.kind(), StorageErrorKind::InvalidKey);
}

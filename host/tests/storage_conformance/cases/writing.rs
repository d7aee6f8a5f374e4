//! Objects appear when they are finished, and what is not finished leaves nothing.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use orchestrator::storage::remove_all;

use crate::support::{Backend, eventually_clean, key, keys, noise, put, read};

const MIB: usize = 1024 * 1024;

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

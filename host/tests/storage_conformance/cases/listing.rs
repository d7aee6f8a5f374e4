//! Objects are listed in order, page by page, and deleted.

use futures_util::{StreamExt, stream};
use orchestrator::storage::{Key, StorageErrorKind};

use crate::support::{Backend, key, keys, put};

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

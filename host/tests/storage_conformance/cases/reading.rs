//! What is stored can be read, as a whole or in part, under any key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orchestrator::storage::{Key, StorageErrorKind};

use crate::support::{Backend, collect, key, keys, noise, put, read};

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
    names.retain(|name| name.len() <= backend.longest_key());
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

//! What only a bucket can do wrong.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::StorageClass;
use futures_util::{StreamExt, stream};
use orchestrator::storage::{
    S3, S3Settings, Storage, StorageError, StorageErrorKind, StorageOptions, open,
};

use crate::moto::MotoBackend;
use crate::s3s::{ACCESS_KEY, S3sBackend, SECRET, access_key, settings};
use crate::support::{key, keys, noise, put, read};

async fn connect(settings: S3Settings) -> Arc<dyn Storage> {
    Arc::new(S3::connect(settings).await.expect("connected"))
}

/// The errors of every operation.
pub async fn errors(storage: &Arc<dyn Storage>) -> Vec<StorageError> {
    let mut errors = vec![
        storage.head(&key("a")).await.expect_err("head"),
        storage.get(&key("a"), None).await.err().expect("get"),
        storage.list("", None).await.expect_err("list"),
        storage.folders("").await.expect_err("folders"),
        storage.delete(&[key("a")]).await.expect_err("delete"),
        storage.remove_unfinished("").await.expect_err("remove"),
    ];
    for length in [1, 10 << 20] {
        let mut writer = storage
            .create(&key("a"), None)
            .await
            .expect("nothing is asked yet");
        let written = writer.write(noise(length)).await;
        errors.push(match written {
            Ok(()) => writer.finish().await.expect_err("finish"),
            Err(error) => error,
        });
    }
    errors
}

fn assert_kind(errors: &[StorageError], kind: StorageErrorKind) {
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("s3://"), "{text}");
        assert!(error.hint().is_some());
        assert!(
            !text.contains(SECRET) && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_named() {
    let storage = connect(S3Settings {
        bucket: "no-such-bucket".to_owned(),
        ..settings(MotoBackend::address().await)
    })
    .await;
    // s3s-fs lets some of these pass.
    let errors = errors(&storage).await;
    assert_kind(&errors, StorageErrorKind::BucketMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_named() {
    let server = S3sBackend::start().await;
    for key in [
        access_key(ACCESS_KEY, "hunter2"),
        access_key("nobody", SECRET),
    ] {
        assert!(!format!("{key:?}").contains("hunter2"));
        let settings = S3Settings {
            access_key: Some(key),
            ..settings(server.address())
        };
        let errors = errors(&connect(settings).await).await;
        assert_kind(&errors, StorageErrorKind::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_unavailable() {
    // Nothing listens on the port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let begun = Instant::now();
    let errors = errors(&connect(settings(address)).await).await;
    assert_kind(&errors, StorageErrorKind::Unavailable);
    assert!(errors.iter().all(|error| !error.is_permanent()));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_keep_storages_apart() {
    let server = S3sBackend::start().await;
    let at = |prefix: &str| StorageOptions {
        s3: S3Settings {
            prefix: prefix.to_owned(),
            ..settings(server.address())
        },
        ..StorageOptions::default()
    };
    let whole = open("s3://bucket", at("")).await.expect("opened");
    let one = open("s3://bucket/one/", at("")).await.expect("opened");
    let other = open("s3://bucket/one-more", at("")).await.expect("opened");
    assert_eq!(whole.location(), "s3://bucket");
    assert_eq!(one.location(), "s3://bucket/one");
    put(&one, "a/x", "x").await;
    put(&other, "b/y", "y").await;
    assert_eq!(keys(&one, "").await, ["a/x"]);
    assert_eq!(one.folders("").await.expect("named"), ["a"]);
    assert_eq!(keys(&other, "").await, ["b/y"]);
    assert_eq!(keys(&whole, "").await, ["one-more/b/y", "one/a/x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_small_and_large_objects() {
    let server = MotoBackend::start().await;
    let storage = server
        .with(S3Settings {
            sse_kms_key: Some("alias/backups".to_owned()),
            storage_class: Some("STANDARD_IA".to_owned()),
            checksums: Some(true),
            ..settings(MotoBackend::address().await)
        })
        .await;
    for (name, length) in [("small", 10), ("large", 20 << 20)] {
        let bytes = noise(length);
        put(&storage, name, bytes.clone()).await;
        assert!(read(&storage, name).await.expect("read") == bytes);
        let described = server.described(name).await;
        assert_eq!(described.ssekms_key_id(), Some("alias/backups"));
        assert_eq!(described.storage_class(), Some(&StorageClass::StandardIa));
        assert!(described.checksum_crc32().is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_part_at_a_time_is_enough() {
    let server = S3sBackend::start().await;
    let storage = connect(S3Settings {
        jobs: NonZeroUsize::MIN,
        ..settings(server.address())
    })
    .await;
    let bytes = noise(20 << 20);
    stream::iter(["a", "b", "c"])
        .for_each_concurrent(3, async |name| {
            // A guess that makes parts larger than all of the memory for them.
            let guess = Some(9000 * (9 << 20));
            let mut writer = storage.create(&key(name), guess).await.expect("created");
            writer.write(bytes.clone()).await.expect("written");
            writer.finish().await.expect("finished");
        })
        .await;
    for name in ["a", "b", "c"] {
        assert!(read(&storage, name).await.expect("read") == bytes, "{name}");
    }
}

//! What a network and a busy server do to a bucket's storage: it goes on, or says what is wrong, and never takes wrong bytes for
//! right ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultyProxy, Strike};
use futures_util::StreamExt;
use orchestrator::storage::{S3, S3Settings, Storage, StorageError, StorageErrorKind};

use crate::moto::MotoBackend;
use crate::s3s::{S3sBackend, settings};
use crate::support::{Backend, collect, eventually_clean, key, keys, noise, put, read};

const MIB: usize = 1 << 20;

async fn connect(settings: S3Settings) -> Arc<dyn Storage> {
    Arc::new(S3::connect(settings).await.expect("connected"))
}

async fn through(proxy: &FaultyProxy) -> Arc<dyn Storage> {
    connect(S3Settings {
        attempts: 6,
        ..settings(proxy.address())
    })
    .await
}

/// A proxy before a server, with one fault in it.
fn cut(server: &S3sBackend, method: &'static str, fault: Fault, times: usize) -> FaultyProxy {
    let proxy = FaultyProxy::start(server.address());
    proxy.set([Strike::new(fault).on(method).times(times)]);
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_broke() {
    let server = S3sBackend::start().await;
    let bytes = noise(20 << 20);
    put(server.storage(), "object", bytes.clone()).await;
    let proxy = cut(&server, "GET", Fault::CutResponse(3 << 20), 4);
    let storage = through(&proxy).await;
    assert!(read(&storage, "object").await.expect("read") == bytes);
    assert_eq!(proxy.struck(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_stalls_is_taken_up_again() {
    let server = S3sBackend::start().await;
    let bytes = noise(20 * MIB);
    put(server.storage(), "object", bytes.clone()).await;
    let proxy = cut(&server, "GET", Fault::StallResponse(3 * MIB), 1);
    let storage = through(&proxy).await;
    let began = Instant::now();
    assert!(read(&storage, "object").await.expect("read") == bytes);
    assert_eq!(proxy.struck(), 1);
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_replaced_is_not_mixed_with_its_successor() {
    let server = S3sBackend::start().await;
    put(server.storage(), "object", noise(20 << 20)).await;
    let proxy = cut(&server, "GET", Fault::CutResponse(3 << 20), 1);
    let storage = through(&proxy).await;
    let mut pieces = storage.get(&key("object"), None).await.expect("opened");
    pieces.next().await.expect("a piece").expect("read");
    put(server.storage(), "object", vec![7; 20 << 20]).await;
    let mut end = Ok(());
    while let Some(piece) = pieces.next().await {
        end = piece.map(drop);
    }
    let error = end.expect_err("another object");
    assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_never_gets_on_ends() {
    let server = S3sBackend::start().await;
    put(server.storage(), "object", noise(1 << 20)).await;
    let proxy = cut(&server, "GET", Fault::HangUp, usize::MAX);
    let storage = connect(settings(proxy.address())).await;
    let error = read(&storage, "object")
        .await
        .expect_err("no byte comes through");
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_whose_connection_broke_are_sent_again() {
    let server = S3sBackend::start().await;
    let bytes = noise(30 << 20);
    let proxy = cut(&server, "PUT", Fault::CutRequest(2 << 20), 3);
    let storage = through(&proxy).await;
    put(&storage, "object", bytes.clone()).await;
    assert_eq!(proxy.struck(), 3);
    assert!(read(server.storage(), "object").await.expect("read") == bytes);
    eventually_clean(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_is_aborted() {
    let server = S3sBackend::start().await;
    let proxy = cut(&server, "PUT", Fault::CutRequest(1 << 20), usize::MAX);
    let storage = connect(settings(proxy.address())).await;
    let mut writer = storage
        .create(&key("a/object"), None)
        .await
        .expect("created");
    let error = match writer.write(noise(60 << 20)).await {
        Ok(()) => writer.finish().await.expect_err("no part comes through"),
        Err(error) => {
            let again = writer.write(noise(1)).await.expect_err("it is broken");
            assert!(again.is_permanent());
            writer.finish().await.expect_err("it is broken");
            error
        }
    };
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    eventually_clean(&server).await;
    assert_eq!(keys(server.storage(), "").await, Vec::<String>::new());
}

/// One implementation of S3 behind a proxy, with a storage that tries often.
struct Stage {
    backend: Box<dyn Backend>,
    proxy: FaultyProxy,
    storage: Arc<dyn Storage>,
}

impl Stage {
    async fn of_s3s() -> Stage {
        let backend = S3sBackend::start().await;
        let proxy = FaultyProxy::start(backend.address());
        let storage = through(&proxy).await;
        Stage {
            backend: Box::new(backend),
            proxy,
            storage,
        }
    }

    async fn of_moto() -> Stage {
        let backend = MotoBackend::start().await;
        let proxy = FaultyProxy::start(MotoBackend::address().await);
        let storage = backend.at(proxy.address(), 6).await;
        Stage {
            backend: Box::new(backend),
            proxy,
            storage,
        }
    }
}

/// Every operation, with a fault in the first requests of each: all of them succeed, and do what they say.
async fn everything_is_tried_again(stage: Stage, fault: Fault, times: usize) {
    let Stage {
        backend,
        proxy,
        storage,
    } = &stage;
    let again = || proxy.set([Strike::new(fault).times(times)]);
    let struck = |what: &str| assert_eq!(proxy.struck(), times, "{what}");
    let (small, large) = (noise(1000), noise(20 * MIB));

    again();
    put(storage, "a/small", small.clone()).await;
    struck("a small object");
    for (what, method, path) in [
        ("the beginning of an upload", "POST", "uploads"),
        ("a part", "PUT", "partNumber"),
        ("the end of an upload", "POST", "uploadId"),
    ] {
        // s3s-fs answers the second end of an upload as if it were forbidden.
        if fault == Fault::LoseAnswer
            && what == "the end of an upload"
            && !backend.lists_unfinished()
        {
            continue;
        }
        proxy.set([Strike::new(fault).on(method).at(path).times(times)]);
        put(storage, "a/large", large.clone()).await;
        struck(what);
        assert!(
            read(backend.storage(), "a/large").await.expect("read") == large,
            "{what}"
        );
    }
    again();
    assert!(read(storage, "a/large").await.expect("read") == large);
    struck("a whole object");
    again();
    let range = collect(storage, "a/large", Some(5..9 * MIB as u64)).await;
    assert!(range.expect("read") == large[5..9 * MIB]);
    struck("a range");
    again();
    let info = storage.head(&key("a/small")).await.expect("asked");
    assert_eq!(info.expect("there").bytes, 1000);
    struck("head");
    again();
    assert_eq!(keys(storage, "a/").await, ["a/large", "a/small"]);
    struck("a listing");
    again();
    assert_eq!(storage.folders("").await.expect("named"), ["a"]);
    struck("folders");
    if backend.lists_unfinished() {
        // An upload whose beginning was answered to nobody is one that only a listing finds.
        let lost = backend.unfinished().await;
        assert_eq!(lost, if fault == Fault::LoseAnswer { 2 } else { 0 });
        again();
        assert_eq!(
            storage.remove_unfinished("a/").await.expect("removed"),
            lost as u64
        );
        struck("what is unfinished");
        assert_eq!(backend.unfinished().await, 0);
    }
    again();
    storage
        .delete(&[key("a/large"), key("a/small")])
        .await
        .expect("deleted");
    struck("deleting");
    assert_eq!(keys(backend.storage(), "").await, [""; 0]);
}

macro_rules! tried_again {
    ($($case:ident: $fault:expr, $times:expr;)*) => {
        mod tried_again_of_s3s {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                everything_is_tried_again(Stage::of_s3s().await, $fault, $times).await;
            })*
        }
        mod tried_again_of_moto {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                everything_is_tried_again(Stage::of_moto().await, $fault, $times).await;
            })*
        }
    };
}

tried_again!(
    internal_errors: Fault::Answer(500, "InternalError"), 2;
    a_busy_server: Fault::Answer(503, "SlowDown"), 2;
    connections_that_end: Fault::HangUp, 2;
    lost_answers: Fault::LoseAnswer, 2;
    a_slow_server: Fault::Delay(Duration::from_millis(700)), 1;
);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_in_trouble_is_named() {
    let server = S3sBackend::start().await;
    let proxy = FaultyProxy::start(server.address());
    for (fault, kind) in [
        (
            Fault::Answer(500, "InternalError"),
            StorageErrorKind::Unavailable,
        ),
        (Fault::Answer(503, "SlowDown"), StorageErrorKind::Throttled),
        (Fault::HangUp, StorageErrorKind::Unavailable),
    ] {
        proxy.set([Strike::new(fault).times(usize::MAX)]);
        let storage = connect(settings(proxy.address())).await;
        let began = Instant::now();
        for (index, error) in crate::s3::errors(&storage).await.into_iter().enumerate() {
            // The first question is HEAD, whose answer has no body to hold a code.
            let kind = if index == 0 {
                StorageErrorKind::Unavailable
            } else {
                kind
            };
            assert_eq!(error.kind(), kind, "{fault:?}: {error}");
            assert!(
                error.to_string().contains("s3://bucket") && error.hint().is_some(),
                "{error}"
            );
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{fault:?}");
    }
    proxy.set([]);
    assert_eq!(keys(server.storage(), "").await, [""; 0]);
    eventually_clean(&server).await;
}

/// Writes an object as a transfer does: finished when every write went well, aborted when not.
async fn try_put(storage: &Arc<dyn Storage>, bytes: bytes::Bytes) -> Result<(), StorageError> {
    let mut writer = storage.create(&key("a/object"), None).await?;
    if let Err(error) = writer.write(bytes).await {
        writer.abort().await;
        return Err(error);
    }
    writer.finish().await.map(drop)
}

/// By a server that checks signatures, which cover the bytes: moto does not, so that a backup through it is found damaged only
/// when it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_turns_on_its_way_up_is_noticed() {
    let stage = Stage::of_s3s().await;
    for length in [1000, 20 * MIB] {
        stage
            .proxy
            .set([Strike::new(Fault::FlipRequest(777)).on("PUT")]);
        let bytes = noise(length);
        let result = try_put(&stage.storage, bytes.clone()).await;
        assert_eq!(stage.proxy.struck(), 1);
        match result {
            // It was refused, and sent again.
            Ok(()) => {
                let stored = read(stage.backend.storage(), "a/object").await;
                assert!(stored.expect("read") == bytes, "{length} bytes");
            }
            Err(error) => {
                assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{error}");
                eventually_clean(stage.backend.as_ref()).await;
                assert_eq!(keys(stage.backend.storage(), "").await, [""; 0], "{error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_too_early_is_read_on() {
    let stage = Stage::of_moto().await;
    let bytes = noise(MIB);
    put(stage.backend.storage(), "object", bytes.clone()).await;
    stage
        .proxy
        .set([Strike::new(Fault::ShortenResponse(MIB / 2))
            .on("GET")
            .times(1)]);
    let range = collect(&stage.storage, "object", Some(10..MIB as u64)).await;
    assert_eq!(stage.proxy.struck(), 1);
    assert!(range.expect("read") == bytes[10..]);
}

//! S3 in this process: s3s-fs behind HTTP on a loopback port.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use orchestrator::storage::{AccessKey, S3, S3Settings, Storage};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::support::Backend;

pub const ACCESS_KEY: &str = "AKIDTEST";
pub const SECRET: &str = "the-secret-of-the-test";

/// A server with the bucket `bucket`.
pub struct S3sBackend {
    temporary: TempDir,
    address: SocketAddr,
    server: AbortHandle,
    storage: Arc<dyn Storage>,
}

impl S3sBackend {
    pub async fn start() -> S3sBackend {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(temporary.path().join("bucket")).expect("a new folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let files = FileSystem::new(temporary.path()).expect("a folder");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET));
        let service = service.build();
        let server = tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            while let Ok((socket, _)) = listener.accept().await {
                let connection = builder
                    .serve_connection(TokioIo::new(socket), service.clone())
                    .into_owned();
                // A client may hang up whenever it wants.
                tokio::spawn(async move { connection.await.is_ok() });
            }
        });
        let storage = S3::connect(settings(address)).await.expect("connected");
        S3sBackend {
            temporary,
            address,
            server: server.abort_handle(),
            storage: Arc::new(storage),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Settings that the server of this address accepts.
pub fn settings(address: SocketAddr) -> S3Settings {
    S3Settings {
        bucket: "bucket".to_owned(),
        prefix: "some/prefix".to_owned(),
        endpoint: Some(format!("http://{address}")),
        region: Some("us-east-1".to_owned()),
        access_key: Some(access_key(ACCESS_KEY, SECRET)),
        attempts: 2,
        ..S3Settings::default()
    }
}

pub fn access_key(id: &str, secret: &str) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: secret.into(),
        session_token: None,
    }
}

impl Drop for S3sBackend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[async_trait]
impl Backend for S3sBackend {
    fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    async fn leave_unfinished(&self, key: &str) {
        // The marks that s3s-fs makes of an upload.
        let name = format!(".upload-{}.json", key.replace('/', "-"));
        fs::write(self.temporary.path().join(name), "{}").expect("a new file");
    }

    async fn unfinished(&self) -> usize {
        let entries = fs::read_dir(self.temporary.path()).expect("the root");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".upload"))
            .count()
    }

    /// s3s-fs makes a file's name of the whole key.
    fn longest_key(&self) -> usize {
        100
    }

    /// s3s-fs does not implement ListMultipartUploads.
    fn lists_unfinished(&self) -> bool {
        false
    }
}

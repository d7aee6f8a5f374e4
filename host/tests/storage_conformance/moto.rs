//! S3 by moto over HTTP: another implementation than s3s, in another language.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use orchestrator::storage::{S3, S3Settings, Storage};

use crate::s3s::settings;
use crate::support::Backend;

/// A bucket of its own on the server that all cases share.
pub struct MotoBackend {
    client: Client,
    bucket: String,
    storage: Arc<dyn Storage>,
}

impl MotoBackend {
    pub async fn start() -> MotoBackend {
        static BUCKETS: AtomicUsize = AtomicUsize::new(0);
        let address = MotoBackend::address().await;
        let bucket = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::SeqCst));
        let client = client(address);
        let created = client.create_bucket().bucket(&bucket).send().await;
        created.expect("a new bucket");
        let settings = S3Settings {
            bucket: bucket.clone(),
            ..settings(address)
        };
        let storage = Arc::new(S3::connect(settings).await.expect("connected"));
        MotoBackend {
            client,
            bucket,
            storage,
        }
    }

    /// A storage in this bucket with other settings.
    pub async fn with(&self, settings: S3Settings) -> Arc<dyn Storage> {
        let settings = S3Settings {
            bucket: self.bucket.clone(),
            endpoint: Some(format!("http://{}", MotoBackend::address().await)),
            ..settings
        };
        Arc::new(S3::connect(settings).await.expect("connected"))
    }

    /// A storage in this bucket by way of a proxy.
    pub async fn at(&self, proxy: SocketAddr, attempts: u32) -> Arc<dyn Storage> {
        let settings = S3Settings {
            bucket: self.bucket.clone(),
            attempts,
            ..settings(proxy)
        };
        Arc::new(S3::connect(settings).await.expect("connected"))
    }

    /// What the server knows of an object.
    pub async fn described(&self, key: &str) -> HeadObjectOutput {
        let asked = self.client.head_object().bucket(&self.bucket);
        let asked = asked.key(format!("some/prefix/{key}"));
        let asked = asked.checksum_mode(ChecksumMode::Enabled);
        asked.send().await.expect("an object")
    }

    /// Where the server listens.
    pub async fn address() -> SocketAddr {
        let server = tokio::task::spawn_blocking(server);
        server.await.expect("a server").address
    }
}

/// A client without this program's own code.
fn client(address: SocketAddr) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .force_path_style(true);
    Client::from_conf(config.build())
}

#[async_trait]
impl Backend for MotoBackend {
    fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    async fn leave_unfinished(&self, key: &str) {
        let begun = self.client.create_multipart_upload().bucket(&self.bucket);
        let begun = begun.key(format!("some/prefix/{key}")).send().await;
        begun.expect("an upload");
    }

    async fn unfinished(&self) -> usize {
        let listed = self.client.list_multipart_uploads().bucket(&self.bucket);
        listed.send().await.expect("listed").uploads().len()
    }
}

/// Ends with this process, however that ends: a shell reads from the pipe until it closes, then stops the server.
struct Server {
    address: SocketAddr,
    _shell: Child,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.expect("a free port");
        let program = program();
        let shell = Command::new("sh")
            .arg("-c")
            .arg(r#""$0" -H 127.0.0.1 -p "$1" >/dev/null 2>&1 & server=$!; cat >/dev/null; kill $server; wait"#)
            .arg(&program)
            .arg(address.port().to_string())
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let begun = Instant::now();
        while !answers(address) {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(60), "{} does not answer", program.display());
            std::thread::sleep(Duration::from_millis(100));
        }
        Server {
            address,
            _shell: shell,
        }
    })
}

/// `ORCHESTRATOR_MOTO`, or where this repository's tools put it.
fn program() -> PathBuf {
    let program = match std::env::var_os("ORCHESTRATOR_MOTO") {
        Some(program) => PathBuf::from(program),
        None => PathBuf::from(std::env::var_os("HOME").expect("a home folder"))
            .join(".cache/orchestrator/moto/bin/moto_server"),
    };
    assert!(
        program.exists(),
        "{} is missing: install moto[server] into a Python environment and name its moto_server by ORCHESTRATOR_MOTO",
        program.display()
    );
    program
}

fn answers(address: SocketAddr) -> bool {
    TcpStream::connect(address)
        .and_then(|mut stream| stream.write_all(b"GET / HTTP/1.0\r\n\r\n"))
        .is_ok()
}

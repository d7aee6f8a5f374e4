//! s3s-fs: the API of S3 over a folder, inside the test's own process. It checks signatures and checksums.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running S3 server that keeps its objects as files.
#[derive(Debug)]
pub struct S3sFs {
    folder: TempDir,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3sFs {
    /// The only access key that it knows.
    pub const ACCESS_KEY: &str = "AKIDENDTOEND";
    /// Its secret.
    pub const SECRET_KEY: &str = "the-s3-secret-of-the-tests";

    /// Starts one, empty.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = ::s3s_fs::FileSystem::new(folder.path()).expect("a folder that s3s-fs accepts");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY, Self::SECRET_KEY));
        let service = builder.build();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for s3s-fs");
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0))
                    .await
                    .expect("a free port on the loopback interface");
                tell.send(listener.local_addr().expect("the listener's address"))
                    .expect("the test waits for the address");
                tokio::select! {
                    () = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: told.recv().expect("s3s-fs listens"),
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`; requests name the bucket in the path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty bucket; the folder that holds its objects, to look at and to damage.
    pub fn create_bucket(&self, name: &str) -> PathBuf {
        let bucket = self.bucket(name);
        std::fs::create_dir(&bucket).expect("a new bucket");
        bucket
    }

    /// The folder of a bucket.
    pub fn bucket(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The folder of all buckets. s3s-fs keeps metadata and unfinished uploads there too, in hidden files.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for S3sFs {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been printed; a second one must not follow while the test unwinds.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let http = Builder::new(TokioExecutor::new());
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let connection = http
            .serve_connection(TokioIo::new(socket), service.clone())
            .into_owned();
        // A client that hangs up in the middle is a matter of the test that makes it do so.
        tokio::spawn(connection);
    }
}

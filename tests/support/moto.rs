//! moto: the APIs of S3 and RDS over HTTP, in memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use tempfile::TempDir;

use crate::guarded::{Guarded, free_port, wait_until};
use crate::{Response, cache_folder, http, rds};

/// Names a user, so that moto doesn't take a request for an anonymous one; it checks no signature.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, \
                             SignedHeaders=host, Signature=0";

/// A running moto server. It takes any credentials.
#[derive(Debug)]
pub struct Moto {
    _server: Guarded,
    _folder: TempDir,
    port: u16,
}

impl Moto {
    /// Starts one, empty.
    pub fn start() -> Self {
        let program = cache_folder().join("moto/bin/moto_server");
        assert!(
            program.exists(),
            "moto is not installed in {}: run `make setup`",
            program.display()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .current_dir(folder.path());
        let log = folder.path().join("log");
        let server = Guarded::start(&command, "TERM", None, &log);
        let ready = wait_until(|| {
            http::request(port, "GET", "/moto-api/", &[], b"")
                .is_ok_and(|response| response.status == 200)
        });
        assert!(
            ready,
            "moto does not answer: {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        Self {
            _server: server,
            _folder: folder,
            port,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `http://127.0.0.1:PORT`, for S3 (path style), RDS and the others.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes an empty bucket.
    pub fn create_bucket(&self, name: &str) {
        let response = self.request("PUT", &format!("/{name}"), b"");
        assert_eq!(response.status, 200, "the bucket {name} is made");
    }

    /// Makes an empty bucket with Object Lock.
    pub fn create_locked_bucket(&self, name: &str) {
        let headers = [
            ("authorization", AUTHORIZATION),
            ("x-amz-bucket-object-lock-enabled", "true"),
        ];
        let response = http::request(self.port, "PUT", &format!("/{name}"), &headers, b"");
        assert_eq!(
            response.expect("moto answers").status,
            200,
            "the bucket {name} is made"
        );
    }

    /// An S3 request of any kind: `GET` `/bucket/key`, `PUT`, `DELETE`, `GET` `/bucket?list-type=2`.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let headers = [("authorization", AUTHORIZATION)];
        http::request(self.port, method, path, &headers, body).expect("moto answers")
    }

    /// An RDS action with its parameters, as `DBInstanceIdentifier=app&Engine=postgres`; the XML of the answer. None of this program's
    /// code, and none of the SDK's, has a part in it.
    #[track_caller]
    pub fn rds(&self, action: &str, parameters: &str) -> String {
        let form = format!("Action={action}&Version=2014-10-31&{parameters}");
        let response = rds::forward(self.port, form.as_bytes()).expect("moto answers");
        let body = String::from_utf8(response.body).expect("XML in UTF-8");
        assert_eq!(response.status, 200, "{form}: {body}");
        body
    }
}

//! A mail server that others wrote (aiosmtpd): STARTTLS first, then a login, then messages into files. It knows no `nobody@`, and
//! puts off `later@` once.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::cache_folder;
use crate::guarded::{Guarded, free_port, wait_until};

/// What the server takes.
pub const MAIL_LOGIN: (&str, &str) = ("orchestrator", "the-password-of-mail");

const PROGRAM: &str = r#"
import datetime, ipaddress, pathlib, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder, port, user, password = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4].encode()
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, hashes.SHA256()))
(folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
(folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

class Handler:
    count = 0
    put_off = set()
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        if address.startswith("later@") and address not in Handler.put_off:
            Handler.put_off.add(address)
            return "451 4.7.1 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        (folder / f"message-{Handler.count}").write_bytes("\n".join(envelope.rcpt_tos).encode() + b"\n\n" + envelope.content)
        return "250 OK"

def login(server, session, envelope, mechanism, data):
    # What is not handled, the server answers: 535.
    return AuthResult(success=data.login == user and data.password == password, handled=False)

Controller(Handler(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=login).start()
(folder / "ready").touch()
while True:
    time.sleep(60)
"#;

/// A running mail server.
#[derive(Debug)]
pub struct MailServer {
    _server: Guarded,
    folder: TempDir,
    port: u16,
}

impl MailServer {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = Command::new(cache_folder().join("moto/bin/python"));
        command
            .args(["-c", PROGRAM])
            .arg(folder.path())
            .arg(port.to_string());
        command.args([MAIL_LOGIN.0, MAIL_LOGIN.1]);
        let log = folder.path().join("log");
        // Python ignores what the guard ignores; and nothing of it is to be kept.
        let server = Guarded::start(&command, "KILL", None, &log);
        let ready = wait_until(|| folder.path().join("ready").exists());
        assert!(
            ready,
            "aiosmtpd does not start (`make setup` installs it): {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        Self {
            _server: server,
            folder,
            port,
        }
    }

    /// `smtp+starttls://localhost:PORT`
    pub fn url(&self) -> String {
        format!("smtp+starttls://localhost:{}", self.port)
    }

    /// Whoever trusts this trusts the server.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The messages so far: those who get it, an empty line, the message.
    pub fn messages(&self) -> Vec<String> {
        (1..)
            .map(|number| self.folder.path().join(format!("message-{number}")))
            .map_while(|file| std::fs::read_to_string(file).ok())
            .collect()
    }
}

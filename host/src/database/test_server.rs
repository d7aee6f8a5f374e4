//! A real PostgreSQL 15 for tests: a cluster of its own, stopped and removed at the end, also after a panic.

use super::{ConnectionSettings, ProcessEnvironment};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// The superuser is `postgres` with the password `right`.
pub(super) struct TestServer {
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl TestServer {
    /// A server that listens on 127.0.0.1 and a socket in its folder, with these lines in postgresql.conf and as pg_hba.conf.
    pub(super) fn start(settings: &str, rules: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        give_away(folder.path());
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Self { folder, port };
        let password = server.path("password");
        fs::write(&password, "right").unwrap();
        let data = server.path("data");
        let data_text = data.to_str().unwrap();
        as_postgres(
            "initdb",
            &[
                "-D",
                data_text,
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "-A",
                "scram-sha-256",
                "--pwfile",
                password.to_str().unwrap(),
            ],
        );
        certificates(&data);
        let socket = server.path("").display().to_string();
        let mut conf = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        conf.push_str(&format!(
            "fsync = off\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{socket}'\nlogging_collector = off\n{settings}\n"
        ));
        fs::write(data.join("postgresql.conf"), conf).unwrap();
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        as_postgres(
            "pg_ctl",
            &[
                "-D",
                data_text,
                "-w",
                "-t",
                "30",
                "-l",
                server.path("log").to_str().unwrap(),
                "start",
            ],
        );
        server
    }

    /// Adds lines to postgresql.conf, and restarts.
    pub(super) fn restart_with(&self, settings: &str) {
        let conf = self.path("data/postgresql.conf");
        let text = format!("{}\n{settings}\n", fs::read_to_string(&conf).unwrap());
        fs::write(conf, text).unwrap();
        let data = self.path("data");
        let log = self.path("log");
        let (data, log) = (data.to_str().unwrap(), log.to_str().unwrap());
        as_postgres(
            "pg_ctl",
            &["-D", data, "-w", "-m", "immediate", "-l", log, "restart"],
        );
    }

    /// A path in the server's folder; the socket lies at its top, `ca.crt` and the like in `data`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's log so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Settings for `postgres://postgres:right@HOST:PORT/postgres?QUERY`, without any environment.
    pub(super) fn settings(&self, host: &str, query: &str) -> ConnectionSettings {
        self.settings_of(&format!(
            "postgres://postgres:right@{host}:{}/postgres?{query}",
            self.port
        ))
    }

    /// Settings of any URL, without any environment.
    pub(super) fn settings_of(&self, url: &str) -> ConnectionSettings {
        ConnectionSettings::parse(url, &ProcessEnvironment::default()).unwrap()
    }

    /// `sslrootcert=…` with a file of the data folder.
    pub(super) fn root(&self, name: &str) -> String {
        format!("sslrootcert={}", self.path("data").join(name).display())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        as_postgres(
            "pg_ctl",
            &[
                "-D",
                self.path("data").to_str().unwrap(),
                "-w",
                "-m",
                "immediate",
                "stop",
            ],
        );
    }
}

/// The program as the user `postgres`, since servers refuse to run as root.
pub(super) fn as_postgres_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        let identity = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
        command.args(identity).arg(program);
    }
    // A server inherits the pipes of whoever starts it, and would keep them open.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs a tool of the server, which must succeed.
fn as_postgres(tool: &str, arguments: &[&str]) {
    let status = as_postgres_command(&Path::new(BIN).join(tool))
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "{tool} {arguments:?}: {status}");
}

fn give_away(path: &Path) {
    if rustix::process::geteuid().is_root() {
        let id = |flag: &str| {
            let output = Command::new("id")
                .args([flag, "postgres"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout)
                .unwrap()
                .trim()
                .parse::<u32>()
                .unwrap()
        };
        chown(path, Some(id("-u")), Some(id("-g"))).unwrap();
    }
}

/// Two authorities; a certificate for `localhost` by the first (with a SAN), one with a common name alone, one of X.509
/// version 1, one that signed itself; and a client's certificate for the role `postgres`.
fn certificates(folder: &Path) {
    let script = r#"
set -e
new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1'
authority() { openssl req -x509 $new -nodes -days 30 -subj "/CN=$1" -keyout $1.key -out $1.crt; }
request() { openssl req $new -nodes -subj "/CN=$2" -keyout $1.key -out $1.csr; }
sign() { openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out $1.crt $2 $3; }
authority ca; authority other
request server other-name; printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > server.ext; sign server -extfile server.ext
request plain localhost; printf 'basicConstraints=CA:FALSE\n' > plain.ext; sign plain -extfile plain.ext
request old localhost; sign old
openssl req -x509 $new -nodes -days 30 -subj /CN=localhost -keyout self.key -out self.crt
request client postgres; printf 'extendedKeyUsage=clientAuth\n' > client.ext; sign client -extfile client.ext
openssl pkcs8 -topk8 -in client.key -passout pass:x -out locked.key
chmod 0600 *.key
"#;
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "key" || extension == "crt")
        {
            give_away(&path);
        }
    }
}

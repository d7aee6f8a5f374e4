//! A proxy before an RDS API that answers as a busy, forbidding or slow one does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::{Response, http};

/// Names a user, so that moto doesn't take a request for an anonymous one; it checks no signature.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/rds/aws4_request, \
                             SignedHeaders=host, Signature=0";

/// What happens to requests of an action.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An error in the API's place: status, code, message. The API does not hear of the request.
    Error(u16, &'static str, &'static str),
    /// The API does as it is asked, and its answer is lost.
    Lost,
    /// The API's answer as it is: for the rules that come after.
    Forwarded,
    /// The API's answer, with a text of it replaced.
    Rewritten(&'static str, &'static str),
    /// The API's answer, with snapshots (by their names) that are in another status; one that is `creating` has no time yet, as with AWS.
    Statuses(Vec<(String, &'static str)>),
}

struct Rule {
    action: &'static str,
    answer: Answer,
    left: usize,
}

/// It stops when it is dropped.
#[derive(Debug)]
pub struct RdsProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    rules: Mutex<Vec<Rule>>,
    actions: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl RdsProxy {
    /// Before the API that listens there.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server: server.port(),
            rules: Mutex::default(),
            actions: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                // A client that hangs up is no concern of the proxy.
                thread::spawn(move || shared.serve(client).is_ok());
            }
        });
        Self { address, shared }
    }

    /// The URL of the API.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests of the action are answered so. Rules of one action follow each other.
    pub fn answer(&self, action: &'static str, times: usize, answer: Answer) {
        lock(&self.shared.rules).push(Rule {
            action,
            answer,
            left: times,
        });
    }

    /// How many requests of the action there were.
    pub fn asked(&self, action: &str) -> usize {
        let actions = lock(&self.shared.actions);
        actions.iter().filter(|asked| *asked == action).count()
    }
}

impl Drop for RdsProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that is gone already, there is nobody to wake.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request: whoever has another one connects again.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut length = 0;
        let mut first = true;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            if line.is_empty() && !first {
                break;
            }
            first = false;
        }
        let mut form = vec![0; length];
        reader.read_exact(&mut form)?;
        let text = String::from_utf8_lossy(&form).into_owned();
        let action = text
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="))
            .unwrap_or_default();
        lock(&self.actions).push(action.to_owned());
        let response = match self.rule(action) {
            None | Some(Answer::Forwarded) => forward(self.server, &form)?,
            Some(Answer::Lost) => {
                forward(self.server, &form)?;
                return Ok(());
            }
            Some(Answer::Error(status, code, message)) => Response {
                status,
                body: format!(
                    "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
                )
                .into_bytes(),
            },
            Some(Answer::Rewritten(from, to)) => {
                rewritten(forward(self.server, &form)?, |body| body.replace(from, to))
            }
            Some(Answer::Statuses(statuses)) => rewritten(forward(self.server, &form)?, |body| {
                statuses
                    .iter()
                    .fold(body, |body, (name, status)| in_status(&body, name, status))
            }),
        };
        let mut client = client;
        write!(
            client,
            "HTTP/1.1 {} answered\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            response.status,
            response.body.len()
        )?;
        client.write_all(&response.body)
    }

    /// The first rule of the action that still holds, used once more.
    fn rule(&self, action: &str) -> Option<Answer> {
        let mut rules = lock(&self.rules);
        let rule = rules
            .iter_mut()
            .find(|rule| rule.action == action && rule.left > 0)?;
        rule.left -= 1;
        Some(rule.answer.clone())
    }
}

fn rewritten(response: Response, change: impl FnOnce(String) -> String) -> Response {
    let body = String::from_utf8_lossy(&response.body).into_owned();
    Response {
        body: change(body).into_bytes(),
        ..response
    }
}

/// What is told of the snapshots, with another status of one of them.
fn in_status(body: &str, name: &str, status: &str) -> String {
    let named = format!("SnapshotIdentifier>{name}</");
    body.split_inclusive("Snapshot>")
        .map(|snapshot| {
            if !snapshot.contains(&named) {
                return snapshot.to_owned();
            }
            let other = with_text(snapshot, "Status", Some(status));
            match status {
                "creating" => with_text(&other, "SnapshotCreateTime", None),
                _ => other,
            }
        })
        .collect()
}

/// XML with another text in an element, or without the element.
fn with_text(xml: &str, element: &str, text: Option<&str>) -> String {
    let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
    let (before, rest) = xml.split_once(&begin).expect("the element");
    let (_, after) = rest.split_once(&end).expect("its end");
    match text {
        Some(text) => format!("{before}{begin}{text}{end}{after}"),
        None => format!("{before}{after}"),
    }
}

/// A request as the API's clients send it, with this crate's own signature.
pub(crate) fn forward(port: u16, form: &[u8]) -> io::Result<Response> {
    let headers = [
        ("authorization", AUTHORIZATION),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    http::request(port, "POST", "/", &headers, form)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

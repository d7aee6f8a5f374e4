//! HTTP/1.1 messages (RFC 9112) as they pass from one connection to another, whole or harmed.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

/// The lines before a body.
#[derive(Clone, Debug)]
pub(super) struct Head {
    lines: Vec<String>,
}

/// What is done to a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harm {
    /// The connection ends at this byte.
    Cut(usize),
    /// Nothing comes from this byte on, until the receiver hangs up.
    Stall(usize),
    /// This byte is another one.
    Flip(usize),
    /// The body ends at this byte, and its head says so.
    Shorten(usize),
}

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
    UntilTheEnd,
}

impl Head {
    /// Of a request.
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// Of a request, with its query.
    pub fn path(&self) -> &str {
        self.word(1)
    }

    fn word(&self, index: usize) -> &str {
        let first = self.lines.first().map_or("", String::as_str);
        first.split_whitespace().nth(index).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.lines.iter().skip(1);
        headers
            .filter_map(|line| line.split_once(':'))
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value.trim()))
    }

    /// `request` is the one that this answers, if it is an answer.
    fn length(&self, request: Option<&Head>) -> Length {
        let status = self.word(1);
        let bodiless = request
            .is_some_and(|request| request.method() == "HEAD" || matches!(status, "204" | "304"));
        if bodiless {
            return Length::Known(0);
        }
        if self.header("transfer-encoding").is_some() {
            return Length::Chunked;
        }
        match self.header("content-length").map(str::parse) {
            Some(Ok(length)) => Length::Known(length),
            _ if request.is_some() => Length::UntilTheEnd,
            _ => Length::Known(0),
        }
    }

    fn with_length(&self, length: usize) -> Head {
        let keep = |line: &&String| !line.to_lowercase().starts_with("content-length:");
        let mut lines: Vec<String> = self.lines.iter().filter(keep).cloned().collect();
        lines.push(format!("content-length: {length}"));
        Head { lines }
    }

    fn bytes(&self) -> Vec<u8> {
        format!("{}\r\n\r\n", self.lines.join("\r\n")).into_bytes()
    }
}

/// One side of the proxy.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
        }
    }

    /// The next message's head; `None` when there is none.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => return Ok(Some(Head { lines })),
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// Passes a message on, harmed where `happens` agrees at that moment. An error ends both connections.
    pub fn pass(
        &mut self,
        head: &Head,
        request: Option<&Head>,
        to: &mut Connection,
        harm: Option<Harm>,
        happens: impl Fn() -> bool,
    ) -> io::Result<()> {
        let length = head.length(request);
        let reaches = |at: usize| !matches!(length, Length::Known(length) if length <= at);
        match (harm, &length) {
            (Some(Harm::Shorten(at)), Length::Known(_)) if reaches(at) && happens() => {
                to.write(&head.with_length(at).bytes())?;
                self.body(&Length::Known(at), to, None, || false)?;
                return Err(ended());
            }
            _ => to.write(&head.bytes())?,
        }
        let harm = harm.filter(|harm| match harm {
            Harm::Cut(at) | Harm::Stall(at) | Harm::Flip(at) => reaches(*at),
            Harm::Shorten(_) => false,
        });
        self.body(&length, to, harm, happens)
    }

    /// Reads a request's body and forgets it.
    pub fn swallow(&mut self, head: &Head) -> io::Result<()> {
        if let Length::Known(length) = head.length(None) {
            io::copy(
                &mut self.stream.by_ref().take(length as u64),
                &mut io::sink(),
            )?;
            return Ok(());
        }
        Err(ended())
    }

    /// Answers a request as S3 does.
    pub fn refuse(&mut self, request: &Head, status: u16, code: &str) -> io::Result<()> {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
        );
        let length = body.len();
        let body = if request.method() == "HEAD" {
            ""
        } else {
            &body
        };
        self.write(
            format!(
                "HTTP/1.1 {status} {code}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    fn body(
        &mut self,
        length: &Length,
        to: &mut Connection,
        harm: Option<Harm>,
        happens: impl Fn() -> bool,
    ) -> io::Result<()> {
        let mut passed = 0;
        match length {
            Length::Known(length) => self.piece(*length, &mut passed, to, harm, &happens),
            Length::UntilTheEnd => {
                self.piece(usize::MAX, &mut passed, to, harm, &happens)?;
                Err(ended())
            }
            Length::Chunked => loop {
                let mut size = String::new();
                self.stream.read_line(&mut size)?;
                to.write(size.as_bytes())?;
                let digits = size.trim().split(';').next().unwrap_or_default();
                let bytes = usize::from_str_radix(digits, 16).map_err(|_| ended())?;
                if bytes == 0 {
                    return self.trailer(to);
                }
                self.piece(bytes, &mut passed, to, harm, &happens)?;
                let mut end = [0; 2];
                self.stream.read_exact(&mut end)?;
                to.write(&end)?;
            },
        }
    }

    /// So many bytes of a body, of which `passed` have passed before.
    fn piece(
        &mut self,
        mut left: usize,
        passed: &mut usize,
        to: &mut Connection,
        harm: Option<Harm>,
        happens: &impl Fn() -> bool,
    ) -> io::Result<()> {
        while left > 0 {
            let buffered = self.stream.fill_buf()?;
            let mut bytes = buffered[..buffered.len().min(left)].to_vec();
            if bytes.is_empty() {
                return match left {
                    usize::MAX => Ok(()),
                    _ => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
            self.stream.consume(bytes.len());
            let reached = *passed..*passed + bytes.len();
            match harm {
                Some(Harm::Cut(at)) if reached.contains(&at) && happens() => {
                    to.write(&bytes[..at - *passed])?;
                    return Err(ended());
                }
                Some(Harm::Stall(at)) if reached.contains(&at) && happens() => {
                    to.write(&bytes[..at - *passed])?;
                    to.stream.fill_buf()?;
                    return Err(ended());
                }
                Some(Harm::Flip(at)) if reached.contains(&at) && happens() => {
                    bytes[at - *passed] ^= 1;
                }
                _ => {}
            }
            to.write(&bytes)?;
            *passed += bytes.len();
            left = left.saturating_sub(if left == usize::MAX { 0 } else { bytes.len() });
        }
        Ok(())
    }

    fn trailer(&mut self, to: &mut Connection) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            to.write(line.as_bytes())?;
            if line.trim_end().is_empty() {
                return Ok(());
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }
}

/// Neither side gets anything more.
fn ended() -> io::Error {
    ErrorKind::ConnectionAborted.into()
}

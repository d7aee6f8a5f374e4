//! Just enough HTTP to talk to a mock on the loopback interface.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// Without the header.
    pub body: Vec<u8>,
}

/// One request over one connection. For servers that answer with a length, not in chunks.
pub(crate) fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP response"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = str::from_utf8(&answer[..end])
        .ok()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    Some(Response {
        status,
        body: answer[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_response_is_a_status_and_a_body() {
        let response =
            super::parse(b"HTTP/1.1 404 NOT FOUND\r\ncontent-length: 2\r\n\r\nno").unwrap();
        assert_eq!((response.status, &*response.body), (404, &b"no"[..]));
        assert!(super::parse(b"SSH-2.0").is_none());
    }
}

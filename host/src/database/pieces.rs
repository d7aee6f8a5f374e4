//! What a server sends, with the rows of a COPY in pieces of a good size.
//!
//! A server sends each row of a COPY as one message. The driver keeps a message in memory until it has all of it (a field of 500 MB
//! takes 500 MB), and spends more on a short one than copying it costs. The protocol leaves it open where messages of a COPY end
//! (PostgreSQL's `protocol.sgml`, "COPY Operations"), so the driver is told of one for all that arrives together.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::unencrypted::Unencrypted;

/// So much is read at once: no piece is longer.
const PIECE: usize = 64 * 1024;

/// A kind, and the length of itself and what follows.
const HEADER: usize = 5;

/// The kind of a COPY's data (`PqMsg_CopyData`).
const COPY_DATA: u8 = b'd';

/// The driver keeps a message in memory until it has all of it, and PostgreSQL sends a row or an error of up to 1 GB as one. What is
/// larger than this is read by a COPY, or in parts.
const LONGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// A message that is not taken, at the end of a session.
#[derive(Debug, thiserror::Error)]
#[error(
    "the server began a message of {} MiB, and at most {} are taken at once",
    bytes >> 20,
    LONGEST_MESSAGE >> 20
)]
pub(super) struct TooLong {
    bytes: usize,
}

/// Makes the driver's streams: encrypted, or as they are. To the driver both look like TLS, since it lets nobody in between
/// otherwise.
#[derive(Clone)]
pub(super) struct Connector {
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn encrypted(tls: MakeRustlsConnect) -> Self {
        Self { tls: Some(tls) }
    }

    pub(super) fn plain() -> Self {
        Self { tls: None }
    }
}

type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Pieces;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        let make = |tls: &mut MakeRustlsConnect| {
            MakeTlsConnect::<Socket>::make_tls_connect(tls, host).map_err(io::Error::other)
        };
        Ok(Handshake(self.tls.as_mut().map(make).transpose()?))
    }
}

/// One connection's way to its stream.
pub(super) struct Handshake(Option<Tls>);

impl TlsConnect<Socket> for Handshake {
    type Stream = Pieces;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pieces>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            Ok(Pieces::new(match self.0 {
                Some(tls) => Box::new(tls.connect(socket).await?),
                None => Box::new(Unencrypted(socket)),
            }))
        })
    }
}

/// What the driver wants of an encrypted stream.
trait Channel: AsyncRead + AsyncWrite + TlsStream + Send {}

impl<C: AsyncRead + AsyncWrite + TlsStream + Send> Channel for C {}

/// The stream that the driver reads from.
pub(super) struct Pieces {
    inner: Box<dyn Channel + Unpin>,
    read: Box<[u8]>,
    splitter: Splitter,
    /// Bytes of the splitter's that the driver has taken.
    taken: usize,
}

impl Pieces {
    fn new(inner: Box<dyn Channel + Unpin>) -> Self {
        Self {
            inner,
            read: vec![0; PIECE].into_boxed_slice(),
            splitter: Splitter::default(),
            taken: 0,
        }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.taken == this.splitter.ready.len() {
            this.splitter.ready.clear();
            this.taken = 0;
            let mut input = ReadBuf::new(&mut this.read);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut input))?;
            if input.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.splitter.push(input.filled())?;
        }
        let left = &this.splitter.ready[this.taken..];
        let step = left.len().min(output.remaining());
        output.put_slice(&left[..step]);
        this.taken += step;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl TlsStream for Pieces {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// Walks over messages.
#[derive(Default)]
struct Splitter {
    /// What is to be read instead.
    ready: Vec<u8>,
    /// Of the next message, while it is not whole.
    header: Vec<u8>,
    /// Bytes of the current message that are still to come.
    left: usize,
    /// Whether it holds data of a COPY.
    is_data: bool,
    /// Where in `ready` the piece begins that takes more data.
    piece: Option<usize>,
}

impl Splitter {
    /// One piece for all the data that follows each other in `bytes`.
    fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                if self.is_data && self.piece.is_none() {
                    self.piece = Some(self.ready.len());
                    self.ready.extend_from_slice(&[COPY_DATA, 0, 0, 0, 0]);
                }
                self.ready.extend_from_slice(now);
                self.left -= now.len();
                bytes = later;
            } else {
                let missing = HEADER - self.header.len();
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.header.extend_from_slice(now);
                bytes = later;
                self.begin()?;
            }
        }
        self.end_piece();
        Ok(())
    }

    /// Once the header is whole.
    fn begin(&mut self) -> io::Result<()> {
        let &[kind, a, b, c, d] = self.header.as_slice() else {
            return Ok(());
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        self.left = length.saturating_sub(HEADER - 1);
        self.is_data = kind == COPY_DATA;
        if !self.is_data && self.left > LONGEST_MESSAGE {
            return Err(io::Error::other(TooLong { bytes: self.left }));
        }
        if !self.is_data {
            self.end_piece();
            self.ready.extend_from_slice(&self.header);
        }
        self.header.clear();
        Ok(())
    }

    fn end_piece(&mut self) {
        if let Some(start) = self.piece.take() {
            // No longer than what is read at once.
            let length = (self.ready.len() - start - 1) as u32;
            self.ready[start + 1..start + HEADER].copy_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() + 4) as u32;
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// Messages, those with data of a COPY joined where they follow each other, and the lengths they had.
    fn joined(mut sent: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut all, mut data, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let flush = |data: &mut Vec<u8>, all: &mut Vec<u8>| {
            if !data.is_empty() {
                all.extend(message(COPY_DATA, &std::mem::take(data)));
            }
        };
        while let [kind, a, b, c, d, ..] = *sent {
            let (one, rest) = sent.split_at(1 + u32::from_be_bytes([a, b, c, d]) as usize);
            sent = rest;
            if kind == COPY_DATA {
                data.extend_from_slice(&one[HEADER..]);
                lengths.push(one.len() - HEADER);
            } else {
                flush(&mut data, &mut all);
                all.extend_from_slice(one);
            }
        }
        flush(&mut data, &mut all);
        (all, lengths)
    }

    #[test]
    fn rows_come_in_pieces_and_everything_else_stays() {
        let long: Vec<u8> = (0..3 * PIECE + 17).map(|byte| byte as u8).collect();
        let short = message(COPY_DATA, b"1\ta\n").repeat(1000);
        let sent = [
            message(b'H', &[0, 0, 1, 0, 0]),
            short.clone(),
            message(COPY_DATA, &long),
            short,
            message(COPY_DATA, b""),
            message(b'c', b""),
            message(b'D', &long),
            message(COPY_DATA, b"of the next"),
            message(b'c', b""),
        ]
        .concat();
        let (expected, _) = joined(&sent);
        for step in [1, 3, 4096, PIECE] {
            let mut splitter = Splitter::default();
            sent.chunks(step)
                .for_each(|chunk| splitter.push(chunk).unwrap());
            let (all, pieces) = joined(&splitter.ready);
            assert!(all == expected, "in steps of {step}");
            assert!(pieces.iter().all(|length| *length <= PIECE));
            // Not one for each row.
            assert!(step < PIECE || pieces.len() < 10, "{pieces:?}");
        }
    }

    #[test]
    fn a_row_that_no_memory_should_hold_ends_the_session() {
        let mut splitter = Splitter::default();
        let error = splitter.push(&[b'D', 0x3f, 0xff, 0, 0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server began a message of 1023 MiB, and at most 64 are taken at once"
        );
        // Data of a COPY goes on in pieces, whatever the server says.
        assert!(splitter_of_copy().is_ok());
    }

    fn splitter_of_copy() -> io::Result<()> {
        Splitter::default().push(&[COPY_DATA, 0x3f, 0xff, 0, 0])
    }
}

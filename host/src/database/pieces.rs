//! What a server sends, with long rows of a COPY cut into pieces.
//!
//! A server sends each row of a COPY as one message, and the driver keeps a message in memory until it has all of it: a field of
//! 500 MB takes 500 MB. The protocol leaves it open where messages of a COPY end (PostgreSQL's `protocol.sgml`, "COPY
//! Operations"), so a long one is told to the driver as many short ones.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Longer messages of a COPY are cut; and so much is read at once.
const PIECE: usize = 64 * 1024;

/// A kind, and the length of itself and what follows.
const HEADER: usize = 5;

/// The kind of a COPY's data (`PqMsg_CopyData`).
const COPY_DATA: u8 = b'd';

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
                None => Box::new(Plain(socket)),
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
            this.splitter.push(input.filled());
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
    /// Bytes of the current message, or piece, that are still to come.
    left: usize,
    /// Bytes of a message that is being cut, behind the current piece.
    rest: usize,
}

impl Splitter {
    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                self.ready.extend_from_slice(now);
                self.left -= now.len();
                bytes = later;
            } else if self.rest > 0 {
                self.left = self.rest.min(PIECE);
                self.rest -= self.left;
                // A piece is shorter than 2^32.
                let length = (self.left + HEADER - 1) as u32;
                self.ready.push(COPY_DATA);
                self.ready.extend_from_slice(&length.to_be_bytes());
            } else {
                let missing = HEADER - self.header.len();
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.header.extend_from_slice(now);
                bytes = later;
                self.begin();
            }
        }
    }

    /// Once the header is whole.
    fn begin(&mut self) {
        let &[kind, a, b, c, d] = self.header.as_slice() else {
            return;
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let body = length.saturating_sub(HEADER - 1);
        if kind == COPY_DATA && body > PIECE {
            self.rest = body;
        } else {
            self.ready.extend_from_slice(&self.header);
            self.left = body;
        }
        self.header.clear();
    }
}

/// A socket as it is.
struct Plain(Socket);

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, output)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() + 4) as u32;
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn long_rows_are_cut_and_everything_else_stays() {
        let long: Vec<u8> = (0..3 * PIECE + 17).map(|byte| byte as u8).collect();
        let stays = [
            message(b'H', &[0, 0, 1, 0, 0]),
            message(COPY_DATA, b"1\ta\n"),
            message(COPY_DATA, &long[..PIECE]),
        ]
        .concat();
        let after = [
            message(COPY_DATA, b""),
            message(b'c', b""),
            message(b'D', &long),
        ]
        .concat();
        let sent = [stays.clone(), message(COPY_DATA, &long), after.clone()].concat();
        let cut: Vec<u8> = long
            .chunks(PIECE)
            .flat_map(|piece| message(COPY_DATA, piece))
            .collect();
        let expected = [stays, cut, after].concat();
        for step in [1, 3, 4096, PIECE + 1, sent.len()] {
            let mut splitter = Splitter::default();
            sent.chunks(step).for_each(|chunk| splitter.push(chunk));
            assert!(splitter.ready == expected, "in steps of {step}");
        }
    }
}

//! `-W`: joins standard input and output to one connection.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, Stdin, Stdout};
use tokio::signal::unix::{SignalKind, signal};

use super::forward::Address;
use super::keeper::Keeper;
use super::link;
use crate::client::{Failure, FailureKind};
use crate::commands::tunnel::relay::{self, Counts, End};
use crate::commands::tunnel::socket::{Reader, Socket, Writer};
use crate::host::shutdown::TerminationSignals;

/// Runs until the target has ended its direction, or the connection fails.
pub(super) async fn serve(keeper: &mut Keeper, target: &Address) -> Result<(), Failure> {
    let request = link::request_of(target).map_err(|error| Failure::usage(error.to_string()))?;
    let cannot_listen = |error: String| Failure::other(error);
    let mut signals =
        TerminationSignals::listen().map_err(|error| cannot_listen(format!("{error:#}")))?;
    // ssh ends its ProxyCommand with this signal.
    let mut hangup =
        signal(SignalKind::hangup()).map_err(|error| cannot_listen(error.to_string()))?;
    let mut interrupted = pin!(async {
        tokio::select! {
            () = signals.next() => {}
            _ = hangup.recv() => {}
        }
    });
    let opened = async {
        let session = keeper.begin().await?;
        let opened = link::open(&session, &request).await;
        opened.map_err(|error| Failure::new(FailureKind::Lost, error.to_string()))
    };
    let opened = tokio::select! {
        opened = opened => opened,
        () = &mut interrupted => Err(Failure::interrupted("interrupted")),
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(failure) => {
            keeper.close().await;
            return Err(failure);
        }
    };
    let counts = Counts::default();
    let socket = Box::new(Stdio::new());
    let end = tokio::select! {
        end = relay::relay_after_answer(socket, stream, &counts, None) => Some(end),
        () = interrupted => None,
    };
    match end {
        Some(End::Finished) => keeper.finish().await,
        _ => keeper.close().await,
    }
    match end {
        Some(End::Finished) | None => Ok(()),
        Some(End::Refused(error)) => Err(Failure::other(format!("{target}: {error}"))),
        Some(end @ End::Socket(_)) => Err(Failure::other(format!("{target}: {end}"))),
        Some(end) => Err(Failure::new(FailureKind::Lost, format!("{target}: {end}"))),
    }
}

/// Standard input and output as a connection. The end of the output ends the input too: nobody sends
/// more to a target that has ended the connection.
struct Stdio {
    input: Stdin,
    output: Stdout,
    is_shut_down: bool,
    reader: Option<Waker>,
}

impl Stdio {
    fn new() -> Self {
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        Self { input, output, is_shut_down: false, reader: None }
    }
}

impl Reader for ReadHalf<&mut Stdio> {}

impl Socket for Stdio {
    fn halves(&mut self) -> (Box<dyn Reader + '_>, Box<dyn Writer + '_>) {
        let (reader, writer) = tokio::io::split(self);
        (Box::new(reader), Box::new(writer))
    }

    fn abort(self: Box<Self>) {}
}

impl AsyncRead for Stdio {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_shut_down {
            return Poll::Ready(Ok(()));
        }
        self.reader = Some(cx.waker().clone());
        Pin::new(&mut self.input).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.output).poll_shutdown(cx);
        if shut_down.is_ready() {
            self.is_shut_down = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        shut_down
    }
}

//! The reading and the end of a call that has a socket of its own.

use std::pin::Pin;
use std::time::Duration;

use sockeye::Message;
use sockeye::split::Receiver;
use tokio::time::timeout;

use super::requests::RequestSender;
use crate::service::scope::CallScope;
use crate::status::{Code, Status};

/// Timeout for the first request, before which there is no call and so no deadline. Chosen: proxies
/// cut idle connections after as long.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The reason why the call of a socket has ended otherwise than by the upstream.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client has closed the socket, or it failed: nobody is there to be told.
    Gone,
    /// The client learns this status.
    Failed(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

/// Waits for the first message of the client.
pub(super) async fn first_message(receiver: &mut Receiver) -> Result<Message, Stop> {
    match timeout(FIRST_MESSAGE_TIMEOUT, receiver.recv()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None) | Err(_)) => Err(Stop::Gone),
        Err(_) => {
            Err(Status::new(Code::DeadlineExceeded, "the request did not arrive in time").into())
        }
    }
}

/// Passes messages of the client to `take` until the client leaves or breaks a rule. The socket is
/// not read while more requests than a window wait for the upstream, unless the last of them was
/// read: meanwhile, the end of the socket is not seen.
pub(super) async fn read_requests(
    receiver: &mut Receiver,
    requests: &mut RequestSender,
    mut take: impl FnMut(Message, &mut RequestSender) -> Result<(), Status>,
) -> Stop {
    loop {
        requests.capacity().await;
        match receiver.recv().await {
            Ok(Some(message)) => {
                if let Err(status) = take(message, requests) {
                    return Stop::Failed(status);
                }
            }
            Ok(None) | Err(_) => return Stop::Gone,
        }
    }
}

/// Runs a call until its response has ended, or until reading the requests stops it. A failure is
/// the status of the call in its record.
pub(super) async fn run_call(
    scope: &CallScope,
    responding: Pin<&mut impl Future<Output = Result<(), Stop>>>,
    reading: Pin<&mut impl Future<Output = Stop>>,
) -> Result<(), Stop> {
    let ended = tokio::select! {
        biased;
        ended = responding => ended,
        stop = reading => Err(stop),
    };
    if let Err(Stop::Failed(status)) = &ended {
        scope.set_code(status.code);
    }
    ended
}

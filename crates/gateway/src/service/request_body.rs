//! Bodies of requests: read whole, or message by message.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use tokio::time::{Instant, timeout_at};

use super::body::{BoxError, RequestBody};
use super::call::too_long;
use super::compression::Compression;
use super::error;
use super::held_bytes::HeldBytes;
use super::messages::envelope_error;
use super::raw_body::RawInput;
use super::transcoder::RequestWriter;
use crate::dialect::framing::{
    Envelope, EnvelopeDecoder, EnvelopeFormat, JsonSplitError, JsonSplitter,
};
use crate::status::{Code, Status};

/// Reads a body, which is not longer than a message.
pub(super) async fn read_whole(
    body: RequestBody,
    max_length: u32,
    deadline: Option<Instant>,
    held: &mut HeldBytes,
) -> Result<Bytes, Status> {
    in_time(read(body, max_length, held), deadline).await
}

/// Reads the message of a method that takes one, with its prefix.
///
/// # Errors
/// `unimplemented` for none or several messages, as the specification of gRPC has it, and the
/// status of a body that cannot be read.
pub(super) async fn read_only_message(
    mut body: TranscodedBody,
    deadline: Option<Instant>,
) -> Result<Bytes, Status> {
    let wrong = |found: &str| {
        let message = format!("the method takes one message, and the request has {found}");
        Status::new(Code::Unimplemented, message)
    };
    let reading = async {
        let mut only = None;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| unread(&error))?;
            if only.is_some() {
                return Err(wrong("several"));
            }
            only = frame.into_data().ok();
        }
        only.ok_or_else(|| wrong("none"))
    };
    in_time(reading, deadline).await
}

/// Waits for a body, but not beyond the deadline.
async fn in_time(
    reading: impl Future<Output = Result<Bytes, Status>>,
    deadline: Option<Instant>,
) -> Result<Bytes, Status> {
    let Some(deadline) = deadline else { return reading.await };
    let read = timeout_at(deadline, reading).await;
    read.unwrap_or_else(|_| {
        Err(Status::new(Code::DeadlineExceeded, "the request did not arrive in time"))
    })
}

async fn read(
    mut body: RequestBody,
    max_length: u32,
    held: &mut HeldBytes,
) -> Result<Bytes, Status> {
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    loop {
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx).map(Option::transpose));
        let frame = async { frame.await.map_err(|error| unread(&error)) };
        let Some(frame) = held.wait(first.len() + rest.len(), frame).await? else { break };
        let data = frame.into_data().unwrap_or_default();
        let length = first.len() + rest.len() + data.len();
        if length > max_length as usize {
            return Err(too_long(length, max_length));
        }
        // A body that arrives in one piece is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Returns the status of a request whose body failed.
fn unread(error: &BoxError) -> Status {
    match error.downcast_ref::<tonic::Status>() {
        Some(status) => error::from_channel(status),
        None => Status::new(Code::Canceled, "the request did not arrive whole"),
    }
}

/// A stream of requests.
pub(super) enum Input {
    /// Concatenated values of JSON, or one array.
    Values(JsonSplitter),
    /// Connect's envelopes.
    Envelopes { decoder: EnvelopeDecoder, compression: Compression, max_length: u32 },
    /// Bytes, for `google.api.HttpBody`.
    Raw(RawInput),
}

impl Input {
    pub(super) fn values(max_length: u32) -> Self {
        Self::Values(JsonSplitter::new(max_length as usize))
    }

    pub(super) fn envelopes(compression: Compression, max_length: u32) -> Self {
        let decoder = EnvelopeDecoder::new(EnvelopeFormat::Connect, max_length);
        Self::Envelopes { decoder, compression, max_length }
    }

    fn push(&mut self, data: Bytes) {
        match self {
            Self::Values(splitter) => splitter.push(data),
            Self::Envelopes { decoder, .. } => decoder.push(data),
            Self::Raw(raw) => raw.push(data),
        }
    }

    /// Returns the number of bytes that wait for the rest of their message.
    fn buffered_length(&self) -> usize {
        match self {
            Self::Values(splitter) => splitter.buffered_length(),
            Self::Envelopes { decoder, .. } => decoder.buffered_length(),
            Self::Raw(raw) => raw.buffered_length(),
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        match self {
            Self::Values(splitter) => splitter.next_value().map_err(|error| split_error(&error)),
            Self::Envelopes { decoder, compression, max_length } => {
                let envelope = decoder.next_envelope().map_err(envelope_error)?;
                envelope.map(|envelope| payload(envelope, *compression, *max_length)).transpose()
            }
            Self::Raw(raw) => Ok(raw.next()),
        }
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Status> {
        match self {
            Self::Values(splitter) => splitter.finish().map_err(|error| split_error(&error)),
            Self::Envelopes { decoder, .. } => {
                decoder.finish().map_err(envelope_error)?;
                Ok(None)
            }
            Self::Raw(raw) => Ok(raw.finish()),
        }
    }
}

/// Returns the message in an envelope.
fn payload(envelope: Envelope, compression: Compression, max_length: u32) -> Result<Bytes, Status> {
    match (envelope.flags, compression) {
        (0, _) => Ok(envelope.payload),
        (Envelope::COMPRESSED, Compression::Gzip) => {
            compression.decompress(envelope.payload, max_length)
        }
        _ => Err(unasked_flags()),
    }
}

/// Returns the status of a message of Connect with flags that the request has not announced.
pub(super) fn unasked_flags() -> Status {
    let message = "a message has flags for an end, or for a compression that was not announced";
    Status::new(Code::Internal, message)
}

fn split_error(error: &JsonSplitError) -> Status {
    let code = match error {
        JsonSplitError::TooLong { .. } => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

/// Returns the error of a request body that ends its call with a status.
fn call_status(status: Status) -> tonic::Status {
    let code = tonic::Code::from(i32::try_from(status.code.number()).unwrap_or(2));
    tonic::Status::new(code, status.message)
}

/// A request body that is made of other messages as they arrive.
pub(super) struct TranscodedBody {
    inner: RequestBody,
    input: Input,
    writer: RequestWriter,
    /// The part of a message that has arrived.
    held: HeldBytes,
    has_ended: bool,
}

impl TranscodedBody {
    pub(super) fn new(
        inner: RequestBody,
        input: Input,
        writer: RequestWriter,
        held: HeldBytes,
    ) -> Self {
        Self { inner, input, writer, held, has_ended: false }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        if polled.is_pending()
            && let Err(status) = self.held.wait_with(self.input.buffered_length(), cx)
        {
            return Poll::Ready(Some(Err(call_status(status).into())));
        }
        polled
    }

    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let json = if self.has_ended { self.input.finish() } else { self.input.next() }?;
        json.map(|json| self.writer.write(&json)).transpose()
    }
}

impl http_body::Body for TranscodedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match this.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                Ok(None) if this.has_ended => return Poll::Ready(None),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(call_status(status).into()))),
            }
            match ready!(this.poll_input(cx)) {
                None => this.has_ended = true,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.input.push(data);
                    }
                }
            }
        }
    }
}

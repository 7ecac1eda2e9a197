//! Responses of length-prefixed messages.

use hyper::body::Incoming;
use sockeye::http::HeaderMap;
use sockeye_gateway::dialect::framing::{Envelope, EnvelopeDecoder, EnvelopeFormat, TextDecoder};

use super::MAX_MESSAGE;
use super::exchange::next_frame;
use crate::client::Failure;

/// A reader of a response body of envelopes.
#[derive(Debug)]
pub(super) struct EnvelopeReader {
    body: Incoming,
    decoder: EnvelopeDecoder,
    /// The decoder of base64, if the body is text.
    text: Option<TextDecoder>,
    trailers: Option<HeaderMap>,
}

impl EnvelopeReader {
    /// Creates a reader.
    pub(super) fn new(body: Incoming, format: EnvelopeFormat) -> Self {
        let decoder = EnvelopeDecoder::new(format, u32::try_from(MAX_MESSAGE).unwrap_or(u32::MAX));
        Self { body, decoder, text: None, trailers: None }
    }

    /// Decodes the body from base64.
    pub(super) fn of_text(self) -> Self {
        Self { text: Some(TextDecoder::new()), ..self }
    }

    /// Returns the next envelope; `None` at the end of the body.
    ///
    /// # Errors
    /// A failure of a lost connection or of malformed envelopes.
    pub(super) async fn next(&mut self) -> Result<Option<Envelope>, Failure> {
        loop {
            let envelope = self.decoder.next_envelope();
            let envelope = envelope.map_err(|error| Failure::protocol(error.to_string()))?;
            if let Some(envelope) = envelope {
                if envelope.is_compressed() {
                    let message = "the server compressed a response, which was not asked for";
                    return Err(Failure::protocol(message));
                }
                return Ok(Some(envelope));
            }
            let Some(frame) = next_frame(&mut self.body).await? else {
                self.finish()?;
                return Ok(None);
            };
            match frame.into_data() {
                Ok(data) => {
                    let data = match &mut self.text {
                        Some(text) => text
                            .decode(&data)
                            .map_err(|error| Failure::protocol(error.to_string()))?,
                        None => data,
                    };
                    self.decoder.push(data);
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    /// Returns the trailers of HTTP, once the body has ended with some.
    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    fn finish(&self) -> Result<(), Failure> {
        let text = self.text.as_ref().map_or(Ok(()), TextDecoder::finish);
        text.map_err(|error| Failure::protocol(error.to_string()))?;
        self.decoder.finish().map_err(|error| Failure::protocol(error.to_string()))
    }
}

/// Returns a message as an envelope.
pub(super) fn envelope(message: &[u8]) -> Result<Vec<u8>, Failure> {
    let header = Envelope::header(0, message.len());
    let header = header.map_err(|error| Failure::usage(error.to_string()))?;
    Ok([&header[..], message].concat())
}

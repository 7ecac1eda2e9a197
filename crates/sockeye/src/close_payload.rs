use sockeye_proto::{CloseCode, CloseFrame, UsageError, Utf8Bytes};

/// The payload of a close frame that is to be sent, which may be empty.
#[derive(Debug)]
pub(crate) struct ClosePayload(pub(crate) Option<CloseFrame>);

impl ClosePayload {
    /// Checks the close code and reason of a program. 1005 with an empty reason makes an empty
    /// payload.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5
    //# If this Close control frame contains no status code, _The WebSocket
    //# Connection Close Code_ is considered to be 1005.
    pub(crate) fn new(
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<Self, UsageError> {
        let (code, reason) = (code.into(), reason.into());
        if code == CloseCode::NO_STATUS_RCVD && reason.is_empty() {
            return Ok(Self(None));
        }
        CloseFrame::new(code, reason).map(|frame| Self(Some(frame)))
    }

    pub(crate) const fn frame(&self) -> Option<&CloseFrame> {
        self.0.as_ref()
    }
}

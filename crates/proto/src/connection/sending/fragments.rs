use std::mem;

use super::Sending;
use crate::error::UsageError;
use crate::frame::{Header, OpCode};
use crate::message::Kind;
use crate::text::Validator;

/// A message that is sent in fragments.
#[derive(Debug)]
pub(super) struct Fragments {
    kind: Kind,
    /// `true` once the first fragment was sent.
    begun: bool,
    #[cfg(feature = "deflate")]
    compressed: bool,
    validator: Validator,
}

impl Sending {
    pub(in crate::connection) fn begin(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.check_idle()?;
        self.fragments = Some(Box::new(Fragments {
            kind,
            begun: false,
            #[cfg(feature = "deflate")]
            compressed: false,
            validator: Validator::new(),
        }));
        self.plain = false;
        Ok(())
    }

    /// Appends the next fragment of the message in progress.
    pub(in crate::connection) fn fragment(
        &mut self,
        payload: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_open()?;
        let fragments = self.fragments.as_mut().ok_or(UsageError::NoMessage)?;
        fragments.check(payload, last)?;
        let first = !mem::replace(&mut fragments.begun, true);
        let opcode = if first { fragments.kind.opcode() } else { OpCode::Continuation };
        let header = Header { fin: last, ..Header::new(opcode, payload.len() as u64) };
        #[cfg(feature = "deflate")]
        let compressed = self.compressed_fragment(&header, payload, out);
        #[cfg(not(feature = "deflate"))]
        let compressed = false;
        if !compressed {
            self.frame(header, payload, out);
        }
        if last {
            self.fragments = None;
            self.plain = self.is_unchanged();
        }
        Ok(())
    }

    /// Appends a fragment if it belongs to a compressed message, and returns whether it does.
    #[cfg(feature = "deflate")]
    fn compressed_fragment(&mut self, header: &Header, payload: &[u8], out: &mut Vec<u8>) -> bool {
        use crate::frame::Reserved;

        let (Some(fragments), Some(deflater)) = (&mut self.fragments, &mut self.deflater) else {
            return false;
        };
        let first = header.opcode != OpCode::Continuation;
        if first {
            // The length of the message is unknown, unless the first fragment is also the last.
            fragments.compressed = !header.fin || deflater.is_worthwhile(payload.len());
        }
        if !fragments.compressed {
            return false;
        }
        let start = out.len();
        deflater.compress(payload, header.fin, out);
        //= https://www.rfc-editor.org/rfc/rfc7692#section-6.1
        //# An endpoint MUST NOT set the "Per-Message Compressed" bit of control
        //# frames and non-first fragments of a data message.
        let reserved = if first { Reserved::RSV1 } else { Reserved::NONE };
        self.prepend_header(Header { reserved, ..*header }, start, out);
        true
    }

    pub(in crate::connection) fn is_between_messages(&self) -> bool {
        self.fragments.is_none()
    }

    /// Discards a message of which nothing was sent. Returns whether no message is in progress
    /// afterwards.
    pub(in crate::connection) fn cancel(&mut self) -> bool {
        if self.fragments.as_ref().is_some_and(|fragments| !fragments.begun) {
            self.fragments = None;
            self.plain = self.is_unchanged();
        }
        self.fragments.is_none()
    }

    /// Returns whether this connection sends payloads unchanged, right behind the header.
    fn is_unchanged(&self) -> bool {
        #[cfg(feature = "deflate")]
        if self.deflater.is_some() {
            return false;
        }
        self.mask_keys.is_none() && !self.closed
    }
}

impl Fragments {
    /// Checks the next payload, and updates the validator only if the payload may be sent.
    fn check(&mut self, payload: &[u8], last: bool) -> Result<(), UsageError> {
        if self.kind == Kind::Binary {
            return Ok(());
        }
        let mut validator = self.validator;
        validator.push(payload).map_err(|_| UsageError::InvalidUtf8)?;
        if last {
            validator.finish().map_err(|_| UsageError::InvalidUtf8)?;
        }
        self.validator = validator;
        Ok(())
    }
}

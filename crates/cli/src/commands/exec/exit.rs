//! The end of a process, as a close frame.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use sockeye::CloseCode;

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(u8),
    Signal(u8),
}

/// The close code for exit code 0 is 1000; that for another is this plus the exit code.
const BASE: u16 = 4000;

/// Added to the number of a signal, as shells do.
const SIGNAL: u16 = 128;

impl Exit {
    /// Returns the close code for the client.
    pub(super) fn close_code(self) -> CloseCode {
        match self {
            Self::Code(0) => CloseCode::NORMAL_CLOSURE,
            Self::Code(code) => CloseCode::from(BASE + u16::from(code)),
            Self::Signal(signal) => CloseCode::from(BASE + SIGNAL + u16::from(signal)),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        // Exit codes have 8 bits, signals 7.
        let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(byte(code)),
            (None, signal) => Self::Signal(byte(signal.unwrap_or_default())),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_close_code() {
        // The status of wait(2): the exit code in the high byte, or the signal in the low one.
        for (status, code, reason) in [
            (0, 1000, "exit 0"),
            (1 << 8, 4001, "exit 1"),
            (255 << 8, 4255, "exit 255"),
            (9, 4137, "signal 9"),
            (15, 4143, "signal 15"),
        ] {
            let exit = Exit::from(ExitStatus::from_raw(status));
            assert_eq!((u16::from(exit.close_code()), exit.to_string().as_str()), (code, reason));
        }
    }
}

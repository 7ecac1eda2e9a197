use std::time::Duration;

use crate::{CloseCode, CloseFrame};

/// The text before and after the seconds in the reason of a close frame.
const HINT: (&str, &str) = ("retry after ", " s");

/// Delay that a close with 1012 or 1013 requests without a hint. 1012 was registered with the
/// advice of 5 to 30 seconds; the jitter adds the part above 5.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// Returns whether a new connection may end differently than with this close frame of the server.
/// Returns `false` after 1000 (normal closure), and after the codes with which a new connection
/// would end as well: 1002, 1003, 1007, 1008, 1009 and 1010. `None` is an empty close frame.
pub fn may_reopen(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| {
        !matches!(
            frame.code,
            CloseCode::NORMAL_CLOSURE
                | CloseCode::PROTOCOL_ERROR
                | CloseCode::UNSUPPORTED_DATA
                | CloseCode::INVALID_FRAME_PAYLOAD_DATA
                | CloseCode::POLICY_VIOLATION
                | CloseCode::MESSAGE_TOO_BIG
                | CloseCode::MANDATORY_EXT
        )
    })
}

/// Returns the delay that a server requests in its close frame: its [hint](retry_hint), or without
/// a hint 5 s for 1012 (service restart) and 1013 (try again later), and zero for other codes.
pub fn requested_delay(frame: &CloseFrame) -> Duration {
    retry_hint(frame).unwrap_or(match frame.code {
        CloseCode::SERVICE_RESTART | CloseCode::TRY_AGAIN_LATER => RESTART_DELAY,
        _ => Duration::ZERO,
    })
}

/// Returns the delay before a reconnection that the close frame's reason requests, if it has the
/// form of [`hint_reason`].
pub fn retry_hint(frame: &CloseFrame) -> Option<Duration> {
    let seconds = frame.reason.strip_prefix(HINT.0)?.strip_suffix(HINT.1)?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

/// Returns the reason of a close frame that requests a reconnection after `tenths` tenths of a
/// second, such as `retry after 3.4 s`. The reason fits the frame.
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_proto::reconnect::{hint_reason, retry_hint};
/// use sockeye_proto::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::SERVICE_RESTART, hint_reason(34))?;
/// assert_eq!(frame.reason, "retry after 3.4 s");
/// assert_eq!(retry_hint(&frame), Some(Duration::from_millis(3400)));
/// # Ok::<_, sockeye_proto::UsageError>(())
/// ```
pub fn hint_reason(tenths: u64) -> String {
    format!("{}{}.{}{}", HINT.0, tenths / 10, tenths % 10, HINT.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u16, reason: &str) -> CloseFrame {
        CloseFrame::new(CloseCode::from(code), reason).unwrap()
    }

    #[test]
    fn a_permanent_close_is_distinguished_from_a_temporary_one() {
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010] {
            assert!(!may_reopen(Some(&frame(code, ""))), "{code}");
        }
        for code in [1001, 1011, 1012, 1013, 1014, 3000, 4999] {
            assert!(may_reopen(Some(&frame(code, ""))), "{code}");
        }
        assert!(may_reopen(None));
    }

    #[test]
    fn a_hint_takes_precedence_over_the_delay_of_the_code() {
        for (code, reason, millis) in [
            (1012, "", 5000),
            (1013, "later", 5000),
            (1012, "retry after 2.5 s", 2500),
            (1012, "retry after inf s", 5000),
            (1001, "retry after 8.0 s", 8000),
            (1001, "", 0),
        ] {
            assert_eq!(
                requested_delay(&frame(code, reason)),
                Duration::from_millis(millis),
                "{reason}"
            );
        }
    }

    #[test]
    fn any_hint_fits_the_frame() {
        for tenths in [0, 1, 10, 3456] {
            let hint = retry_hint(&frame(1012, &hint_reason(tenths)));
            assert_eq!(hint, Some(Duration::from_millis(tenths * 100)));
        }
        assert!(retry_hint(&frame(1012, &hint_reason(u64::MAX))).is_some());
    }

    #[test]
    fn other_reasons_are_no_hints() {
        for reason in ["", "retry", "retry after", "retry after -1 s", "retry after NaN s", "bye"] {
            assert_eq!(retry_hint(&frame(1001, reason)), None, "{reason}");
        }
    }
}

use http::{HeaderMap, StatusCode};
use sockeye_proto::handshake::{HandshakeError, HeadLimits};

/// Factor by which h2's limit exceeds the configured one: h2 resets the stream of a response whose
/// head exceeds h2's limit, without reporting the status of the response.
const MARGIN: usize = 4;

/// Size that a header counts for in addition to its name and value, in bytes (RFC 9113 section
/// 6.5.2).
const ENTRY_SIZE: usize = 32;

/// Returns the maximum size of a header list for h2, in bytes.
pub(super) fn to_read(limits: HeadLimits) -> u32 {
    u32::try_from(limits.size.saturating_mul(MARGIN)).unwrap_or(u32::MAX)
}

/// Checks the size of a response's head. Only a successful response fails the check: a refusal
/// whose head is too large remains a refusal, and keeps as many of its headers as the limits allow.
pub(super) fn check(
    status: StatusCode,
    headers: &mut HeaderMap,
    limits: HeadLimits,
) -> Result<(), HandshakeError> {
    let mut size = 0_usize;
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter() {
        let entry = name.as_str().len() + value.len() + ENTRY_SIZE;
        if kept.len() < limits.headers && size + entry <= limits.size {
            size += entry;
            kept.append(name.clone(), value.clone());
        } else if status.is_success() {
            return Err(if kept.len() < limits.headers {
                HandshakeError::HeadTooLarge { limit: limits.size }
            } else {
                HandshakeError::TooManyHeaders { limit: limits.headers }
            });
        }
    }
    *headers = kept;
    Ok(())
}

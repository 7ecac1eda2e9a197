//! The time in which a certificate is valid: clients refuse it before and afterwards.

use std::path::Path;

use rustls::pki_types::{CertificateDer, UnixTime};
use tracing::warn;
use webpki::{EndEntityCert, Error, KeyUsage};

/// Warns if the certificate of a file is not valid now. The server uses it nonetheless: its clock
/// may be the one that is wrong.
pub(super) fn warn_unless_valid(certificate: &CertificateDer<'_>, file: &Path) {
    if let Some(reason) = invalidity(certificate, UnixTime::now()) {
        warn!("the certificate in {} {reason}, so clients refuse it", file.display());
    }
}

/// Returns the reason why a certificate is not valid at a time. `None` also for one that cannot be
/// parsed, which other checks find.
fn invalidity(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    // Without roots this fails for every certificate, and first by its time.
    let usage = KeyUsage::server_auth();
    match certificate.verify_for_usage(&[], &[], &[], now, usage, None, None) {
        Err(Error::CertExpired { time, not_after }) => {
            Some(format!("expired {} ago", period(not_after, time)))
        }
        Err(Error::CertNotValidYet { time, not_before }) => {
            Some(format!("begins to be valid in {}", period(time, not_before)))
        }
        _ => None,
    }
}

/// Returns the time between two points of time, in the largest unit of which there are two.
fn period(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    let (count, unit) = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")]
        .map(|(length, unit)| (seconds / length, unit))
        .into_iter()
        .find(|(count, _)| *count > 1)
        .unwrap_or((seconds, "seconds"));
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_valid_between_two_points_of_time() {
        let mut certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(2026, 1, 1);
        certificate.not_after = date_time_ymd(2026, 2, 1);
        let certificate = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let reason = |date: (i32, u8, u8)| {
            let now = date_time_ymd(date.0, date.1, date.2).unix_timestamp();
            let now = Duration::from_secs(now.try_into().unwrap());
            invalidity(certificate.der(), UnixTime::since_unix_epoch(now))
        };
        assert_eq!(reason((2025, 12, 29)).as_deref(), Some("begins to be valid in 3 days"));
        assert_eq!(reason((2026, 1, 15)), None);
        assert_eq!(reason((2026, 2, 2)).as_deref(), Some("expired 24 hours ago"));
        assert_eq!(reason((2026, 3, 1)).as_deref(), Some("expired 28 days ago"));
    }

    #[test]
    fn bytes_that_are_no_certificate_have_no_time() {
        assert_eq!(
            invalidity(&CertificateDer::from(b"no certificate".as_slice()), UnixTime::now()),
            None
        );
    }
}

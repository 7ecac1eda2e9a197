use http::HeaderName;

/// The header form of a timeout.
///
/// A timeout of zero is valid: a client whose deadline passes while the request is written may
/// send it, and its call ends with `DEADLINE_EXCEEDED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutForm {
    /// `grpc-timeout` of gRPC and gRPC-Web: 1 to 8 digits and a unit, `H`, `M`, `S`, `m` for
    /// milliseconds, `u` for microseconds or `n` for nanoseconds.
    Grpc,
    /// `connect-timeout-ms` of Connect: 1 to 10 digits, in milliseconds.
    Connect,
    /// `x-server-timeout` of REST: seconds, 1 to 10 digits, with a fraction of up to 9 digits.
    Server,
}

impl TimeoutForm {
    /// Returns the name of the header.
    pub fn header_name(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Grpc => "grpc-timeout",
            Self::Connect => "connect-timeout-ms",
            Self::Server => "x-server-timeout",
        })
    }

    /// Returns a description of the value, after "must be".
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Grpc => "1 to 8 digits and one of the units H, M, S, m, u and n",
            Self::Connect => "milliseconds of 1 to 10 digits",
            Self::Server => {
                "seconds of 1 to 10 digits, with at most 9 digits after the decimal point"
            }
        }
    }
}

use std::fmt;

use http::StatusCode;

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The call succeeded.
    Ok = 0,
    /// The call was cancelled, usually by the client.
    Canceled = 1,
    /// The error has no other code.
    Unknown = 2,
    /// The request is invalid, whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// Something that was asked for does not exist.
    NotFound = 5,
    /// Something that was to be created exists.
    AlreadyExists = 6,
    /// The client may not do this.
    PermissionDenied = 7,
    /// A quota, or something else that is limited, is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// The call was aborted, usually by a conflict with another.
    Aborted = 10,
    /// The call went beyond a valid range.
    OutOfRange = 11,
    /// The server has no such method.
    Unimplemented = 12,
    /// The system broke one of its invariants.
    Internal = 13,
    /// The server is not available at present.
    Unavailable = 14,
    /// Data was lost or destroyed.
    DataLoss = 15,
    /// The client's credentials are missing or invalid.
    Unauthenticated = 16,
}

/// A row for each code: the code, its name, its name in Connect, and its HTTP status.
const ROWS: [(Code, &str, &str, u16); 17] = [
    (Code::Ok, "OK", "ok", 200),
    (Code::Canceled, "CANCELLED", "canceled", 499),
    (Code::Unknown, "UNKNOWN", "unknown", 500),
    (Code::InvalidArgument, "INVALID_ARGUMENT", "invalid_argument", 400),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "deadline_exceeded", 504),
    (Code::NotFound, "NOT_FOUND", "not_found", 404),
    (Code::AlreadyExists, "ALREADY_EXISTS", "already_exists", 409),
    (Code::PermissionDenied, "PERMISSION_DENIED", "permission_denied", 403),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED", "resource_exhausted", 429),
    (Code::FailedPrecondition, "FAILED_PRECONDITION", "failed_precondition", 400),
    (Code::Aborted, "ABORTED", "aborted", 409),
    (Code::OutOfRange, "OUT_OF_RANGE", "out_of_range", 400),
    (Code::Unimplemented, "UNIMPLEMENTED", "unimplemented", 501),
    (Code::Internal, "INTERNAL", "internal", 500),
    (Code::Unavailable, "UNAVAILABLE", "unavailable", 503),
    (Code::DataLoss, "DATA_LOSS", "data_loss", 500),
    (Code::Unauthenticated, "UNAUTHENTICATED", "unauthenticated", 401),
];

impl Code {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 17] = {
        let mut all = [Self::Ok; 17];
        let mut index = 0;
        while index < all.len() {
            all[index] = ROWS[index].0;
            index += 1;
        }
        all
    };

    /// Returns the code with a number. [`Unknown`](Self::Unknown) for numbers without a code, as
    /// gRPC asks.
    pub fn from_number(number: u32) -> Self {
        let index = usize::try_from(number).ok();
        index.and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::Unknown)
    }

    /// Returns the number: 0 to 16.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Returns the name in gRPC, such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        ROWS[self as usize].1
    }

    /// Returns the name in Connect, such as `not_found`.
    pub fn connect_name(self) -> &'static str {
        ROWS[self as usize].2
    }

    /// Returns the code with a name in Connect. `None` for other text, and for `ok`, which is no
    /// code of an error.
    pub fn from_connect_name(name: &str) -> Option<Self> {
        ROWS[1..].iter().find(|row| row.2 == name).map(|row| row.0)
    }

    /// Returns the HTTP status of a response that ends with the code, in REST and in Connect.
    pub fn http_status(self) -> StatusCode {
        // All statuses of the rows are valid: see the tests.
        StatusCode::from_u16(ROWS[self as usize].3).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the code of an HTTP response that is not one of gRPC, by gRPC's table: 404 from a
    /// proxy says that the path is unknown, not that something was not found.
    pub fn from_http_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_row() {
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, index);
            assert_eq!(Code::from_number(code.number()), code);
            assert_eq!(code.http_status().as_u16(), ROWS[index].3);
            let is_error = code != Code::Ok;
            assert_eq!(Code::from_connect_name(code.connect_name()), is_error.then_some(code));
        }
    }

    #[test]
    fn numbers_without_a_code_are_unknown() {
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u32::MAX), Code::Unknown);
        assert_eq!(Code::from_connect_name("CANCELLED"), None);
    }

    #[test]
    fn responses_that_are_not_of_grpc_have_codes_by_their_status() {
        for (status, code) in [
            (200, Code::Unknown),
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            assert_eq!(Code::from_http_status(StatusCode::from_u16(status).unwrap()), code);
        }
    }
}

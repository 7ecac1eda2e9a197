//! Credentials that a client sends to a server (RFC 7617 and RFC 6750).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

/// A user name and a password that HTTP can carry (RFC 7617). `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    user: String,
    password: String,
}

/// Credentials that HTTP cannot carry. The error does not quote them, because they are secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A user name with a colon (RFC 7617 section 2).
    ColonInUser,
    /// A control character in the user name or the password (RFC 7617 section 2).
    ControlCharacter,
    /// A percent sign in a URL's user name or password without two hexadecimal digits, or bytes
    /// that are not UTF-8.
    PercentEncoding,
    /// A bearer token that is empty or has characters that no token has (RFC 6750 section 2.1).
    Token,
}

impl BasicCredentials {
    /// Creates credentials from a user name and a password.
    ///
    /// # Errors
    /// [`CredentialsError::ColonInUser`] and [`CredentialsError::ControlCharacter`].
    pub fn new(
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<Self, CredentialsError> {
        let (user, password) = (user.into(), password.into());
        //= https://www.rfc-editor.org/rfc/rfc7617#section-2
        //# Furthermore, a user-id containing a colon character is invalid, as
        //# the first colon in a user-pass string separates user-id and password
        //# from one another
        if user.contains(':') {
            return Err(CredentialsError::ColonInUser);
        }
        //= https://www.rfc-editor.org/rfc/rfc7617#section-2
        //# The user-id and password MUST NOT contain any control characters
        if user.chars().chain(password.chars()).any(char::is_control) {
            return Err(CredentialsError::ControlCharacter);
        }
        Ok(Self { user, password })
    }

    /// Decodes the user information of a URL.
    pub(super) fn from_userinfo(userinfo: &str) -> Result<Self, CredentialsError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        Self::new(decode(user)?, decode(password)?)
    }

    /// Returns the user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password, which may be empty.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the value of an `Authorization` header, marked as sensitive.
    pub fn authorization(&self) -> HeaderValue {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
        sensitive(format!("Basic {pair}"))
    }
}

/// Returns the value of an `Authorization` header for a bearer token, marked as sensitive.
///
/// # Errors
/// [`CredentialsError::Token`] when `token` is not a bearer token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, CredentialsError> {
    //= https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    //# b64token    = 1*( ALPHA / DIGIT /
    //#                   "-" / "." / "_" / "~" / "+" / "/" ) *"="
    let content = token.trim_end_matches('=');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if content.is_empty() || !content.bytes().all(is_token) {
        return Err(CredentialsError::Token);
    }
    Ok(sensitive(format!("Bearer {token}")))
}

/// Creates a header value of visible ASCII, marked as sensitive.
fn sensitive(text: String) -> HeaderValue {
    let mut value =
        HeaderValue::try_from(text).expect("base64 and tokens are characters of header values");
    value.set_sensitive(true);
    value
}

/// Decodes percent-encoded text (RFC 3986 section 2.1).
fn decode(text: &str) -> Result<String, CredentialsError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(CredentialsError::PercentEncoding);
        };
        decoded.extend(u8::try_from(high * 16 + low));
    }
    String::from_utf8(decoded).map_err(|_| CredentialsError::PercentEncoding)
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicCredentials(***)")
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ColonInUser => "HTTP cannot carry a user name with a colon",
            Self::ControlCharacter => {
                "HTTP cannot carry control characters in user name or password"
            }
            Self::PercentEncoding => {
                "the user name or password in the URL is not percent-encoded UTF-8"
            }
            Self::Token => "a bearer token may contain only letters, digits and `-._~+/=`",
        })
    }
}

impl std::error::Error for CredentialsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_become_the_header_of_rfc_7617() {
        let header = |user: &str, password: &str| {
            BasicCredentials::new(user, password).map(|credentials| credentials.authorization())
        };
        let example = header("Aladdin", "open sesame").unwrap();
        assert_eq!(example, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(example.is_sensitive());
        assert_eq!(header("test", "123£").unwrap(), "Basic dGVzdDoxMjPCow==");
        assert_eq!(header("a:b", ""), Err(CredentialsError::ColonInUser));
        assert_eq!(header("a", "\n"), Err(CredentialsError::ControlCharacter));
    }

    #[test]
    fn a_bearer_token_is_one_of_rfc_6750() {
        assert_eq!(bearer("mF_9.B5f-4.1JqM=").unwrap(), "Bearer mF_9.B5f-4.1JqM=");
        assert!(bearer("x").unwrap().is_sensitive());
        for bad in ["", "=", "a b", "a\r\nb", "a=b", "é"] {
            assert_eq!(bearer(bad), Err(CredentialsError::Token), "{bad}");
        }
    }
}

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

use super::InvalidUtf8;

/// An immutable string in shared bytes, such as the payload of a text message. Cloning the string
/// increments a reference count and copies no text.
///
/// `Utf8Bytes` derefs to `str`, and is created from `&'static str` and `String` without a copy, or
/// from [`Bytes`] with a check:
///
/// ```
/// use bytes::Bytes;
/// use sockeye_proto::text::Utf8Bytes;
///
/// let text = Utf8Bytes::try_from(Bytes::from_static(b"salmon"))?;
/// assert!(text.starts_with("sal"));
/// # Ok::<(), sockeye_proto::text::InvalidUtf8>(())
/// ```
// Invariant: the bytes are UTF-8. Every constructor checks them, or is called with checked bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// Returns the empty string.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Creates a string from a `&'static str`, without a copy.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Returns the string as a `&str`.
    #[inline]
    pub fn as_str(&self) -> &str {
        debug_assert!(std::str::from_utf8(&self.0).is_ok());
        #[allow(
            unsafe_code,
            reason = "a second check of every text would double its cost: bench/NOTES.md, utf8"
        )]
        // SAFETY: the bytes are UTF-8 by the invariant of the type, and `Bytes` is immutable.
        unsafe {
            std::str::from_utf8_unchecked(&self.0)
        }
    }

    /// Converts the string into its bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Creates a string from bytes that the caller has checked to be UTF-8.
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Self(bytes)
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

/// Hashes like `str`, as `Borrow<str>` requires.
impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Box<str>> for Utf8Bytes {
    fn from(text: Box<str>) -> Self {
        text.into_string().into()
    }
}

impl From<Cow<'_, str>> for Utf8Bytes {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// Copies the text out of the shared buffer.
impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        text.as_str().to_owned()
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = InvalidUtf8;

    fn try_from(bytes: Bytes) -> Result<Self, InvalidUtf8> {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(InvalidUtf8),
        }
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<String> for Utf8Bytes {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_gets_in_and_the_checked_twin_agrees() {
        for bytes in [&b""[..], b"plain", "κόσμε😀".as_bytes(), b"\xff", b"cut \xe2\x82"] {
            let safe = std::str::from_utf8(bytes);
            let ours = Utf8Bytes::try_from(Bytes::copy_from_slice(bytes));
            assert_eq!(ours.as_ref().map(Utf8Bytes::as_str).ok(), safe.ok());
        }
    }

    #[test]
    fn a_string_is_taken_over_without_a_copy() {
        let text = String::from("a string on the heap");
        let address = text.as_ptr();
        assert_eq!(Utf8Bytes::from(text).as_str().as_ptr(), address);
    }
}

//! Values that programs look for in a request: a bearer token, a cookie, a query parameter.

use std::borrow::Cow;
use std::str;

/// Returns the token in the value of an `Authorization` header, if its scheme is `Bearer` (RFC 6750
/// section 2.1).
pub fn bearer_token(authorization: &[u8]) -> Option<&str> {
    let (scheme, token) = visible(authorization)?.split_once(' ')?;
    //= https://www.rfc-editor.org/rfc/rfc9110#section-11.1
    //# It uses a case-insensitive token to identify the authentication scheme
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_matches(' '))
}

/// Returns the value of the first cookie with this case-sensitive name in the value of a `Cookie`
/// header (RFC 6265 section 5.4). Quotes around the value are part of it.
pub fn cookie<'a>(cookies: &'a [u8], name: &str) -> Option<&'a str> {
    visible(cookies)?
        .split(';')
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
        .find_map(|(other, value)| (other == name).then_some(value))
}

/// Returns the value of the first parameter with this name in a query, decoded as a form encodes
/// it. `None` when the parameter is missing, or not UTF-8 after decoding.
pub fn query_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(other, _)| decoded(other).is_some_and(|other| other == name))
        .and_then(|(_, value)| decoded(value))
}

/// Returns the value of a header as text, if it is visible ASCII, spaces and tabs.
pub(super) fn visible(value: &[u8]) -> Option<&str> {
    let text = str::from_utf8(value).ok()?;
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')).then_some(text)
}

/// Decodes percent signs and pluses; returns `None` when the result is not UTF-8. A percent sign
/// without two digits is kept literally.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let digit = |at: usize| tail.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = &tail[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use crate::handshake::{HeadLimits, Request, RequestHead};

    #[test]
    fn a_request_tells_its_token_cookies_and_parameters() {
        let head = "GET /chat?a=1&who=ad%C3%A9+x&bad=%ff HTTP/1.1\r\nHost: example.com\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: bearer  t.o-k=\r\n\
             Cookie: asid=no; sid=1=2;\tx=3\r\nCookie: late=yes; sid=second\r\n\
             Cookie: odd=\u{e9}\r\n\r\n";
        let head = RequestHead::parse(head.as_bytes(), HeadLimits::default()).unwrap();
        let request = Request::from_head(&head).unwrap();
        assert_eq!(request.bearer_token(), Some("t.o-k="));
        assert_eq!(request.cookie("sid"), Some("1=2"));
        assert_eq!(request.cookie("x"), Some("3"));
        assert_eq!(request.cookie("late"), Some("yes"));
        assert_eq!(request.cookie("id"), None);
        assert_eq!(request.cookie("odd"), None);
        assert_eq!(request.query("a").as_deref(), Some("1"));
        assert_eq!(request.query("who").as_deref(), Some("adé x"));
        assert_eq!(request.query("bad"), None);
        assert_eq!(request.query("b"), None);
    }

    #[test]
    fn another_scheme_and_an_empty_query_have_no_values() {
        for value in ["Basic x", "Bearer", "Bearer\u{e9} x", ""] {
            assert_eq!(super::bearer_token(value.as_bytes()), None, "{value}");
        }
        assert_eq!(super::query_parameter("", "a"), None);
        assert_eq!(super::query_parameter("&a", "a").as_deref(), Some(""));
    }
}

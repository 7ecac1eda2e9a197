//! Tokens of clients that cannot set headers: browsers with a WebSocket.

use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};
use sockeye::handshake;

use crate::dispatch::SUBPROTOCOL_BEARER;

/// Sets the header `authorization` to the token of a cookie, if a name of one is given, or to that
/// of the subprotocols `Bearer, TOKEN`. The cookie comes first, as in grpc-websocket-proxy; without
/// a token, the header is left as it is.
pub(super) fn set_authorization(headers: &mut HeaderMap, cookie: Option<&str>) {
    let token =
        cookie.and_then(|name| of_cookie(headers, name)).or_else(|| of_subprotocols(headers));
    let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    if let Some(value) = value {
        headers.insert(AUTHORIZATION, value);
    }
}

fn of_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(COOKIE).iter();
    values.find_map(|value| handshake::cookie(value.as_bytes(), name))
}

/// Returns what follows `Bearer` in the list of subprotocols.
fn of_subprotocols(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    let mut names = lists.flat_map(|list| list.split(',')).map(str::trim);
    names.find(|name| *name == SUBPROTOCOL_BEARER)?;
    names.find(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn authorization(pairs: &[(&'static str, &str)], cookie: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        set_authorization(&mut headers, cookie);
        headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_token_follows_bearer_in_the_subprotocols() {
        let protocol = "sec-websocket-protocol";
        let token = |list| authorization(&[(protocol, list)], None);
        assert_eq!(token("Bearer, a.b.c").as_deref(), Some("Bearer a.b.c"));
        assert_eq!(token("Bearer").as_deref(), None);
        assert_eq!(token("chat, token").as_deref(), None);
        let two = authorization(&[(protocol, "Bearer"), (protocol, "x")], None);
        assert_eq!(two.as_deref(), Some("Bearer x"));
        let own = authorization(&[("authorization", "Basic x")], None);
        assert_eq!(own.as_deref(), Some("Basic x"));
    }

    #[test]
    fn the_cookie_comes_first_if_there_is_one_by_that_name() {
        let pairs =
            [("sec-websocket-protocol", "Bearer, subprotocol"), ("cookie", "a=b; token=cookie")];
        assert_eq!(authorization(&pairs, Some("token")).as_deref(), Some("Bearer cookie"));
        assert_eq!(authorization(&pairs, Some("other")).as_deref(), Some("Bearer subprotocol"));
        assert_eq!(authorization(&pairs, None).as_deref(), Some("Bearer subprotocol"));
    }
}

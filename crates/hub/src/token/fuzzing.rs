//! The property of tokens and keys that a fuzz target checks: see [`crate::fuzzing`].

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::TokenVerifier;

const SECRET: &[u8; 32] = b"the secret of the fuzz target 00";

pub(crate) fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind & 3 {
        0 => check_token(&String::from_utf8_lossy(rest)),
        1 => check_token(&sign(rest)),
        2 => {
            let _ = TokenVerifier::jwks(rest).map_err(|error| error.to_string());
        }
        _ => {
            let _ = TokenVerifier::rsa_pem(rest).map_err(|error| error.to_string());
            let _ = TokenVerifier::ec_pem(rest).map_err(|error| error.to_string());
        }
    }
}

fn check_token(token: &str) {
    let tokens = TokenVerifier::hmac(SECRET).expect("long enough").audience("a").issuer("i");
    let any = TokenVerifier::hmac(SECRET).expect("long enough");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for tokens in [tokens, any] {
        match tokens.verify_connection(token, now) {
            Ok(claims) => {
                assert!(!claims.user.as_str().is_empty());
                assert!(tokens.verify_room(token, now).is_err(), "a token has one purpose");
            }
            Err(error) => drop(error.to_string()),
        }
        match tokens.verify_room(token, now) {
            Ok(claims) => assert!(!claims.user.as_str().is_empty()),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// Returns a token with these claims.
fn sign(claims: &[u8]) -> String {
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

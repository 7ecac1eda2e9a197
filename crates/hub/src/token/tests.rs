use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::hmac;

use super::*;
use crate::core::{RoomName, UserId};

/// A token for each algorithm, signed by OpenSSL. Each names its key of `JWKS` by `kid`.
const TOKENS: &str = include_str!("fixtures/tokens.txt");
const JWKS: &str = include_str!("fixtures/jwks.json");
const RSA: &str = include_str!("fixtures/rsa.pem");
const P256: &str = include_str!("fixtures/p256.pem");
const P384: &str = include_str!("fixtures/p384.pem");
const SECRET: &[u8] = b"a secret of more than 32 bytes, for tests";

/// The time of the tests, in seconds.
const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn now() -> SystemTime {
    at(NOW)
}

fn verifier() -> TokenVerifier {
    TokenVerifier::hmac(SECRET).unwrap().leeway(Duration::ZERO)
}

/// Signs a token with `SECRET` by `HS256`, whatever its header says.
fn sign(header: &str, payload: &str) -> String {
    sign_with(SECRET, header, payload)
}

fn sign_with(secret: &[u8], header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn token(payload: &str) -> String {
    sign(r#"{"alg":"HS256"}"#, payload)
}

fn connect(payload: &str) -> Result<ConnectionClaims, TokenError> {
    verifier().verify_connection(&token(payload), now())
}

fn tokens() -> impl Iterator<Item = (&'static str, &'static str)> {
    TOKENS.lines().map(|line| line.split_once(' ').unwrap())
}

fn verifiers() -> [(&'static [&'static str], TokenVerifier); 4] {
    [
        (&["HS256", "HS384", "HS512"], TokenVerifier::hmac(SECRET).unwrap()),
        (
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
            TokenVerifier::rsa_pem(RSA.as_bytes()).unwrap(),
        ),
        (&["ES256"], TokenVerifier::ec_pem(P256.as_bytes()).unwrap()),
        (&["ES384"], TokenVerifier::ec_pem(P384.as_bytes()).unwrap()),
    ]
}

#[test]
fn a_key_verifies_the_algorithms_of_its_kind_and_no_others() {
    assert_eq!(tokens().count(), 11);
    for (algorithms, verifier) in verifiers() {
        for (algorithm, token) in tokens() {
            let verified = verifier.verify_connection(token, now());
            if algorithms.contains(&algorithm) {
                assert_eq!(verified.unwrap().user, UserId::new("ada"), "{algorithm}");
            } else {
                assert_eq!(verified, Err(TokenError::Algorithm), "{algorithm}");
            }
        }
    }
}

#[test]
fn every_key_of_a_set_verifies_the_tokens_that_name_it() {
    let verifier = TokenVerifier::jwks(JWKS.as_bytes()).unwrap();
    for (algorithm, token) in tokens() {
        assert!(verifier.verify_connection(token, now()).is_ok(), "{algorithm}");
    }
    let unknown = sign(r#"{"alg":"HS256","kid":"other"}"#, r#"{"sub":"ada"}"#);
    assert_eq!(verifier.verify_connection(&unknown, now()), Err(TokenError::UnknownKey));
    let other_kind = sign(r#"{"alg":"HS256","kid":"RS"}"#, r#"{"sub":"ada"}"#);
    assert_eq!(verifier.verify_connection(&other_kind, now()), Err(TokenError::Algorithm));
}

#[test]
fn a_token_without_kid_finds_the_only_key_of_its_algorithm() {
    let verifier = TokenVerifier::jwks(JWKS.as_bytes()).unwrap();
    assert!(verifier.verify_connection(&token(r#"{"sub":"ada"}"#), now()).is_ok());
    // The set has two RSA keys.
    let rsa = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
    assert_eq!(verifier.verify_connection(&rsa, now()), Err(TokenError::UnknownKey));
}

#[test]
fn a_changed_token_is_refused() {
    for (_, verifier) in verifiers() {
        for (algorithm, token) in tokens() {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let (header, _) = signed.split_once('.').unwrap();
            let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"eve"}"#);
            let forged = format!("{header}.{payload}.{signature}");
            assert!(verifier.verify_connection(&forged, now()).is_err(), "{algorithm}");
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            bytes[7] ^= 1;
            let broken = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
            assert!(verifier.verify_connection(&broken, now()).is_err(), "{algorithm}");
            bytes[7] ^= 1;
            bytes.pop();
            let cut = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
            assert!(verifier.verify_connection(&cut, now()).is_err(), "{algorithm}");
            assert!(verifier.verify_connection(&format!("{signed}."), now()).is_err());
        }
    }
}

#[test]
fn the_algorithm_none_is_refused() {
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(&header),
            URL_SAFE_NO_PAD.encode(r#"{"sub":"eve"}"#)
        );
        for (_, verifier) in verifiers() {
            let refused = verifier.verify_connection(&unsigned, now());
            assert_eq!(refused, Err(TokenError::Algorithm), "{name}");
        }
        let signed = sign(&header, r#"{"sub":"eve"}"#);
        assert_eq!(verifier().verify_connection(&signed, now()), Err(TokenError::Algorithm));
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let texts = [RSA.as_bytes(), RSA.trim_end().as_bytes()];
    for secret in texts {
        let forged = sign_with(secret, r#"{"alg":"HS256","kid":"RS"}"#, r#"{"sub":"eve"}"#);
        let rsa = TokenVerifier::rsa_pem(RSA.as_bytes()).unwrap();
        assert_eq!(rsa.verify_connection(&forged, now()), Err(TokenError::Algorithm));
        let set = TokenVerifier::jwks(JWKS.as_bytes()).unwrap();
        assert_eq!(set.verify_connection(&forged, now()), Err(TokenError::Algorithm));
    }
}

#[test]
fn a_key_of_a_set_is_used_with_its_own_algorithm_only() {
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let set = format!(r#"{{"keys":[{{"kty":"oct","kid":"a","alg":"HS512","k":"{secret}"}}]}}"#);
    let verifier = TokenVerifier::jwks(set.as_bytes()).unwrap();
    let token = sign(r#"{"alg":"HS256","kid":"a"}"#, r#"{"sub":"ada"}"#);
    assert_eq!(verifier.verify_connection(&token, now()), Err(TokenError::Algorithm));
}

#[test]
fn texts_that_are_no_tokens_are_refused() {
    let valid = token(r#"{"sub":"ada"}"#);
    let texts = ["", ".", "..", "...", "a.b.c", "e30.e30.", "💥.💥.💥", "e30.e30.e30.e30.e30"];
    for text in texts.map(str::to_owned).into_iter().chain([
        format!("{valid}."),
        format!(".{valid}"),
        format!("{valid}="),
        valid.replace('.', " ."),
        sign("[]", "{}"),
        sign(r#"{"alg":1}"#, "{}"),
        sign(r#"{"alg":"HS256","alg":"HS256"}"#, "{}"),
        token("[]"),
        token(""),
        token("{\"sub\":\"ada\"} x"),
    ]) {
        let refused = verifier().verify_connection(&text, now());
        assert_eq!(refused, Err(TokenError::Malformed), "{text}");
    }
    let long = token(&format!(r#"{{"sub":"ada","x":"{}"}}"#, "x".repeat(13_000)));
    let refused = verifier().verify_connection(&long, now());
    assert_eq!(refused, Err(TokenError::TooLong { length: long.len() }));
    let critical = sign(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, r#"{"sub":"ada"}"#);
    assert_eq!(verifier().verify_connection(&critical, now()), Err(TokenError::Critical));
}

#[test]
fn a_token_expires_at_its_exp() {
    let expires = |exp: &str| connect(&format!(r#"{{"sub":"ada","exp":{exp}}}"#));
    assert_eq!(expires(&NOW.to_string()), Err(TokenError::Expired { at: now() }));
    assert_eq!(expires("0"), Err(TokenError::Expired { at: at(0) }));
    assert_eq!(expires("-1e300"), Err(TokenError::Expired { at: at(0) }));
    assert_eq!(expires(&(NOW + 1).to_string()).unwrap().expires, Some(at(NOW + 1)));
    let fraction = expires(&format!("{NOW}.5")).unwrap().expires;
    assert_eq!(fraction, Some(now() + Duration::from_millis(500)));
    for exp in ["\"1900000000\"", "true", "[]", "1e300", "253402300800"] {
        assert!(matches!(expires(exp), Err(TokenError::Claim { name: "exp", .. })), "{exp}");
    }
}

#[test]
fn a_token_is_not_valid_before_its_nbf_and_iat() {
    for name in ["nbf", "iat"] {
        let valid_from = |time: u64| connect(&format!(r#"{{"sub":"ada","{name}":{time}}}"#));
        assert!(valid_from(NOW).is_ok());
        assert_eq!(valid_from(NOW + 1), Err(TokenError::NotYetValid { at: at(NOW + 1) }));
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let verifier = verifier().leeway(Duration::from_secs(5));
    let verify = |payload: String| verifier.verify_connection(&token(&payload), now());
    let expired = |ago: u64| verify(format!(r#"{{"sub":"ada","exp":{}}}"#, NOW - ago));
    assert!(expired(4).is_ok());
    assert!(matches!(expired(5), Err(TokenError::Expired { .. })));
    let issued = |later: u64| verify(format!(r#"{{"sub":"ada","iat":{}}}"#, NOW + later));
    assert!(issued(5).is_ok());
    assert!(matches!(issued(6), Err(TokenError::NotYetValid { .. })));
    let generous = verifier.clone().leeway(Duration::MAX);
    let verify = |ago: u64| {
        let token = token(&format!(r#"{{"sub":"ada","exp":{}}}"#, NOW - ago));
        generous.verify_connection(&token, now())
    };
    assert!(verify(299).is_ok());
    assert!(verify(300).is_err());
}

#[test]
fn audience_and_issuer_are_compared_if_they_are_set() {
    let verifier = verifier().audience("chat").issuer("backend");
    let verify = |payload: &str| verifier.verify_connection(&token(payload), now()).map(drop);
    assert_eq!(verify(r#"{"sub":"a","aud":"chat","iss":"backend"}"#), Ok(()));
    assert_eq!(verify(r#"{"sub":"a","aud":["x","chat"],"iss":"backend"}"#), Ok(()));
    for payload in [
        r#"{"sub":"a","iss":"backend"}"#,
        r#"{"sub":"a","aud":"Chat","iss":"backend"}"#,
        r#"{"sub":"a","aud":[],"iss":"backend"}"#,
    ] {
        assert_eq!(verify(payload), Err(TokenError::OtherAudience), "{payload}");
    }
    for payload in [r#"{"sub":"a","aud":"chat"}"#, r#"{"sub":"a","aud":"chat","iss":"x"}"#] {
        assert_eq!(verify(payload), Err(TokenError::OtherIssuer), "{payload}");
    }
    let refused = verify(r#"{"sub":"a","aud":{"chat":1},"iss":"backend"}"#);
    assert!(matches!(refused, Err(TokenError::Claim { name: "aud", .. })));
    assert!(connect(r#"{"sub":"a","aud":"any","iss":"any"}"#).is_ok());
}

#[test]
fn the_claims_of_a_connection_are_those_of_centrifugo() {
    let claims = connect(
        r#"{"sub":"ada","exp":1900000000,"iat":1700000000,"jti":"7",
            "info":{"name": "Ada"},"channels":["news","chat:1"],"subs":{"chat:1":{},"me":{}}}"#,
    )
    .unwrap();
    assert_eq!(claims.user, UserId::new("ada"));
    assert_eq!(claims.expires, Some(at(1_900_000_000)));
    assert_eq!(claims.issued, Some(at(1_700_000_000)));
    assert_eq!(claims.id.as_deref(), Some("7"));
    assert_eq!(&claims.info[..], br#"{"name": "Ada"}"#);
    assert_eq!(
        claims.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(),
        ["chat:1", "me", "news"]
    );

    let claims = connect(r#"{"sub":"ada","info":null,"channel":null}"#).unwrap();
    assert_eq!((claims.expires, claims.issued, claims.id), (None, None, None));
    assert!(claims.info.is_empty() && claims.rooms.is_empty());
    let claims = connect(r#"{"sub":"ada","info":{},"b64info":"/+8="}"#).unwrap();
    assert_eq!(&claims.info[..], b"\xff\xef");
    let kept = connect(r#"{"sub":"ada","exp":1900000000,"expire_at":0}"#).unwrap();
    assert_eq!(kept.expires, None);
    let past = connect(r#"{"sub":"ada","expire_at":-1}"#);
    assert_eq!(past, Err(TokenError::Expired { at: at(0) }));
    let sooner = connect(r#"{"sub":"ada","exp":1900000000,"expire_at":1800000001}"#).unwrap();
    assert_eq!(sooner.expires, Some(at(1_800_000_001)));
}

#[test]
fn wrong_claims_are_named() {
    for (payload, name) in [
        ("{}", "sub"),
        (r#"{"sub":""}"#, "sub"),
        (r#"{"sub":42}"#, "sub"),
        (r#"{"sub":"a","jti":1}"#, "jti"),
        (r#"{"sub":"a","b64info":"?"}"#, "b64info"),
        (r#"{"sub":"a","channels":"news"}"#, "channels"),
        (r#"{"sub":"a","channels":[""]}"#, "channels"),
        (r#"{"sub":"a","subs":["x"]}"#, "subs"),
        (r#"{"sub":"a","channel":"news"}"#, "channel"),
    ] {
        match connect(payload) {
            Err(TokenError::Claim { name: named, .. }) => assert_eq!(named, name, "{payload}"),
            other => panic!("{payload}: {other:?}"),
        }
    }
}

#[test]
fn a_room_token_is_for_its_room_and_not_for_connections() {
    let payload = r#"{"sub":"ada","channel":"chat:1","info":7,"exp":1900000000}"#;
    let claims = verifier().verify_room(&token(payload), now()).unwrap();
    assert_eq!((claims.user.as_str(), claims.room.as_str()), ("ada", "chat:1"));
    assert_eq!((&claims.info[..], claims.expires), (&b"7"[..], Some(at(1_900_000_000))));
    for payload in [r#"{"sub":"ada"}"#, r#"{"sub":"ada","channel":""}"#] {
        let refused = verifier().verify_room(&token(payload), now());
        assert!(matches!(refused, Err(TokenError::Claim { name: "channel", .. })), "{payload}");
    }
    let expired = token(r#"{"sub":"ada","channel":"chat:1","exp":1}"#);
    assert!(matches!(verifier().verify_room(&expired, now()), Err(TokenError::Expired { .. })));
}

#[test]
fn unusable_keys_are_explained() {
    let pem = |pem: &str| TokenVerifier::rsa_pem(pem.as_bytes()).unwrap_err();
    assert_eq!(TokenVerifier::hmac(&SECRET[..31]).unwrap_err(), {
        TokenError::Key(KeyError::SecretTooShort { length: 31 })
    });
    assert_eq!(pem(""), KeyError::NoPublicKey.into());
    assert_eq!(pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), {
        KeyError::Encoding.into()
    });
    for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        let text = format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
        assert_eq!(pem(&text), KeyError::PrivateKey.into(), "{kind}");
    }
    assert_eq!(pem(include_str!("fixtures/rsa1024.pem")), {
        KeyError::ModulusLength { bits: 1_024 }.into()
    });
    assert_eq!(pem(include_str!("fixtures/p521.pem")), KeyError::Unsupported.into());
    assert_eq!(pem(P256), KeyError::OtherKind { expected: "RSA" }.into());
    let rsa = TokenVerifier::ec_pem(RSA.as_bytes()).unwrap_err();
    assert_eq!(rsa, KeyError::OtherKind { expected: "EC" }.into());
}

#[test]
fn cut_keys_are_refused() {
    for pem in [RSA, P256, P384] {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        for length in 0..der.len() {
            let body = base64::engine::general_purpose::STANDARD.encode(&der[..length]);
            let cut = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
            assert!(spki::read_pem(cut.as_bytes()).is_err(), "{length}");
        }
    }
}

#[test]
fn key_sets_are_checked() {
    let refused = |json: &str| match TokenVerifier::jwks(json.as_bytes()) {
        Err(TokenError::Key(error)) => error,
        other => panic!("{json}: {other:?}"),
    };
    assert!(matches!(refused("{"), KeyError::NoKeySet { line: 1, .. }));
    assert!(matches!(refused("[]"), KeyError::NoKeySet { .. }));
    assert_eq!(refused(r#"{"keys":[]}"#), KeyError::NoUsableKey);
    let ignored = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"RSA","use":"enc"},
        {"kty":"RSA","key_ops":["sign"]},{"kty":"RSA","alg":"RSA-OAEP"},{"x":1},7]}"#;
    assert_eq!(refused(ignored), KeyError::NoUsableKey);
    for (key, member) in [
        (r#"{"kty":"RSA","n":"AQAB"}"#, "e"),
        (r#"{"kty":"RSA","n":"!","e":"AQAB"}"#, "n"),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, "x"),
        (r#"{"kty":"EC","crv":"P-384","x":"AA"}"#, "y"),
        (r#"{"kty":"oct"}"#, "k"),
    ] {
        let set = format!(r#"{{"keys":[{{"kty":"OKP"}},{key}]}}"#);
        assert_eq!(refused(&set), KeyError::BrokenKey { index: 1, member }, "{key}");
    }
    let private = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}"#;
    assert_eq!(refused(private), KeyError::PrivateKey);
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let other = format!(r#"{{"keys":[{{"kty":"oct","alg":"ES256","k":"{secret}"}}]}}"#);
    assert_eq!(refused(&other), KeyError::BrokenKey { index: 0, member: "alg" });
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 65].join(","));
    assert_eq!(refused(&many), KeyError::TooManyKeys);
}

#[test]
fn revoked_tokens_are_refused_until_they_have_expired() {
    let revocations = Revocations::new();
    let leeway = Duration::from_secs(10);
    let verifier = verifier().leeway(leeway).revocations(revocations.clone());
    let verify = |payload: &str| verifier.verify_connection(&token(payload), now()).map(drop);
    let [first, second] = [r#"{"sub":"ada","jti":"1"}"#, r#"{"sub":"ada","jti":"2"}"#];
    assert_eq!(verify(first), Ok(()));
    revocations.revoke_token("1", at(NOW + 1), now()).unwrap();
    assert_eq!(verify(first), Err(TokenError::Revoked));
    assert_eq!(verify(second), Ok(()));
    let verify_at = |seconds| verifier.verify_connection(&token(first), at(seconds)).map(drop);
    assert_eq!(verify_at(NOW + 10), Err(TokenError::Revoked));
    assert_eq!(verify_at(NOW + 11), Ok(()));

    let ada = UserId::new("ada");
    revocations.revoke_user(&ada, at(1_000), at(NOW + 1), now()).unwrap();
    assert_eq!(verify(r#"{"sub":"ada","iat":999}"#), Err(TokenError::Revoked));
    assert_eq!(verify(r#"{"sub":"ada","iat":1000}"#), Ok(()));
    assert_eq!(verify(r#"{"sub":"ada"}"#), Err(TokenError::Revoked));
    assert_eq!(verify(r#"{"sub":"bob","iat":999}"#), Ok(()));
    // An earlier revocation takes nothing back.
    revocations.revoke_user(&ada, at(10), at(NOW), now()).unwrap();
    assert_eq!(verify(r#"{"sub":"ada","iat":999}"#), Err(TokenError::Revoked));
}

#[test]
fn revocations_are_bounded_and_expired_ones_make_space() {
    let revocations = Revocations::with_capacity(2);
    revocations.revoke_token("1", at(10), at(0)).unwrap();
    revocations.revoke_user(&UserId::new("ada"), at(5), at(20), at(0)).unwrap();
    // A verifier may have a leeway of 300 s.
    let full = revocations.revoke_token("2", at(330), at(309));
    assert_eq!(full, Err(RevocationError::Full { capacity: 2 }));
    // Extending an entry takes no space.
    revocations.revoke_token("1", at(5), at(9)).unwrap();
    revocations.revoke_token("2", at(330), at(310)).unwrap();
    assert_eq!(revocations.len(), 2);
    let long = revocations.revoke_token(&"x".repeat(1_025), at(40), at(30));
    assert_eq!(long, Err(RevocationError::IdTooLong { length: 1_025 }));

    let revocations = Revocations::new();
    for number in 0..10_000_u64 {
        let until = at(number + 10);
        revocations.revoke_token(&number.to_string(), until, at(number)).unwrap();
    }
    assert!(revocations.len() <= 2 * 310, "{}", revocations.len());
}

proptest! {
    #[test]
    fn no_token_and_no_key_make_a_verifier_panic(
        text in any::<String>(),
        header in "\\{(\"(alg|kid|crit)\":(\"(HS256|RS256|none|HS)\"|1|null|\\[\\]),?){0,3}\\}",
        claims in "\\{(\"(sub|exp|iat|aud|info|channels|subs)\":(\"a\"|-?[0-9]{1,30}|null|\\[\\]|\\{\\}),?){0,4}\\}",
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let set = TokenVerifier::jwks(JWKS.as_bytes()).unwrap().audience("a");
        for verifier in [verifier(), set] {
            for token in [text.clone(), format!("{text}.{text}.{text}"), sign(&header, &claims)] {
                let _ = verifier.verify_connection(&token, now());
                let _ = verifier.verify_room(&token, now());
            }
            let _ = verifier.verify_connection(&token(&claims), now());
        }
        let body = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let _ = TokenVerifier::rsa_pem(pem.as_bytes());
        let _ = TokenVerifier::rsa_pem(&bytes);
        let _ = TokenVerifier::jwks(&bytes);
        let _ = TokenVerifier::jwks(format!("{{\"keys\":[{header}]}}").as_bytes());
    }
}

//! A client accepts or refuses any response without a panic. `{accept}` in the input stands for the
//! right accept key, which a fuzzer cannot guess.

use sockeye_proto::deflate::Deflate;
use sockeye_proto::handshake::{ClientRequest, HeadLimits, HeadSearch, Key, ResponseHead};

const LIMITS: HeadLimits = HeadLimits::new().size(2048).headers(16);
const PLACEHOLDER: &[u8] = b"{accept}";

/// Checks one input.
pub fn check(input: &[u8]) {
    let key = Key::new(*b"the sample nonce");
    let mut input = input.to_vec();
    if let Some(at) = input.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
        input.splice(at..at + PLACEHOLDER.len(), key.accept().as_str().bytes());
    }
    let Ok(Some(end)) = HeadSearch::of_response(LIMITS).find(&input) else { return };
    let Ok(head) = ResponseHead::parse(&input[..end], LIMITS) else { return };
    let mut request = ClientRequest::new("ws://example.com/".parse().expect("a URL"));
    let plain = request.verify(key, &head);
    request.add_subprotocol("chat").expect("a token");
    request.set_deflate(Some(Deflate::new()));
    let offering = request.verify(key, &head);
    match (&plain, &offering) {
        // The response may grant what the second client offered.
        (Ok(plain), Ok(offering)) => assert_eq!(plain, offering),
        (Ok(_), Err(error)) => panic!("{error}"),
        (Err(_), Ok(negotiated)) => {
            assert!(negotiated.subprotocol.is_some() || negotiated.deflate.is_some());
        }
        (Err(plain), Err(offering)) => {
            let _ = (plain.to_string(), offering.to_string());
        }
    }
}

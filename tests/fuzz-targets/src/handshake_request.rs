//! A server accepts or refuses any request without a panic, finds its end at any split, and answers
//! an accepted one with a head that a client can parse.

use sockeye_proto::deflate::Deflate;
use sockeye_proto::handshake::{
    HeadLimits, HeadSearch, OriginPolicy, Refusal, Request, RequestHead, ResponseHead, Terms,
};

const LIMITS: HeadLimits = HeadLimits::new().size(2048).headers(16);

/// Checks one input.
pub fn check(input: &[u8]) {
    let whole = HeadSearch::new(LIMITS).find(input);
    let mut search = HeadSearch::new(LIMITS);
    let bytewise = (0..=input.len())
        .map(|end| search.find(&input[..end]))
        .find(|found| !matches!(found, Ok(None)));
    match (whole, bytewise) {
        (Ok(None), None) | (Err(_), Some(Err(_))) => {}
        (Ok(Some(whole)), Some(Ok(Some(bytewise)))) => {
            assert_eq!(whole, bytewise);
            check_head(&input[..whole]);
        }
        mismatch => panic!("{mismatch:?}"),
    }
}

fn check_head(head: &[u8]) {
    let parsed = RequestHead::parse(head, LIMITS);
    let parsed = parsed.as_ref().map_err(ToString::to_string).and_then(|head| {
        Request::from_head(head).map_err(|error| {
            let mut out = Vec::new();
            let text = error.to_string();
            Refusal::from(&error).encode(&mut out);
            ResponseHead::parse(&out, HeadLimits::default()).expect("a refusal is a response");
            text
        })
    });
    let Ok(request) = parsed else { return };
    let terms = Terms::new()
        .origins(OriginPolicy::any())
        .subprotocols(["chat", "a"])
        .deflate(Deflate::new());
    let Ok(response) = terms.answer(&request) else { return };
    let mut out = Vec::new();
    response.encode(&mut out);
    let answer = ResponseHead::parse(&out, HeadLimits::default()).expect("an answer is a response");
    assert_eq!(answer.status.as_u16(), 101);
    assert_eq!(answer.headers().len(), response.to_headers().len());
    // The strict policy must not panic either.
    let _ = Terms::new().answer(&request);
    assert!(request.path().len() <= request.target().len());
}

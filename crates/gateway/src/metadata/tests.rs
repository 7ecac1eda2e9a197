use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const BOTH: [Convention; 2] = [Convention::Rest, Convention::Rpc];

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn peer() -> Peer {
    Peer { address: None, is_trusted: false, host: None, scheme: "https" }
}

/// Returns the metadata as sorted lines, without the scheme.
fn metadata(
    policy: &MetadataPolicy,
    convention: Convention,
    pairs: &[(&str, &str)],
) -> Vec<String> {
    let mut metadata = policy.request_metadata(convention, &headers(pairs), &peer()).unwrap();
    metadata.remove("x-forwarded-proto");
    lines(&metadata)
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

fn patterns(texts: &[&str]) -> Vec<NamePattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn rest_passes_on_the_headers_of_its_allow_list_only() {
    let pairs = [
        ("authorization", "Bearer t"),
        ("traceparent", "tp"),
        ("x-request-id", "r"),
        ("accept-language", "de"),
        ("user-agent", "curl"),
        ("cookie", "a=b"),
        ("x-tenant", "t"),
        ("grpc-metadata-x-user", "root"),
        ("referer", "r"),
    ];
    let expected = [
        "accept-language: de",
        "authorization: Bearer t",
        "grpcgateway-user-agent: curl",
        "traceparent: tp",
        "x-request-id: r",
    ];
    assert_eq!(metadata(&MetadataPolicy::default(), Convention::Rest, &pairs), expected);
    let allowing = MetadataPolicy { allow: patterns(&["x-ten*"]), ..MetadataPolicy::default() };
    let found = metadata(&allowing, Convention::Rest, &pairs);
    assert_eq!(found, [&expected[..], &["x-tenant: t"]].concat());
}

#[test]
fn protocols_of_calls_pass_on_all_that_is_not_of_the_connection() {
    let pairs = [("x-tenant", "t"), ("cookie", "a=b"), ("user-agent", "grpc-js")];
    let found = metadata(&MetadataPolicy::default(), Convention::Rpc, &pairs);
    assert_eq!(found, ["cookie: a=b", "user-agent: grpc-js", "x-tenant: t"]);
}

#[test]
fn headers_of_the_connection_and_of_protocols_are_never_metadata() {
    let policy = MetadataPolicy {
        allow: patterns(&["*"]),
        grpc_gateway_headers: true,
        ..MetadataPolicy::default()
    };
    let pairs = [
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "1"),
        ("grpc-metadata-x-hop", "1"),
        ("grpc-metadata-grpc-timeout", "1S"),
        ("grpc-metadata-host", "h"),
        ("grpc-metadata-te", "trailers"),
        ("grpc-metadata-x-forwarded-for", "127.0.0.1"),
        ("grpc-timeout", "1S"),
        ("grpc-encoding", "gzip"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("upgrade", "h2c"),
        ("http2-settings", "AA"),
        ("proxy-authorization", "Basic x"),
        ("sec-websocket-key", "k"),
        ("connect-timeout-ms", "5"),
        ("access-control-request-method", "GET"),
    ];
    for convention in BOTH {
        assert_eq!(metadata(&policy, convention, &pairs), [""; 0]);
    }
}

#[test]
fn denied_names_are_metadata_in_no_dialect_and_no_direction() {
    let policy = MetadataPolicy {
        allow: patterns(&["*"]),
        expose: patterns(&["*"]),
        deny: patterns(&["X-Internal-*", "x-forwarded-proto"]),
        grpc_gateway_headers: true,
        ..MetadataPolicy::default()
    };
    let pairs = [("x-internal-user", "root"), ("grpc-metadata-x-internal-user", "root")];
    for convention in BOTH {
        let metadata = policy.request_metadata(convention, &headers(&pairs), &peer()).unwrap();
        assert_eq!(lines(&metadata), [""; 0]);
        let upstream = headers(&[("x-internal-user", "root")]);
        for part in [Part::Headers, Part::Trailers] {
            assert_eq!(lines(&policy.response_headers(convention, part, &upstream)), [""; 0]);
        }
    }
}

#[test]
fn the_rules_of_grpc_gateway_are_restored_on_request() {
    let policy = MetadataPolicy { grpc_gateway_headers: true, ..MetadataPolicy::default() };
    let pairs =
        [("grpc-metadata-x-user", "u"), ("cookie", "a=b"), ("authorization", "t"), ("x", "y")];
    let found = metadata(&policy, Convention::Rest, &pairs);
    let expected = [
        "authorization: t",
        "grpcgateway-authorization: t",
        "grpcgateway-cookie: a=b",
        "x-user: u",
    ];
    assert_eq!(found, expected);
    let upstream = headers(&[("x-a", "1")]);
    let response = |part| lines(&policy.response_headers(Convention::Rest, part, &upstream));
    assert_eq!(response(Part::Headers), ["grpc-metadata-x-a: 1"]);
    assert_eq!(response(Part::Trailers), ["grpc-trailer-x-a: 1"]);
}

#[test]
fn binary_values_are_base64_padded_or_not() {
    let found = metadata(
        &MetadataPolicy::default(),
        Convention::Rpc,
        &[("a-bin", "/w=="), ("a-bin", "_w,AA=="), ("a-bin", ""), ("b", "/w==")],
    );
    assert_eq!(found, ["a-bin: ", "a-bin: /w", "a-bin: /w", "a-bin: AA", "b: /w=="]);
    let invalid = headers(&[("a-bin", "*")]);
    let error =
        MetadataPolicy::default().request_metadata(Convention::Rpc, &invalid, &peer()).unwrap_err();
    assert_eq!(error, MetadataError::NotBase64 { name: HeaderName::from_static("a-bin") });
    // REST does not look at headers that it does not pass on.
    assert_eq!(metadata(&MetadataPolicy::default(), Convention::Rest, &[("a-bin", "*")]), [""; 0]);
}

#[test]
fn the_number_of_values_is_bounded() {
    let metadata = |request: &HeaderMap| {
        let policy = MetadataPolicy::default();
        policy.request_metadata(Convention::Rpc, request, &peer()).map(|metadata| metadata.len())
    };
    assert_eq!(metadata(&headers(&[("a-bin", &",".repeat(1023))])), Ok(1025));
    assert_eq!(metadata(&headers(&[("a-bin", &",".repeat(1024))])), Err(MetadataError::TooMany));
    assert_eq!(metadata(&headers(&vec![("a", "b"); 1025])), Err(MetadataError::TooMany));
}

#[test]
fn values_beyond_ascii_are_left_out() {
    let mut request = HeaderMap::new();
    request.insert("x-a", HeaderValue::from_bytes(&[0xff]).unwrap());
    request.append("x-a", HeaderValue::from_static("b"));
    let metadata =
        MetadataPolicy::default().request_metadata(Convention::Rpc, &request, &peer()).unwrap();
    assert_eq!(metadata.get_all("x-a").iter().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn only_trusted_peers_say_where_a_request_is_from() {
    let request = headers(&[
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-for", "8.8.8.8"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-user", "root"),
        ("forwarded", "for=9.9.9.9"),
        ("x-real-ip", "9.9.9.9"),
    ]);
    let describe = |is_trusted| {
        let peer = Peer {
            address: Some("::ffff:10.0.0.1".parse().unwrap()),
            is_trusted,
            host: Some(HeaderValue::from_static("api.example")),
            scheme: "http",
        };
        let policy = MetadataPolicy::default();
        BOTH.map(|convention| lines(&policy.request_metadata(convention, &request, &peer).unwrap()))
    };
    let untrusted =
        ["x-forwarded-for: 10.0.0.1", "x-forwarded-host: api.example", "x-forwarded-proto: http"];
    let trusted = [
        "forwarded: for=9.9.9.9",
        "x-forwarded-for: 9.9.9.9, 8.8.8.8, 10.0.0.1",
        "x-forwarded-host: evil.example",
        "x-forwarded-proto: http",
        "x-forwarded-user: root",
        "x-real-ip: 9.9.9.9",
    ];
    assert_eq!(describe(false), [untrusted, untrusted]);
    assert_eq!(describe(true), [trusted, trusted]);
}

#[test]
fn rest_responses_have_the_metadata_that_are_exposed() {
    let upstream = headers(&[
        ("x-request-id", "r"),
        ("x-total", "5"),
        ("grpc-status", "0"),
        ("content-type", "application/grpc"),
        ("access-control-allow-origin", "*"),
    ]);
    let response = |policy: &MetadataPolicy, convention| {
        lines(&policy.response_headers(convention, Part::Headers, &upstream))
    };
    let mut policy = MetadataPolicy::default();
    assert_eq!(response(&policy, Convention::Rest), ["x-request-id: r"]);
    assert_eq!(response(&policy, Convention::Rpc), ["x-request-id: r", "x-total: 5"]);
    policy.expose = patterns(&["x-total"]);
    policy.response_prefix = Some("Meta-".into());
    assert_eq!(response(&policy, Convention::Rest), ["meta-x-request-id: r", "meta-x-total: 5"]);
}

#[test]
fn cors_exposes_what_a_response_has_and_the_status() {
    let response = headers(&[("x-total", "5"), ("x-total", "6"), ("set-cookie", "a=b")]);
    let exposed = exposed_headers(&response);
    assert_eq!(exposed, "grpc-message, grpc-status, grpc-status-details-bin, x-total");
}

#[test]
fn patterns_are_names_or_beginnings_of_names() {
    let name = HeaderName::from_static("x-a-b");
    let matches = |text: &str| text.parse::<NamePattern>().unwrap().matches(&name);
    assert!(matches("X-A-B") && matches("x-a*") && matches("*") && matches("x-a-b*"));
    assert!(!matches("x-a") && !matches("x-b*"));
    for text in ["", "a b", "a*b", "**", "a**", "é"] {
        assert!(text.parse::<NamePattern>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_header_gets_around_the_policy(
        names in proptest::collection::vec("(grpc-metadata-){0,2}(x-internal-a|te|host|grpc-timeout|x-forwarded-for|connection|x-a)", 0..6),
        value in "[a-z, -]{0,12}",
        is_compatible in any::<bool>(),
    ) {
        let policy = MetadataPolicy {
            allow: patterns(&["*"]),
            deny: patterns(&["x-internal-*"]),
            grpc_gateway_headers: is_compatible,
            ..MetadataPolicy::default()
        };
        let mut request = HeaderMap::new();
        for name in names {
            request.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        for convention in BOTH {
            let metadata = policy.request_metadata(convention, &request, &peer()).unwrap();
            for name in metadata.keys() {
                let is_allowed = matches!(name.as_str(), "x-a" | "x-forwarded-proto");
                prop_assert!(is_allowed, "{}", name);
            }
        }
    }
}

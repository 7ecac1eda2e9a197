//! `sockeye call` makes calls of all four kinds in each protocol, with the same output.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

use crate::program::grpc::{ECHO, Grpc, Outcome, outcome};

/// The protocols of HTTP. All but the first need a gateway.
const PROTOCOLS: [&str; 6] = ["grpc", "grpc-web", "grpc-web-text", "connect", "websocket", "json"];

fn call(address: &str, protocol: &str, method: &str, data: &str, flags: &[&str]) -> Outcome {
    let method = format!("{ECHO}/{method}");
    let mut arguments =
        vec![address, &method, "-d", data, "--protocol", protocol, "--output", "ndjson"];
    arguments.extend(flags);
    outcome(&arguments)
}

/// Returns text and number of each message. Gateways print zero values in JSON.
fn messages(outcome: &Outcome) -> Vec<(String, String)> {
    let field =
        |message: &Value, name: &str, zero: &str| message[name].as_str().unwrap_or(zero).to_owned();
    let messages = outcome.out.lines().map(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        (field(&message, "text", ""), field(&message, "number", "0"))
    });
    messages.collect()
}

/// Returns whether a value has all members of another one.
fn contains(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(members) => {
            members.iter().all(|(name, member)| contains(&whole[name], member))
        }
        _ => whole == part,
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(text, number): &(&str, &str)| ((*text).to_owned(), (*number).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn each_kind_of_method_is_called() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    for protocol in PROTOCOLS {
        for (method, data, expected) in [
            ("Unary", r#"{"text":"a/b ü","number":"-5"}"#, &[("a/b ü", "-5")][..]),
            ("Repeat", r#"{"text":"a","number":3}"#, &[("a", "0"), ("a", "1"), ("a", "2")]),
            ("Collect", r#"{"text":"a"} {"text":"b"}"#, &[("ab", "2")]),
            ("Collect", "[]", &[("", "0")]),
            ("Chat", r#"[{"text":"a"},{"text":"b","number":7}]"#, &[("a", "0"), ("b", "7")]),
        ] {
            let called = call(&gateway, protocol, method, data, &[]);
            assert_eq!(called.code, 0, "{protocol} {method}: {}", called.errors);
            assert_eq!(messages(&called), pairs(expected), "{protocol} {method}");
            assert_eq!(called.errors, "", "{protocol} {method}");
        }
    }
    let called = call(&grpc.address(), "grpc", "Unary", r#"{"text":"direct"}"#, &[]);
    assert_eq!((called.code, &*called.out), (0, "{\"text\":\"direct\"}\n"), "{}", called.errors);
}

#[test]
fn an_error_has_its_code_and_its_details() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    for protocol in PROTOCOLS {
        let data = r#"{"code":5,"message":"no\u001b[2Jbook","detail":{"text":"why"}}"#;
        let called = call(&gateway, protocol, "FailUnary", data, &[]);
        assert_eq!(called.code, 69, "{protocol}: {}", called.errors);
        assert_eq!(called.out, "", "{protocol}");
        let line = r"sockeye: NOT_FOUND (5): no\u{1b}[2Jbook";
        let detail = r#"  detail: {"@type":"type.googleapis.com/sockeye.gateway.testing.EchoMessage","text":"why"}"#;
        let lines: Vec<_> = called.errors.lines().collect();
        assert_eq!(lines, [line, detail], "{protocol}");
        let data = r#"{"code":8,"number":2}"#;
        let called = call(&gateway, protocol, "Fail", data, &[]);
        assert_eq!(called.code, 72, "{protocol}: {}", called.errors);
        assert_eq!(called.out.lines().count(), 2, "{protocol}");
        assert!(called.errors.contains("RESOURCE_EXHAUSTED (8)"), "{protocol}: {}", called.errors);
    }
}

#[test]
fn the_deadline_ends_a_call() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    for protocol in PROTOCOLS {
        let data = r#"{"number":600000}"#;
        let called = call(&gateway, protocol, "Wait", data, &["--timeout", "300ms"]);
        assert_eq!(called.code, 68, "{protocol}: {}", called.errors);
        assert!(called.errors.contains("DEADLINE_EXCEEDED"), "{protocol}: {}", called.errors);
    }
}

#[test]
fn metadata_are_sent_and_shown() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    for protocol in PROTOCOLS {
        let flags = ["--headers", "-H", "x-request-id: abc", "-H", "traceparent: t"];
        let called = call(&gateway, protocol, "Metadata", "{}", &flags);
        assert_eq!(called.code, 0, "{protocol}: {}", called.errors);
        for entry in
            [r#"{"name":"x-request-id","value":"abc"}"#, r#"{"name":"traceparent","value":"t"}"#]
        {
            assert!(called.out.contains(entry), "{protocol}: {}", called.out);
        }
        assert!(called.errors.starts_with("headers:\n"), "{protocol}: {}", called.errors);
        // Metadata of responses become headers of JSON over HTTP only by an allow-list.
        let is_shown = called.errors.contains("  x-echo: from the server\n");
        assert_eq!(is_shown, protocol != "json", "{protocol}: {}", called.errors);
    }
}

#[test]
fn connect_gets_methods_without_side_effects() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    let called = call(&gateway, "connect", "Lookup", r#"{"text":"x"}"#, &["--get"]);
    assert_eq!((called.code, &*called.out), (0, "{\"text\":\"x\"}\n"), "{}", called.errors);
    let called = call(&gateway, "connect", "Unary", "{}", &["--get"]);
    assert_eq!(called.code, 2);
    assert!(called.errors.contains("NO_SIDE_EFFECTS"), "{}", called.errors);
}

#[test]
fn json_takes_the_rule_that_the_request_fits() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    // By GET with a path and a query, and by POST without a text for the path.
    for data in [
        r#"{"text":"a","number":"3","child":{"text":"b & c"},"list":["x","y z"],"data":"/w=="}"#,
        r#"{"number":"3","child":{"child":{"list":["x"]}}}"#,
    ] {
        let called = call(&gateway, "json", "Unary", data, &[]);
        assert_eq!(called.code, 0, "{}", called.errors);
        let sent: Value = serde_json::from_str(data).unwrap();
        let received: Value = serde_json::from_str(&called.out).unwrap();
        assert!(contains(&received, &sent), "{}", called.out);
    }
    // A method without a rule is called by its path.
    let called = call(&gateway, "json", "Lookup", r#"{"text":"x"}"#, &[]);
    assert_eq!(called.code, 0, "{}", called.errors);
    assert_eq!(messages(&called), pairs(&[("x", "0")]));
}

#[test]
fn responses_are_indented_by_default() {
    let grpc = Grpc::start();
    let method = format!("{ECHO}/Unary");
    let data = "{\"text\":\"a\u{9b}\",\"list\":[\"x\"]}";
    let called = outcome(&[&grpc.address(), &method, "-d", data]);
    let expected = "{\n  \"text\": \"a\\u009b\",\n  \"list\": [\n    \"x\"\n  ]\n}\n";
    assert_eq!((called.code, &*called.out), (0, expected), "{}", called.errors);
}

use super::*;

#[test]
fn paths_are_operations_or_the_messages_of_a_room() {
    assert_eq!(Route::find("/api/publish"), Some(Route::Operation("publish")));
    assert_eq!(Route::find("/rooms/chat:42/messages"), Some(Route::Messages("chat:42")));
    for path in ["/", "/api", "/rooms/x", "/rooms/x/y/messages", "/rooms/messages", "/x/api/y"] {
        assert_eq!(Route::find(path), None, "{path}");
    }
}

#[test]
fn segments_are_decoded() {
    assert_eq!(rest::decode("chat%3A42%2f%C3%B6+%25").as_deref(), Some("chat:42/ö+%"));
    for segment in ["%", "%4", "%g0", "%ff", "%+1"] {
        assert_eq!(rest::decode(segment), None, "{segment}");
    }
}

#[test]
fn a_request_presents_one_of_the_keys() {
    let keys = ["first-key-0123456789", "second key 0123456789"].map(|k| ApiKey::new(k).unwrap());
    for (name, value, accepted) in [
        ("x-api-key", "first-key-0123456789", true),
        ("x-api-key", "second key 0123456789", true),
        ("authorization", "apikey first-key-0123456789", true),
        ("authorization", "ApiKey first-key-0123456789", true),
        ("x-api-key", "first-key-012345678", false),
        ("x-api-key", "first-key-01234567890", false),
        ("x-api-key", "First-key-0123456789", false),
        ("x-api-key", "", false),
        ("authorization", "Bearer first-key-0123456789", false),
        ("authorization", "apikey", false),
        ("cookie", "first-key-0123456789", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        assert_eq!(key::is_accepted(&keys, &headers), accepted, "{name}: {value}");
    }
    let mut both = HeaderMap::new();
    both.insert("x-api-key", "wrong".parse().unwrap());
    both.insert("authorization", "apikey first-key-0123456789".parse().unwrap());
    assert!(!key::is_accepted(&keys, &both));
    assert!(!key::is_accepted(&[], &both));
}

#[test]
fn keys_that_are_short_or_no_header_are_refused() {
    let refused = |key: &str| ApiKey::new(key).unwrap_err();
    assert_eq!(refused(""), ApiKeyError::TooShort { length: 0 });
    assert_eq!(refused("0123456789abcde"), ApiKeyError::TooShort { length: 15 });
    for key in ["0123456789abcdef\n", "0123456789abcdef ", "0123456789abcdeö"] {
        assert_eq!(refused(key), ApiKeyError::Character, "{key:?}");
    }
    assert!(!format!("{:?}", ApiKey::new("0123456789abcdef").unwrap()).contains("0123"));
}

#[tokio::test]
async fn an_operation_that_panics_does_not_shift_the_results_of_others() {
    let number = |number: u64| async move {
        assert_ne!(number, 1, "this operation panics");
        Ok(number)
    };
    let outputs = operation::all((0..4).map(number), 2).await;
    assert_eq!(outputs, [Ok(0), Err(ApiError::INTERNAL), Ok(2), Ok(3)]);
}

#[tokio::test]
async fn the_results_of_a_batch_are_bounded_together() {
    let hub: Hub = Hub::builder().build();
    let api = Api::new(hub);
    // The result of a publication is `{}`.
    let batch = r#"{"commands": [
        {"publish": {"channel": "a", "data": 1}},
        {"info": {}},
        {"publish": {"channel": "a", "data": 1}}
    ]}"#;
    for (max_bytes, expected) in [
        (1_000, ["publish", "info", "publish"]),
        (9, ["publish", "error", "error"]),
        (1, ["publish", "error", "error"]),
    ] {
        let batch = api.batch(batch, max_bytes).await.unwrap();
        let names: Vec<_> = batch.replies.iter().flat_map(|reply| reply.keys()).collect();
        assert_eq!(names, expected, "{max_bytes}");
        let errors = batch.replies.iter().filter_map(|reply| reply.get("error"));
        for error in errors {
            assert!(error.get().contains("106"), "{error}");
        }
    }
}

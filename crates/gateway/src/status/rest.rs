use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Detail, Status};

#[derive(Serialize)]
struct Body<'a> {
    code: u32,
    message: &'a str,
    details: Vec<AnyDetail<'a>>,
}

/// A detail as the JSON of its `google.protobuf.Any`, or with its bytes.
#[derive(Serialize)]
#[serde(untagged)]
enum AnyDetail<'a> {
    Json(Box<RawValue>),
    Opaque {
        #[serde(rename = "@type")]
        type_url: &'a str,
        value: String,
    },
}

/// Returns the body of an error of REST: `{"code":5,"message":"…","details":[…]}`.
///
/// `to_json` returns a detail as the JSON of its `google.protobuf.Any`, with `@type`. A detail for
/// which it returns `None`, or text that is not JSON, is written with its bytes in base64:
/// `{"@type":"…","value":"…"}`.
pub fn rest_body(status: &Status, to_json: impl Fn(&Detail) -> Option<String>) -> String {
    let details = status.decode_details();
    let details = details.iter().map(|detail| any_detail(detail, &to_json)).collect();
    let body = Body { code: status.code.number(), message: &status.message, details };
    // Strings, numbers and valid JSON can always be written.
    serde_json::to_string(&body).unwrap_or_default()
}

fn any_detail(detail: &Detail, to_json: impl Fn(&Detail) -> Option<String>) -> AnyDetail<'_> {
    let json = to_json(detail).and_then(|json| RawValue::from_string(json).ok());
    json.map_or_else(
        || AnyDetail::Opaque { type_url: &detail.type_url, value: STANDARD.encode(&detail.value) },
        AnyDetail::Json,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;
    use crate::wire::write;

    fn status() -> Status {
        let mut details = Vec::new();
        for type_url in ["t/known.Type", "t/unknown.Type"] {
            let mut detail = Vec::new();
            write::bytes(1, type_url, &mut detail);
            write::bytes(2, [0xff], &mut detail);
            write::bytes(3, &detail, &mut details);
        }
        Status { details: details.into(), ..Status::new(Code::NotFound, "no \"book\"") }
    }

    #[test]
    fn details_of_unknown_types_are_base64() {
        let known = |detail: &Detail| {
            (detail.type_name() == "known.Type").then(|| r#"{"@type":"t/known.Type","a":1}"#.into())
        };
        assert_eq!(
            rest_body(&status(), known),
            r#"{"code":5,"message":"no \"book\"","details":[{"@type":"t/known.Type","a":1},{"@type":"t/unknown.Type","value":"/w=="}]}"#
        );
    }

    #[test]
    fn text_that_is_not_json_does_not_get_into_the_body() {
        let broken = |_: &Detail| Some("}{".to_owned());
        assert_eq!(rest_body(&status(), broken), rest_body(&status(), |_| None));
    }

    #[test]
    fn a_status_without_details_has_an_empty_list() {
        let body = rest_body(&Status::new(Code::Internal, "x"), |_| None);
        assert_eq!(body, r#"{"code":13,"message":"x","details":[]}"#);
    }
}

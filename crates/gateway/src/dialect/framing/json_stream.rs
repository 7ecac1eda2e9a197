use bytes::{BufMut as _, BytesMut};

/// The form of a response that is a stream of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonStreamForm {
    /// One value in each line: `application/x-ndjson`.
    Lines,
    /// One array: `application/json`.
    Array,
    /// Server-sent events: `text/event-stream`.
    Events,
}

/// A writer of a response that is a stream of JSON values.
///
/// | | message | error | end |
/// |---|---|---|---|
/// | lines | `{"result":…}` | `{"error":…}` | |
/// | array | `{"result":…}` | `{"error":…}` | `]` |
/// | events | `data: …` | `event: error` | `event: end` |
///
/// Messages of lines and arrays are wrapped, as grpc-gateway does, unless
/// [`unwrapped`](Self::unwrapped) is set: then a client tells an error from a message by its field
/// `error`. Line breaks in the JSON become spaces: they can only stand between tokens.
#[derive(Clone, Debug)]
pub struct JsonStreamWriter {
    form: JsonStreamForm,
    is_wrapped: bool,
    has_begun: bool,
}

impl JsonStreamForm {
    /// Returns the content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Array => "application/json",
            Self::Events => "text/event-stream",
        }
    }
}

impl JsonStreamWriter {
    /// Creates a writer.
    pub fn new(form: JsonStreamForm) -> Self {
        Self { form, is_wrapped: form != JsonStreamForm::Events, has_begun: false }
    }

    /// Leaves out the objects around messages.
    pub fn unwrapped(self) -> Self {
        Self { is_wrapped: false, ..self }
    }

    /// Returns the form.
    pub fn form(&self) -> JsonStreamForm {
        self.form
    }

    /// Writes a message.
    pub fn write_message(&mut self, json: &str, out: &mut BytesMut) {
        match self.form {
            JsonStreamForm::Events => write_event(None, json, out),
            JsonStreamForm::Lines | JsonStreamForm::Array if self.is_wrapped => {
                self.write_value("{\"result\":", json, "}", out);
            }
            JsonStreamForm::Lines | JsonStreamForm::Array => self.write_value("", json, "", out),
        }
    }

    /// Writes the error that ends the call, after which [`write_end`](Self::write_end) follows.
    /// `status` is the object of an error of REST.
    pub fn write_error(&mut self, status: &str, out: &mut BytesMut) {
        match self.form {
            JsonStreamForm::Events => write_event(Some("error"), status, out),
            JsonStreamForm::Lines | JsonStreamForm::Array => {
                self.write_value("{\"error\":", status, "}", out);
            }
        }
    }

    /// Writes the end of the response. `end` is the object with status and trailers, which only
    /// events have.
    pub fn write_end(&mut self, end: &str, out: &mut BytesMut) {
        match self.form {
            JsonStreamForm::Lines => {}
            JsonStreamForm::Array => {
                out.put_slice(if self.has_begun { b"]" } else { b"[]" });
            }
            JsonStreamForm::Events => write_event(Some("end"), end, out),
        }
    }

    /// Writes something that a client ignores, if the form has it, so that proxies do not take the
    /// connection for idle.
    pub fn write_keep_alive(&self, out: &mut BytesMut) {
        if self.form == JsonStreamForm::Events {
            out.put_slice(b":\n\n");
        }
    }

    fn write_value(&mut self, before: &str, json: &str, after: &str, out: &mut BytesMut) {
        if self.form == JsonStreamForm::Array {
            out.put_u8(if self.has_begun { b',' } else { b'[' });
        }
        self.has_begun = true;
        out.put_slice(before.as_bytes());
        write_line(json, out);
        out.put_slice(after.as_bytes());
        if self.form == JsonStreamForm::Lines {
            out.put_u8(b'\n');
        }
    }
}

fn write_event(name: Option<&str>, json: &str, out: &mut BytesMut) {
    if let Some(name) = name {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(b"data: ");
    write_line(json, out);
    out.put_slice(b"\n\n");
}

/// Writes JSON without line breaks.
fn write_line(json: &str, out: &mut BytesMut) {
    out.reserve(json.len());
    let mut parts = json.split(['\r', '\n']);
    out.put_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        out.put_u8(b' ');
        out.put_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::framing::JsonSplitter;

    fn stream(mut writer: JsonStreamWriter, messages: &[&str], error: Option<&str>) -> String {
        let mut out = BytesMut::new();
        for message in messages {
            writer.write_message(message, &mut out);
        }
        writer.write_keep_alive(&mut out);
        if let Some(error) = error {
            writer.write_error(error, &mut out);
        }
        writer.write_end("{\"code\":0}", &mut out);
        String::from_utf8(out.into()).unwrap()
    }

    #[test]
    fn lines_are_wrapped_unless_they_shall_not_be() {
        let writer = || JsonStreamWriter::new(JsonStreamForm::Lines);
        assert_eq!(
            stream(writer(), &["{}", "1"], Some("{\"code\":5}")),
            "{\"result\":{}}\n{\"result\":1}\n{\"error\":{\"code\":5}}\n"
        );
        assert_eq!(stream(writer().unwrapped(), &["{}", "1"], None), "{}\n1\n");
        assert_eq!(stream(writer(), &[], None), "");
    }

    #[test]
    fn an_array_is_closed_also_after_an_error() {
        let writer = || JsonStreamWriter::new(JsonStreamForm::Array).unwrapped();
        assert_eq!(stream(writer(), &["{}", "1"], None), "[{},1]");
        assert_eq!(stream(writer(), &["1"], Some("{}")), "[1,{\"error\":{}}]");
        assert_eq!(stream(writer(), &[], None), "[]");
        let wrapped = JsonStreamWriter::new(JsonStreamForm::Array);
        assert_eq!(stream(wrapped, &["1"], None), "[{\"result\":1}]");
    }

    #[test]
    fn events_have_names_for_errors_and_the_end() {
        let writer = JsonStreamWriter::new(JsonStreamForm::Events);
        assert_eq!(
            stream(writer, &["{}"], Some("{\"code\":5}")),
            "data: {}\n\n:\n\nevent: error\ndata: {\"code\":5}\n\nevent: end\ndata: {\"code\":0}\n\n"
        );
    }

    #[test]
    fn line_breaks_between_tokens_do_not_end_a_line_or_an_event() {
        for form in [JsonStreamForm::Lines, JsonStreamForm::Events] {
            let text = stream(JsonStreamWriter::new(form), &["{\r\n  \"a\": 1\n}"], None);
            assert!(text.contains("{    \"a\": 1 }"), "{text:?}");
            assert!(!text.contains('\r'));
        }
    }

    #[test]
    fn lines_and_arrays_are_split_into_what_was_written() {
        for form in [JsonStreamForm::Lines, JsonStreamForm::Array] {
            let text = stream(JsonStreamWriter::new(form).unwrapped(), &["{}", "\"a\"", "1"], None);
            let mut splitter = JsonSplitter::new(16);
            splitter.push(text.into());
            let values = std::iter::from_fn(|| splitter.next_value().unwrap());
            assert_eq!(values.collect::<Vec<_>>(), ["{}", "\"a\"", "1"]);
        }
    }
}

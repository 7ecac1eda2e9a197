//! Definitions of services, methods, messages and enums, in the language of protobuf.

use std::fmt::Write as _;

use sockeye::escape;
use sockeye_gateway::catalog::Schema;
use sockeye_gateway::descriptor::{
    Cardinality, Enum, Field, Kind, Message, MessageId, Method, Pool, Service,
};
use sockeye_gateway::rules::{Binding, Body, annotation_rules};
use sockeye_gateway::transcode::{PrintOptions, Unpopulated, wire_to_json};

use super::catalog::{self, nearest, unknown};
use crate::client::Failure;

/// Returns the definition of a symbol: of a method with its messages, and with the JSON of a
/// request that has every field. Without a symbol, returns those of all services.
///
/// # Errors
/// A usage failure with the nearest name if there is no such symbol.
pub(super) fn describe(schema: &Schema, symbol: Option<&str>) -> Result<String, Failure> {
    let pool = schema.pool();
    let mut writer = Writer { pool, out: String::new() };
    let Some(name) = symbol else {
        for name in schema.services() {
            if let Some(service) = pool.find_service(name) {
                writer.service(service);
            }
        }
        return Ok(writer.out);
    };
    if let Some(service) = pool.find_service(name) {
        writer.service(service);
    } else if let Some(id) = pool.find_message(name) {
        writer.message(pool.message(id));
    } else if let Some(id) = pool.find_enum(name) {
        writer.enumeration(pool.enumeration(id));
    } else if let Some(found) = catalog::method(schema, name) {
        writer.method(found.service, found.descriptor, "");
        let (input, output) = (found.descriptor.input, found.descriptor.output);
        writer.message(pool.message(input));
        if output != input {
            writer.message(pool.message(output));
        }
        writer.template(schema, input);
    } else {
        let messages = pool.messages().iter().filter(|message| !message.map_entry);
        let names: Vec<_> = schema
            .services()
            .iter()
            .cloned()
            .chain(messages.map(|message| message.full_name.clone()))
            .chain(pool.enums().iter().map(|found| found.full_name.clone()))
            .collect();
        return Err(unknown("symbol", name, nearest(name, names.iter().map(String::as_str))));
    }
    Ok(writer.out)
}

/// A writer of definitions. Names are identifiers; comments are escaped.
struct Writer<'p> {
    pool: &'p Pool,
    out: String,
}

impl Writer<'_> {
    fn line(&mut self, indent: &str, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{indent}{text}");
    }

    fn comment(&mut self, indent: &str, comment: &str) {
        for line in comment.trim_end().lines() {
            // Descriptors keep the space after the slashes, except at the begin of a comment.
            let line = line.strip_prefix(' ').unwrap_or(line);
            self.line(indent, format!("// {}", escape(line)).trim_end());
        }
    }

    /// Begins a definition, after an empty line if it is not the first.
    fn begin(&mut self, comment: &str, head: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.comment("", comment);
        self.line("", head);
    }

    fn service(&mut self, service: &Service) {
        self.begin(&service.comment, &format!("service {} {{", service.full_name));
        for method in &service.methods {
            self.method(service, method, "  ");
        }
        self.line("", "}");
    }

    fn method(&mut self, service: &Service, method: &Method, indent: &str) {
        self.comment(indent, &method.comment);
        let full_name = format!("{}.{}", service.full_name, method.name);
        for binding in annotation_rules(&full_name, &method.options).bindings {
            self.line(indent, &format!("// HTTP: {}", rule(&binding)));
        }
        let message = |id: MessageId, is_stream| {
            let stream = if is_stream { "stream " } else { "" };
            format!("({stream}{})", self.pool.message(id).full_name)
        };
        let (input, output) = (
            message(method.input, method.client_streaming),
            message(method.output, method.server_streaming),
        );
        let deprecated = if method.deprecated { " // deprecated" } else { "" };
        let rpc = format!("rpc {}{input} returns {output};{deprecated}", method.name);
        self.line(indent, &rpc);
    }

    fn message(&mut self, message: &Message) {
        self.begin(&message.comment, &format!("message {} {{", message.full_name));
        let mut oneof = None;
        for field in &message.fields {
            if field.oneof != oneof {
                if oneof.is_some() {
                    self.line("  ", "}");
                }
                oneof = field.oneof;
                let place = oneof.and_then(|place| usize::try_from(place).ok());
                if let Some(name) = place.and_then(|place| message.oneofs.get(place)) {
                    self.line("  ", &format!("oneof {} {{", name.name));
                }
            }
            self.field(field, if oneof.is_some() { "    " } else { "  " });
        }
        if oneof.is_some() {
            self.line("  ", "}");
        }
        self.line("", "}");
    }

    /// Writes the JSON of a message with every field, as a comment.
    fn template(&mut self, schema: &Schema, id: MessageId) {
        let options = PrintOptions::default().unpopulated(Unpopulated::Nulls);
        let mut json = Vec::new();
        // No bytes are a message without values.
        if wire_to_json(schema.tables(), id, b"", &mut json, &options).is_ok() {
            let json = String::from_utf8_lossy(&json);
            self.out.push('\n');
            self.line("", "// A request with every field unset:");
            self.line("", &format!("// {}", escape(&json)));
        }
    }

    fn field(&mut self, field: &Field, indent: &str) {
        self.comment(indent, &field.comment);
        let label = match field.cardinality {
            Cardinality::Repeated => "repeated ",
            Cardinality::Singular if field.required => "required ",
            Cardinality::Singular if field.proto3_optional => "optional ",
            Cardinality::Singular | Cardinality::Map => "",
        };
        let type_name = self.type_of(field);
        let deprecated = if field.deprecated { " [deprecated = true]" } else { "" };
        let (name, number) = (&field.name, field.number);
        self.line(indent, &format!("{label}{type_name} {name} = {number}{deprecated};"));
    }

    fn type_of(&self, field: &Field) -> String {
        match (field.cardinality, field.kind) {
            (Cardinality::Map, Kind::Message(entry) | Kind::Group(entry)) => {
                let types: Vec<_> = self
                    .pool
                    .message(entry)
                    .fields
                    .iter()
                    .map(|field| self.type_of(field))
                    .collect();
                format!("map<{}>", types.join(", "))
            }
            (_, kind) => self.name_of(kind),
        }
    }

    fn name_of(&self, kind: Kind) -> String {
        let name = match kind {
            Kind::Group(id) | Kind::Message(id) => &self.pool.message(id).full_name,
            Kind::Enum(id) => &self.pool.enumeration(id).full_name,
            // Only messages and enums have no name of their own.
            scalar => scalar.scalar_name().unwrap_or_default(),
        };
        name.to_owned()
    }

    fn enumeration(&mut self, found: &Enum) {
        self.begin(&found.comment, &format!("enum {} {{", found.full_name));
        for value in &found.values {
            self.comment("  ", &value.comment);
            self.line("  ", &format!("{} = {};", value.name, value.number));
        }
        self.line("", "}");
    }
}

/// Returns an HTTP rule in one line.
fn rule(binding: &Binding) -> String {
    let mut rule = format!("{} {}", binding.kind, binding.template);
    match &binding.body {
        Body::None => {}
        Body::Whole => rule.push_str(", body *"),
        Body::Field(field) => rule = format!("{rule}, body {field}"),
    }
    if let Some(field) = &binding.response_body {
        rule = format!("{rule}, response body {field}");
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_maps_and_oneofs_as_they_are_declared() {
        let set = sockeye_gateway::reflection::FileSet::default();
        let schema = Schema::new(&set).unwrap();
        let text = describe(&schema, Some("google.protobuf.Struct")).unwrap();
        assert!(text.contains("  map<string, google.protobuf.Value> fields = 1;\n"), "{text}");
        let text = describe(&schema, Some("google.protobuf.Value")).unwrap();
        assert!(text.starts_with("message google.protobuf.Value {\n  oneof kind {\n"), "{text}");
        assert!(text.ends_with("  }\n}\n"), "{text}");
        let text = describe(&schema, Some("google.protobuf.NullValue")).unwrap();
        assert_eq!(text, "enum google.protobuf.NullValue {\n  NULL_VALUE = 0;\n}\n");
        let error = describe(&schema, Some("google.protobuf.Vlaue")).unwrap_err().to_string();
        assert!(error.contains("google.protobuf.Value?"), "{error}");
    }
}

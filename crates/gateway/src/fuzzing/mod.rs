//! The properties of the parsers that the fuzz targets `gateway_…` check. Each function checks one
//! input, and panics if a property does not hold.

mod descriptors;
mod framing;
mod paths;
mod schema;
mod transcoding;

/// Path templates, one a line, and a request path on the last line. A template survives its text,
/// and a route is found if and only if a plain matcher finds one.
pub fn template(input: &[u8]) {
    paths::check_template(input);
}

/// A byte for the message type, and a query. What binds is JSON, and binds the same again.
pub fn query(input: &[u8]) {
    paths::check_query(input);
}

/// A byte for the message type, and JSON. What is read prints, and reads to the same message.
pub fn json(input: &[u8]) {
    transcoding::check_json(input);
}

/// A byte for the message type, and a message in the binary format. What prints is JSON that reads
/// and prints the same, and rewriting a message twice changes nothing.
pub fn wire(input: &[u8]) {
    transcoding::check_wire(input);
}

/// A byte for the maximum length, and a stream of JSON values. The values do not depend on how the
/// stream is cut, and a single value is found whole.
pub fn json_splitter(input: &[u8]) {
    framing::check_json_splitter(input);
}

/// A byte for the format, and a stream of it: `0` to `2` envelopes of gRPC, gRPC-Web and Connect,
/// `3` base64 of gRPC-Web-Text, `4` messages of `grpc-websockets` by lengths of a byte, `5`
/// packets, `6` a block of headers, `7` the end of a stream of Connect. Messages do not depend on
/// how the stream is cut, and survive encoding.
pub fn framing(input: &[u8]) {
    framing::check(input);
}

/// An encoded `FileDescriptorSet`. It is refused, or its types read and print messages.
pub fn descriptors(input: &[u8]) {
    descriptors::check(input);
}

/// An encoded `FileDescriptorSet` as reflection and files give them. It is refused, or all of its
/// services have their names, and linking it does not panic.
pub fn file_set(input: &[u8]) {
    descriptors::check_file_set(input);
}

/// `0` and the options of a method, `1` and a file of rules. Each rule is refused or has a template
/// that survives its text.
pub fn rules(input: &[u8]) {
    descriptors::check_rules(input);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Checks all inputs in the folders of a target. A published crate comes without them.
    fn replay(target: &str, check: fn(&[u8])) {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let seeds = fuzz.join("seeds").join(target);
        assert!(seeds.exists() || !fuzz.exists(), "{target} has seeds");
        for folder in [seeds, fuzz.join("corpus").join(target)] {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries {
                check(&fs::read(entry.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn every_known_input_passes() {
        replay("gateway_template", super::template);
        replay("gateway_query", super::query);
        replay("gateway_json", super::json);
        replay("gateway_wire", super::wire);
        replay("gateway_json_splitter", super::json_splitter);
        replay("gateway_framing", super::framing);
        replay("gateway_descriptors", super::descriptors);
        replay("gateway_file_set", super::file_set);
        replay("gateway_rules", super::rules);
    }
}

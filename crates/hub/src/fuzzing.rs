//! The properties of the decoders that the fuzz targets `hub_…` check. Each function checks one
//! input, and panics if a property does not hold.

/// Centrifuge's protocol: `0` and lines of JSON, or `1` and Protobuf. The commands stay within the
/// limits, those in Protobuf survive encoding, and a refusal fits a close frame.
pub fn centrifuge(input: &[u8]) {
    crate::protocol::centrifuge::fuzzing::check(input);
}

/// The protocol `sockeye.hub.v1`: `0` and `1`, a command in JSON and in the binary encoding; `2`
/// and `3`, a reply or event. A message survives encoding.
pub fn v1(input: &[u8]) {
    crate::protocol::v1::fuzzing::check(input);
}

/// The codecs of the router: `0` JSON, `1` text, `2` packets; `3` to `5` the same as binary
/// messages. Decoding makes progress, and every failure can be encoded.
pub fn router(input: &[u8]) {
    crate::router::fuzzing::check(input);
}

/// Tokens: `0` and a token, `1` and the claims of a token with a valid signature, `2` and a set of
/// keys, `3` and a PEM file. Nothing panics, and an accepted token names a user.
pub fn token(input: &[u8]) {
    crate::token::fuzzing::check(input);
}

/// Messages between nodes. A message survives encoding.
pub fn node(input: &[u8]) {
    crate::hub::fuzzing::check(input);
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
        replay("hub_centrifuge", super::centrifuge);
        replay("hub_v1", super::v1);
        replay("hub_router", super::router);
        replay("hub_token", super::token);
        replay("hub_node", super::node);
    }
}

//! A testee of protobuf's conformance runner, for JSON and the binary format.
//!
//! Run by `ci/protobuf-conformance.sh`: `protobuf_conformance SET`, where SET is a file with the
//! `FileDescriptorSet` of the test messages and of `conformance.proto`.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};

use sockeye_gateway::descriptor::{MessageId, Pool};
use sockeye_gateway::transcode::{
    ParseOptions, PrintOptions, Tables, json_to_wire, rewrite_wire, wire_to_json,
};

/// Numbers of the fields of `ConformanceRequest`.
mod request {
    pub(super) const PROTOBUF_PAYLOAD: u64 = 1;
    pub(super) const JSON_PAYLOAD: u64 = 2;
    pub(super) const OUTPUT_FORMAT: u64 = 3;
    pub(super) const MESSAGE_TYPE: u64 = 4;
    pub(super) const TEST_CATEGORY: u64 = 5;
    pub(super) const PRINT_UNKNOWN_FIELDS: u64 = 9;
}

/// Numbers of the fields of `ConformanceResponse`.
mod response {
    pub(super) const PARSE_ERROR: u8 = 1;
    pub(super) const PROTOBUF_PAYLOAD: u8 = 3;
    pub(super) const JSON_PAYLOAD: u8 = 4;
    pub(super) const SKIPPED: u8 = 5;
    pub(super) const SERIALIZE_ERROR: u8 = 6;
}

const PROTOBUF: u64 = 1;
const JSON: u64 = 2;
const JSON_IGNORE_UNKNOWN: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("expected a file with descriptors")?;
    let tables = Tables::new(&Pool::from_set(&std::fs::read(path)?)?)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        let (field, content) = Request::parse(&bytes)?.answer(&tables);
        let mut answer = vec![field << 3 | 2];
        put_varint(&mut answer, content.len() as u64);
        answer.extend_from_slice(&content);
        output.write_all(&u32::try_from(answer.len())?.to_le_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
}

/// A `ConformanceRequest`.
#[derive(Default)]
struct Request<'a> {
    protobuf: Option<&'a [u8]>,
    json: Option<&'a [u8]>,
    format: u64,
    message_type: &'a [u8],
    category: u64,
    print_unknown: bool,
}

impl<'a> Request<'a> {
    fn parse(mut bytes: &'a [u8]) -> Result<Self, &'static str> {
        const TRUNCATED: &str = "the request is cut short";

        let mut request = Self::default();
        while !bytes.is_empty() {
            let tag = take_varint(&mut bytes).ok_or(TRUNCATED)?;
            let value = take_varint(&mut bytes).ok_or(TRUNCATED)?;
            let mut text: &[u8] = &[];
            if tag & 7 == 2 {
                let length = usize::try_from(value).map_err(|_| TRUNCATED)?;
                (text, bytes) = bytes.split_at_checked(length).ok_or(TRUNCATED)?;
            }
            match tag >> 3 {
                request::PROTOBUF_PAYLOAD => request.protobuf = Some(text),
                request::JSON_PAYLOAD => request.json = Some(text),
                request::OUTPUT_FORMAT => request.format = value,
                request::MESSAGE_TYPE => request.message_type = text,
                request::TEST_CATEGORY => request.category = value,
                request::PRINT_UNKNOWN_FIELDS => request.print_unknown = value != 0,
                _ => {}
            }
        }
        Ok(request)
    }

    fn answer(&self, tables: &Tables) -> (u8, Vec<u8>) {
        if self.message_type == b"conformance.FailureSet" {
            return (response::PROTOBUF_PAYLOAD, Vec::new());
        }
        if (self.protobuf.is_none() && self.json.is_none())
            || !matches!(self.format, PROTOBUF | JSON)
            || self.print_unknown
        {
            return (response::SKIPPED, b"only JSON and the binary format".to_vec());
        }
        let name = String::from_utf8_lossy(self.message_type);
        let Some(id) = tables.find_message(&name) else {
            return (response::SKIPPED, format!("no descriptor of {name}").into_bytes());
        };
        match self.wire(tables, id) {
            Ok(wire) if self.format == PROTOBUF => (response::PROTOBUF_PAYLOAD, wire),
            Ok(wire) => {
                let mut json = Vec::new();
                match wire_to_json(tables, id, &wire, &mut json, &PrintOptions::default()) {
                    Ok(()) => (response::JSON_PAYLOAD, json),
                    Err(error) => (response::SERIALIZE_ERROR, error.to_string().into_bytes()),
                }
            }
            Err(error) => (response::PARSE_ERROR, error.to_string().into_bytes()),
        }
    }

    /// The message in the binary format.
    fn wire(&self, tables: &Tables, id: MessageId) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut wire = Vec::new();
        match (self.protobuf, self.json) {
            (Some(payload), _) => rewrite_wire(tables, id, payload, &mut wire)?,
            (None, json) => {
                let ignore = self.category == JSON_IGNORE_UNKNOWN;
                let options = ParseOptions::default().ignore_unknown(ignore);
                json_to_wire(tables, id, json.unwrap_or_default(), &mut wire, &options)?;
            }
        }
        Ok(wire)
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

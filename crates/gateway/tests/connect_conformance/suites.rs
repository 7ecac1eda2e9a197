//! The cases of the suites and their permutations.

use std::fs;

use prost::Message as _;

use crate::expected::{self, pad};
use crate::messages::{CODEC_JSON, CallRequest, CallResponse, StreamType, TestSuite};
use crate::schema::{Codec, Schema, folder};
use crate::yaml;

/// Maximum length of a request in the cases with a limit, in bytes: that of the suite's own runner.
pub(crate) const REQUEST_LIMIT: u32 = 200 * 1024;

/// The protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Connect,
    Grpc,
    GrpcWeb,
    /// gRPC-Web in base64, which the suite does not know: its cases of gRPC-Web are run.
    GrpcWebText,
}

impl Protocol {
    const ALL: [Self; 4] = [Self::Connect, Self::Grpc, Self::GrpcWeb, Self::GrpcWebText];

    /// Returns the number of the protocol in the suite.
    fn number(self) -> i32 {
        match self {
            Self::Connect => 1,
            Self::Grpc => 2,
            Self::GrpcWeb | Self::GrpcWebText => 3,
        }
    }
}

/// The gateway before which a case is run, and its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The gateway has its default limit, and the service none.
    Default,
    /// The service has the limit of the suite.
    Service,
    /// The gateway has the limit of the suite.
    Gateway,
    /// As [`Default`](Self::Default), with TLS and certificates of the clients on both connections.
    Tls,
}

/// A case in one of the forms in which it is run.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    pub(crate) name: String,
    pub(crate) is_http2: bool,
    pub(crate) protocol: Protocol,
    pub(crate) codec: Codec,
    pub(crate) is_compressed: bool,
    pub(crate) setup: Setup,
    pub(crate) request: CallRequest,
    pub(crate) expected: CallResponse,
    /// The numbers of other codes that the case accepts.
    pub(crate) other_codes: Vec<i32>,
}

/// Loads the suites, and returns the number of cases and their permutations.
pub(crate) fn load(schema: &Schema) -> (usize, Vec<Permutation>) {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let (mut cases, mut permutations) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let json = yaml::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let wire = schema.to_wire("TestSuite", json.to_string().as_bytes());
        let wire = wire.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let suite = TestSuite::decode(wire.as_slice()).unwrap();
        cases += suite.test_cases.len();
        expand(&suite, &mut permutations);
    }
    (cases, permutations)
}

fn expand(suite: &TestSuite, permutations: &mut Vec<Permutation>) {
    let is_relevant =
        |relevant: &[i32], number: i32| relevant.is_empty() || relevant.contains(&number);
    for protocol in Protocol::ALL {
        for version in 1..=2 {
            for codec in 1..=CODEC_JSON {
                for compression in 1..=2 {
                    let is_possible = protocol != Protocol::Grpc || version == 2;
                    let is_relevant = is_relevant(&suite.relevant_protocols, protocol.number())
                        && is_relevant(&suite.relevant_http_versions, version)
                        && is_relevant(&suite.relevant_codecs, codec)
                        && is_relevant(&suite.relevant_compressions, compression);
                    if is_possible && is_relevant {
                        let form = Form {
                            protocol,
                            is_http2: version == 2,
                            codec: if codec == CODEC_JSON { Codec::Json } else { Codec::Proto },
                            is_compressed: compression == 2,
                        };
                        form.expand(suite, permutations);
                    }
                }
            }
        }
    }
}

/// The form of all calls of a permutation.
#[derive(Clone, Copy, Debug)]
struct Form {
    protocol: Protocol,
    is_http2: bool,
    codec: Codec,
    is_compressed: bool,
}

impl Form {
    fn expand(self, suite: &TestSuite, permutations: &mut Vec<Permutation>) {
        let Self { protocol, is_http2, codec, is_compressed } = self;
        for case in &suite.test_cases {
            let mut request = case.request.clone().unwrap();
            let is_impossible = request.stream_type() == StreamType::FullDuplex && !is_http2;
            // A request that a case spells has no other form.
            let is_spelled = protocol == Protocol::GrpcWebText && request.raw_request.is_some();
            if is_impossible || is_spelled {
                continue;
            }
            for (message, size) in request.request_messages.iter_mut().zip(&case.expand_requests) {
                if let Some(relative) = size.size_relative_to_limit {
                    let size = REQUEST_LIMIT.checked_add_signed(relative).unwrap();
                    *message = pad(message, size as usize);
                }
            }
            let expected = case.expected_response.clone();
            let expected = expected.unwrap_or_else(|| expected::response(&request));
            // The gateway passes messages of gRPC unread: a compressed one counts as it is.
            let is_counted = protocol == Protocol::Connect || !is_compressed;
            let setups = match (suite.relies_on_message_receive_limit, &expected.error) {
                _ if suite.relies_on_tls => &[Setup::Tls][..],
                (false, _) => &[Setup::Default],
                (true, Some(_)) if is_counted => &[Setup::Service, Setup::Gateway],
                (true, _) => &[Setup::Service],
            };
            for &setup in setups {
                let version = if is_http2 { "2" } else { "1.1" };
                let compression = if is_compressed { "gzip" } else { "identity" };
                permutations.push(Permutation {
                    name: format!(
                        "{}/{} ({protocol:?}, HTTP/{version}, {codec:?}, {compression}, {setup:?})",
                        suite.name, request.test_name
                    ),
                    is_http2,
                    protocol,
                    codec,
                    is_compressed,
                    setup,
                    request: request.clone(),
                    expected: expected.clone(),
                    other_codes: case.other_allowed_error_codes.clone(),
                });
            }
        }
    }
}

//! The parameters of permessage-deflate (RFC 7692 section 7.1): all combinations, and Sockeye's
//! reaction to them.

use serde_json::{Value, json};
use sockeye::Deflate;

/// The parameters of an offer, an answer or a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_max_window_bits: Bits,
    pub(crate) client_max_window_bits: Bits,
}

/// A limit of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bits {
    /// The parameter is absent.
    #[default]
    Absent,
    /// The parameter has no value: only in offers, and only for the client's window.
    Any,
    Most(u8),
}

impl Bits {
    pub(crate) fn value(self) -> Option<u8> {
        match self {
            Self::Most(bits) => Some(bits),
            Self::Absent | Self::Any => None,
        }
    }

    /// Returns the resulting window, in bits.
    pub(crate) fn window(self) -> u8 {
        self.value().unwrap_or(15)
    }

    fn to_json(self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Any => Value::Bool(true),
            Self::Most(bits) => bits.into(),
        }
    }
}

/// Returns whether tests walk through all combinations: if the environment has
/// `SOCKEYE_ALL_COMBINATIONS`, as in `ci/nightly.sh`.
pub(crate) fn are_all_combined() -> bool {
    std::env::var_os("SOCKEYE_ALL_COMBINATIONS").is_some()
}

/// Returns the step by which a test walks through the combinations: one for all of them, and else
/// three, which meets every value of every parameter.
pub(crate) fn step() -> usize {
    if are_all_combined() { 1 } else { 3 }
}

/// Returns no permessage-deflate, and then all combinations with these windows.
pub(crate) fn combinations(server: &[Bits], client: &[Bits]) -> Vec<Option<Parameters>> {
    let mut all = vec![None];
    for flags in 0..4 {
        for &server_max_window_bits in server {
            for &client_max_window_bits in client {
                all.push(Some(Parameters {
                    server_no_context_takeover: flags & 1 != 0,
                    client_no_context_takeover: flags & 2 != 0,
                    server_max_window_bits,
                    client_max_window_bits,
                }));
            }
        }
    }
    all
}

impl Parameters {
    /// Parses a `Sec-WebSocket-Extensions` header.
    pub(crate) fn parse(header: &str) -> Self {
        let mut parts = header.split(';').map(str::trim);
        assert_eq!(parts.next(), Some("permessage-deflate"), "{header}");
        let mut parameters = Self::default();
        for part in parts {
            let (name, bits) = match part.split_once('=') {
                Some((name, value)) => (name, Bits::Most(value.parse().unwrap())),
                None => (part, Bits::Any),
            };
            match name {
                "server_no_context_takeover" => parameters.server_no_context_takeover = true,
                "client_no_context_takeover" => parameters.client_no_context_takeover = true,
                "server_max_window_bits" => parameters.server_max_window_bits = bits,
                "client_max_window_bits" => parameters.client_max_window_bits = bits,
                _ => panic!("{header}"),
            }
        }
        parameters
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "server_no_context_takeover": self.server_no_context_takeover,
            "client_no_context_takeover": self.client_no_context_takeover,
            "server_max_window_bits": self.server_max_window_bits.to_json(),
            "client_max_window_bits": self.client_max_window_bits.to_json(),
        })
    }

    /// Returns the configuration of a Sockeye client that offers these parameters. Such a client
    /// always offers that its window can be limited, and states no limit of 15.
    pub(crate) fn for_client(self) -> Deflate {
        Deflate::new()
            .no_context_takeover(self.client_no_context_takeover)
            .peer_no_context_takeover(self.server_no_context_takeover)
            .max_window_bits(self.client_max_window_bits.window())
            .and_then(|deflate| deflate.peer_max_window_bits(self.server_max_window_bits.window()))
            .unwrap()
    }

    /// Returns the configuration of a Sockeye server with these parameters.
    pub(crate) fn for_server(self) -> Deflate {
        Deflate::new()
            .no_context_takeover(self.server_no_context_takeover)
            .peer_no_context_takeover(self.client_no_context_takeover)
            .max_window_bits(self.server_max_window_bits.window())
            .and_then(|deflate| deflate.peer_max_window_bits(self.client_max_window_bits.window()))
            .unwrap()
    }

    /// Returns the answer to `offer` of a Sockeye server configured with `self`: the stricter of
    /// both values, as far as the offer allows, the server's window only where the offer asks for
    /// one, and no defaults.
    pub(crate) fn answer_of_sockeye(self, offer: Self) -> Self {
        let server = self.window_of_sockeye(offer);
        let requested = offer.server_max_window_bits != Bits::Absent;
        let client =
            offer.client_max_window_bits.window().min(self.client_max_window_bits.window());
        let limitable = offer.client_max_window_bits != Bits::Absent;
        let stated = |bits, when: bool| if when { Bits::Most(bits) } else { Bits::Absent };
        Self {
            server_max_window_bits: stated(server, requested),
            client_max_window_bits: stated(client, limitable && client < 15),
            ..self.takeovers(offer)
        }
    }

    /// Returns the window in bits with which a Sockeye server configured with `self` compresses
    /// after `offer`, stated or not.
    pub(crate) fn window_of_sockeye(self, offer: Self) -> u8 {
        offer.server_max_window_bits.window().min(self.server_max_window_bits.window())
    }

    /// Combines the context takeover of both: either side can disable it, with every server.
    pub(crate) fn takeovers(self, offer: Self) -> Self {
        Self {
            server_no_context_takeover: self.server_no_context_takeover
                || offer.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover
                || offer.client_no_context_takeover,
            ..Self::default()
        }
    }
}

use std::borrow::Cow;

use super::side::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use super::{Deflate, NAME, NegotiationError, Parameters, Side};
use crate::excerpt::excerpt;
use crate::extension::Extension;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

impl Deflate {
    /// Returns the offer that a client sends in its request.
    pub fn offer(&self) -> Extension<'static> {
        let mut offer = Extension::new(NAME);
        if self.peer_no_context_takeover {
            offer = offer.param(SERVER_NO_CONTEXT_TAKEOVER, None);
        }
        if self.no_context_takeover {
            offer = offer.param(CLIENT_NO_CONTEXT_TAKEOVER, None);
        }
        if self.peer_max_window_bits < MAX_WINDOW_BITS {
            offer = offer.param(SERVER_MAX_WINDOW_BITS, Some(decimal(self.peer_max_window_bits)));
        }
        // Without a value the parameter says that the server may choose.
        let bits = self.max_window_bits;
        offer.param(CLIENT_MAX_WINDOW_BITS, (bits < MAX_WINDOW_BITS).then(|| decimal(bits)))
    }

    /// Accepts the first offer of permessage-deflate that a server can accept, and returns the
    /// parameters and the server's answer. Returns `None` when there is no such offer: the
    /// connection then has no compression.
    ///
    /// Other extensions are ignored.
    pub fn accept(&self, offers: &[Extension<'_>]) -> Option<(Parameters, Extension<'static>)> {
        //= https://www.rfc-editor.org/rfc/rfc7692#section-7
        //# A server MUST decline an extension negotiation offer for this
        //# extension if any of the following conditions are met:
        offers
            .iter()
            .filter(|offer| offer.name() == NAME)
            .find_map(|offer| OfferedParameters::read(offer, NegotiationStep::Offer).ok())
            .map(|terms| self.answer(terms))
    }

    fn answer(&self, offered: OfferedParameters) -> (Parameters, Extension<'static>) {
        let server = Side {
            no_context_takeover: offered.server_no_context_takeover || self.no_context_takeover,
            max_window_bits: offered.server_bits().min(self.max_window_bits),
        };
        // Section 7.1.2.2: a server must not limit a client that did not say that it supports
        // limits.
        let client_bits = match offered.client_max_window_bits {
            Some(bits) => bits.min(self.peer_max_window_bits),
            None => MAX_WINDOW_BITS,
        };
        let client = Side {
            no_context_takeover: offered.client_no_context_takeover
                || self.peer_no_context_takeover,
            max_window_bits: client_bits,
        };
        let mut answer = Extension::new(NAME);
        if server.no_context_takeover {
            answer = answer.param(SERVER_NO_CONTEXT_TAKEOVER, None);
        }
        if client.no_context_takeover {
            answer = answer.param(CLIENT_NO_CONTEXT_TAKEOVER, None);
        }
        // A smaller window than agreed breaks nothing, and some clients refuse a limit that they
        // did not request.
        if offered.server_max_window_bits.is_some() {
            answer = answer.param(SERVER_MAX_WINDOW_BITS, Some(decimal(server.max_window_bits)));
        }
        if client.max_window_bits < MAX_WINDOW_BITS {
            answer = answer.param(CLIENT_MAX_WINDOW_BITS, Some(decimal(client.max_window_bits)));
        }
        (Parameters { client, server }, answer)
    }

    /// Checks a server's answer to [`Deflate::offer`], and returns the agreed parameters. The
    /// caller must have checked that the answer's name is [`NAME`].
    ///
    /// # Errors
    /// The first rule that the server broke; the connection must be failed.
    pub fn confirm(&self, answer: &Extension<'_>) -> Result<Parameters, NegotiationError> {
        //= https://www.rfc-editor.org/rfc/rfc7692#section-7
        //# A client MUST _Fail the WebSocket Connection_ if the peer server
        //# accepted an extension negotiation offer for this extension with an
        //# extension negotiation response meeting any of the following
        //# conditions:
        let terms = OfferedParameters::read(answer, NegotiationStep::Answer)?;
        // A server that ignores the requests for its own compressor (gorilla, Jetty, Tornado,
        // Mojolicious and libwebsockets do) is not refused: the decompressor has the largest
        // window, and keeps it between messages unless the answer agrees to
        // `server_no_context_takeover`.
        if let Some(answered) = terms.server_max_window_bits {
            let offered = self.peer_max_window_bits;
            if answered > offered {
                let name = SERVER_MAX_WINDOW_BITS;
                return Err(NegotiationError::WindowTooLarge { name, offered, answered });
            }
        }
        // Section 7.1.2.2: the value must not exceed that of the offer, if the offer had one.
        let own = terms.client_max_window_bits.unwrap_or(self.max_window_bits);
        if own > self.max_window_bits {
            return Err(NegotiationError::WindowTooLarge {
                name: CLIENT_MAX_WINDOW_BITS,
                offered: self.max_window_bits,
                answered: own,
            });
        }
        Ok(Parameters {
            client: Side {
                no_context_takeover: terms.client_no_context_takeover || self.no_context_takeover,
                max_window_bits: own,
            },
            server: Side {
                no_context_takeover: terms.server_no_context_takeover,
                max_window_bits: terms.server_bits(),
            },
        })
    }
}

/// The parameters as written in an offer or an answer.
#[derive(Clone, Copy, Debug, Default)]
struct OfferedParameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

/// The message in which parameters are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NegotiationStep {
    Offer,
    Answer,
}

impl OfferedParameters {
    fn read(extension: &Extension<'_>, step: NegotiationStep) -> Result<Self, NegotiationError> {
        let mut terms = Self::default();
        for (name, value) in extension.params() {
            let (name, first) = match name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    no_value(SERVER_NO_CONTEXT_TAKEOVER, value)?;
                    let seen = &mut terms.server_no_context_takeover;
                    (SERVER_NO_CONTEXT_TAKEOVER, !std::mem::replace(seen, true))
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    no_value(CLIENT_NO_CONTEXT_TAKEOVER, value)?;
                    let seen = &mut terms.client_no_context_takeover;
                    (CLIENT_NO_CONTEXT_TAKEOVER, !std::mem::replace(seen, true))
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(SERVER_MAX_WINDOW_BITS, value)?;
                    let first = terms.server_max_window_bits.replace(bits).is_none();
                    (SERVER_MAX_WINDOW_BITS, first)
                }
                CLIENT_MAX_WINDOW_BITS => {
                    // In an offer the parameter may have no value, and then sets no limit
                    // (section 7.1.2.2).
                    let bits = if value.is_none() && step == NegotiationStep::Offer {
                        MAX_WINDOW_BITS
                    } else {
                        window_bits(CLIENT_MAX_WINDOW_BITS, value)?
                    };
                    let first = terms.client_max_window_bits.replace(bits).is_none();
                    (CLIENT_MAX_WINDOW_BITS, first)
                }
                name => {
                    return Err(NegotiationError::UnknownParameter { name: excerpt(name) });
                }
            };
            if !first {
                return Err(NegotiationError::DuplicateParameter { name });
            }
        }
        Ok(terms)
    }

    fn server_bits(self) -> u8 {
        self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS)
    }
}

fn no_value(name: &'static str, value: Option<&str>) -> Result<(), NegotiationError> {
    match value {
        None => Ok(()),
        Some(value) => Err(NegotiationError::InvalidValue { name, value: Some(excerpt(value)) }),
    }
}

fn window_bits(name: &'static str, value: Option<&str>) -> Result<u8, NegotiationError> {
    //= https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2.1
    //# This parameter has a decimal integer value without leading zeroes
    //# between 8 to 15, inclusive,
    value
        .filter(|digits| !digits.starts_with(['0', '+']))
        .and_then(|digits| digits.parse().ok())
        .filter(|bits| (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(bits))
        .ok_or_else(|| NegotiationError::InvalidValue { name, value: value.map(excerpt) })
}

fn decimal(bits: u8) -> Cow<'static, str> {
    bits.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> Vec<Extension<'_>> {
        Extension::parse_list([list]).unwrap()
    }

    fn accepted(deflate: &Deflate, offers: &str) -> Option<(Parameters, String)> {
        let (parameters, answer) = deflate.accept(&parsed(offers))?;
        Some((parameters, answer.to_string()))
    }

    fn answer(deflate: &Deflate, offers: &str) -> Option<String> {
        accepted(deflate, offers).map(|(_, answer)| answer)
    }

    fn confirmed(deflate: &Deflate, answer: &str) -> Result<Parameters, NegotiationError> {
        deflate.confirm(&parsed(answer)[0])
    }

    fn side(no_context_takeover: bool, max_window_bits: u8) -> Side {
        Side { no_context_takeover, max_window_bits }
    }

    /// Returns every configuration that negotiation distinguishes, the same for both sides.
    fn every_setting() -> Vec<Deflate> {
        let mut settings = Vec::new();
        for (own, peer) in [(false, false), (false, true), (true, false), (true, true)] {
            for (bits, peer_bits) in [(15, 15), (15, 8), (8, 15), (10, 12), (12, 10)] {
                settings.push(
                    Deflate::new()
                        .no_context_takeover(own)
                        .peer_no_context_takeover(peer)
                        .max_window_bits(bits)
                        .and_then(|deflate| deflate.peer_max_window_bits(peer_bits))
                        .unwrap(),
                );
            }
        }
        settings
    }

    #[test]
    fn a_client_offers_its_settings() {
        let plain = Deflate::new();
        assert_eq!(plain.offer().to_string(), "permessage-deflate; client_max_window_bits");
        let all = plain.no_context_takeover(true).peer_no_context_takeover(true);
        let all = all.max_window_bits(10).unwrap().peer_max_window_bits(9).unwrap();
        assert_eq!(
            all.offer().to_string(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=10"
        );
    }

    #[test]
    fn a_server_answers_the_offer_within_its_own_settings() {
        let plain = Deflate::new();
        let name = "permessage-deflate";
        for (offer, expected) in [
            ("", ""),
            ("; client_max_window_bits", ""),
            ("; client_max_window_bits=15", ""),
            ("; client_max_window_bits=9", "; client_max_window_bits=9"),
            ("; server_max_window_bits=15", "; server_max_window_bits=15"),
            ("; server_max_window_bits=\"8\"", "; server_max_window_bits=8"),
            ("; client_no_context_takeover", "; client_no_context_takeover"),
            ("; server_no_context_takeover", "; server_no_context_takeover"),
        ] {
            let expected = Some(format!("{name}{expected}"));
            assert_eq!(answer(&plain, &format!("{name}{offer}")), expected, "{offer}");
        }
        let set = plain.no_context_takeover(true).peer_no_context_takeover(true);
        let set = set.max_window_bits(10).unwrap().peer_max_window_bits(9).unwrap();
        let both = "; server_no_context_takeover; client_no_context_takeover";
        for (offer, expected) in [
            ("", ""),
            ("; client_max_window_bits", "; client_max_window_bits=9"),
            ("; client_max_window_bits=8", "; client_max_window_bits=8"),
            ("; server_max_window_bits=12", "; server_max_window_bits=10"),
            ("; server_max_window_bits=9", "; server_max_window_bits=9"),
        ] {
            let expected = Some(format!("{name}{both}{expected}"));
            assert_eq!(answer(&set, &format!("{name}{offer}")), expected, "{offer}");
        }
    }

    #[test]
    fn an_offer_that_breaks_a_rule_is_declined() {
        for bad in [
            "; x",
            "; server_max_window_bits",
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=010",
            "; server_max_window_bits=+9",
            "; server_max_window_bits=9x",
            "; client_max_window_bits=0",
            "; client_max_window_bits=256",
            "; client_no_context_takeover=1",
            "; server_no_context_takeover=true",
            "; client_max_window_bits; client_max_window_bits",
            "; client_no_context_takeover; client_no_context_takeover",
            "; server_no_context_takeover; server_no_context_takeover",
            "; server_max_window_bits=9; server_max_window_bits=9",
        ] {
            let offer = format!("permessage-deflate{bad}");
            assert_eq!(answer(&Deflate::new(), &offer), None, "{offer}");
        }
        assert_eq!(answer(&Deflate::new(), "x-webkit-deflate-frame, permessage-bzip2"), None);
        assert_eq!(answer(&Deflate::new(), ""), None);
    }

    #[test]
    fn the_first_acceptable_offer_is_taken() {
        let offers = "other, permessage-deflate; x, permessage-deflate; server_max_window_bits=9, \
                      permessage-deflate";
        let expected = (
            Parameters { client: side(false, 15), server: side(false, 9) },
            "permessage-deflate; server_max_window_bits=9".to_owned(),
        );
        assert_eq!(accepted(&Deflate::new(), offers), Some(expected));
    }

    #[test]
    fn client_and_server_come_to_the_same_parameters() {
        for client in every_setting() {
            for server in every_setting() {
                let offer = client.offer().to_string();
                let (at_server, answer) = accepted(&server, &offer).unwrap();
                let mut expected = at_server;
                if client.peer_max_window_bits == MAX_WINDOW_BITS {
                    // The client requested no limit, and the answer states none.
                    expected.server.max_window_bits = MAX_WINDOW_BITS;
                }
                assert_eq!(confirmed(&client, &answer), Ok(expected), "{offer} / {answer}");
                let agreed = at_server.client;
                assert!(agreed.no_context_takeover >= client.no_context_takeover);
                assert!(agreed.no_context_takeover >= server.peer_no_context_takeover);
                assert!(agreed.max_window_bits <= client.max_window_bits);
                assert!(agreed.max_window_bits <= server.peer_max_window_bits);
                let agreed = at_server.server;
                assert!(agreed.no_context_takeover >= server.no_context_takeover);
                assert!(agreed.no_context_takeover >= client.peer_no_context_takeover);
                assert!(agreed.max_window_bits <= server.max_window_bits);
                assert!(agreed.max_window_bits <= client.peer_max_window_bits);
            }
        }
    }

    #[test]
    fn a_server_may_limit_both_sides_unrequested() {
        let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                      server_max_window_bits=10; client_max_window_bits=11";
        let expected = Parameters { client: side(true, 11), server: side(true, 10) };
        assert_eq!(confirmed(&Deflate::new(), answer), Ok(expected));
    }

    #[test]
    fn an_answer_that_breaks_a_rule_is_refused_with_that_rule() {
        let invalid = |name, value: Option<&str>| NegotiationError::InvalidValue {
            name,
            value: value.map(Into::into),
        };
        for (answer, expected) in [
            ("x=1", NegotiationError::UnknownParameter { name: "x".into() }),
            (
                "client_no_context_takeover; client_no_context_takeover",
                NegotiationError::DuplicateParameter { name: CLIENT_NO_CONTEXT_TAKEOVER },
            ),
            ("client_max_window_bits", invalid(CLIENT_MAX_WINDOW_BITS, None)),
            ("client_max_window_bits=16", invalid(CLIENT_MAX_WINDOW_BITS, Some("16"))),
            ("server_max_window_bits", invalid(SERVER_MAX_WINDOW_BITS, None)),
            ("server_max_window_bits=08", invalid(SERVER_MAX_WINDOW_BITS, Some("08"))),
            ("server_no_context_takeover=0", invalid(SERVER_NO_CONTEXT_TAKEOVER, Some("0"))),
        ] {
            let answer = format!("permessage-deflate; {answer}");
            assert_eq!(confirmed(&Deflate::new(), &answer), Err(expected), "{answer}");
        }
    }

    #[test]
    fn what_an_error_quotes_is_bounded() {
        let long = "x".repeat(1000);
        let quoted = format!("{}…", "x".repeat(64));
        let error = confirmed(&Deflate::new(), &format!("permessage-deflate; {long}"));
        assert_eq!(error, Err(NegotiationError::UnknownParameter { name: quoted.clone() }));
        for name in [SERVER_MAX_WINDOW_BITS, SERVER_NO_CONTEXT_TAKEOVER] {
            let error = confirmed(&Deflate::new(), &format!("permessage-deflate; {name}={long}"));
            let value = Some(quoted.clone());
            assert_eq!(error, Err(NegotiationError::InvalidValue { name, value }));
        }
    }

    #[test]
    fn a_server_that_ignores_what_it_was_asked_is_borne() {
        let requests =
            Deflate::new().peer_no_context_takeover(true).peer_max_window_bits(9).unwrap();
        for (answer, server) in [
            ("permessage-deflate", side(false, 15)),
            ("permessage-deflate; server_no_context_takeover", side(true, 15)),
            ("permessage-deflate; server_max_window_bits=9", side(false, 9)),
        ] {
            let expected = Parameters { client: side(false, 15), server };
            assert_eq!(confirmed(&requests, answer), Ok(expected), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_the_offer_is_refused() {
        let small = Deflate::new().max_window_bits(10).unwrap().peer_max_window_bits(9).unwrap();
        for (deflate, answer, expected) in [
            (
                &small,
                "permessage-deflate; server_max_window_bits=10",
                NegotiationError::WindowTooLarge {
                    name: SERVER_MAX_WINDOW_BITS,
                    offered: 9,
                    answered: 10,
                },
            ),
            (
                &small,
                "permessage-deflate; server_max_window_bits=9; client_max_window_bits=11",
                NegotiationError::WindowTooLarge {
                    name: CLIENT_MAX_WINDOW_BITS,
                    offered: 10,
                    answered: 11,
                },
            ),
        ] {
            assert_eq!(confirmed(deflate, answer), Err(expected), "{answer}");
        }
    }
}

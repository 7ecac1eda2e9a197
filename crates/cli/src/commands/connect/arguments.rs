//! The arguments of `sockeye connect`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::condition::Condition;
use super::framing::Framing;
use super::script;
use crate::client::ClientArguments;
use crate::units;

/// Open a WebSocket from the terminal, or join it to pipes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye connect ws://localhost:8080/echo
  sockeye connect wss://example.com/chat -H 'Authorization: Bearer …' --compressed
  echo hello | sockeye connect ws://localhost:8080/echo
  sockeye connect ws://localhost:8080/echo -d ping --expect ping --timeout 5s
  sockeye connect ws://localhost:8080/feed --frame ndjson -n 100 > feed.ndjson
  sockeye connect ws://localhost:8080/echo --script login.ws --variable user=ada

On a terminal, each line is a message, pasted lines are one message, and Ctrl-D closes. With \
--slash, a line that begins with / is a command: /ping, /close [CODE [REASON]], /binary \
TEXT|@FILE, /quit. Control characters in received text are escaped on a terminal.

Without a terminal, --frame says where messages begin and end, in both directions:
  line    a line of text each; received messages are followed by a line feed
  nul     the same with a zero byte in place of the line feed
  len32   the length in four bytes, highest first, then the message
  ndjson  {\"type\":\"text\",\"data\":\"…\"}, {\"type\":\"binary\",\"base64\":\"…\"}, {\"type\":\"close\",…}
  raw     what one read returns, as binary messages; received messages without separators
  whole   all of the input as one message; received messages without separators

Exit codes:
  0    the connection ended in order, or everything expected has arrived
  1    other errors, such as output that cannot be written
  2    wrong arguments or input
  3    the host was not found
  4    no connection
  5    the TLS handshake failed
  6    the server refused the WebSocket
  7    the server broke the protocol
  8    the connection ended without a closing handshake
  9    the server closed with a code other than 1000 and 1001
  10   --timeout or --connect-timeout expired
  11   the connection ended before -n or --expect was fulfilled, or a step of --script failed
  130  Ctrl-C or SIGTERM")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Connect {
    /// The URL: ws, wss, http or https
    #[arg(value_name = "URL")]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) client: ClientArguments,

    /// Request a subprotocol (repeatable, in order of preference)
    #[arg(short, long, value_name = "NAME", help_heading = "Request")]
    pub(super) subprotocol: Vec<String>,

    /// Offer permessage-deflate
    #[arg(long, help_heading = "Request")]
    pub(super) compressed: bool,

    /// Follow up to 10 redirects
    #[arg(short = 'L', long, help_heading = "Request")]
    pub(super) location: bool,

    /// Use HTTP/2: with wss chosen by ALPN, with ws by prior knowledge
    #[arg(long, help_heading = "Transport", conflicts_with_all = ["unix_socket", "location"])]
    pub(super) http2: bool,

    /// The form of messages on pipes
    #[arg(long, value_enum, default_value_t = Framing::Line, help_heading = "Messages")]
    pub(super) frame: Framing,

    /// Send binary messages
    #[arg(long, help_heading = "Messages")]
    pub(super) binary: bool,

    /// Send this message in place of standard input (repeatable)
    #[arg(short, long, value_name = "TEXT", help_heading = "Messages")]
    pub(super) data: Vec<String>,

    /// Send each message in fragments of this size
    #[arg(long, value_name = "SIZE", value_parser = fragment, help_heading = "Messages")]
    pub(super) fragment: Option<NonZeroUsize>,

    /// Maximum length of a message, sent or received
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "256MiB")]
    #[arg(help_heading = "Messages")]
    pub(super) max_message: usize,

    /// Write all messages of both directions to a file, as ndjson
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
    pub(super) record: Option<PathBuf>,

    /// Send the sent messages of a recording in place of standard input
    #[arg(long, value_name = "FILE", help_heading = "Messages", conflicts_with = "data")]
    pub(super) replay: Option<PathBuf>,

    /// Run the steps of a file, such as send and expect, in place of standard input; - for standard
    /// input. See docs/connect.md
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
    #[arg(conflicts_with_all = ["data", "replay", "count", "expect", "on_eof", "slash"])]
    pub(super) script: Option<PathBuf>,

    /// The value of {{NAME}} in the script (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Messages", requires = "script")]
    #[arg(value_parser = variable)]
    pub(super) variable: Vec<(String, String)>,

    /// Write received text to a terminal as it is: it can control the terminal
    #[arg(long, help_heading = "Messages")]
    pub(super) no_escape: bool,

    /// Take commands such as /ping on a terminal
    #[arg(long, help_heading = "Messages")]
    pub(super) slash: bool,

    /// End after this number of received messages
    #[arg(short = 'n', long, value_name = "N", value_parser = units::connections)]
    #[arg(help_heading = "End")]
    pub(super) count: Option<usize>,

    /// End at the first received message that matches. A condition on JSON begins with $. or $[,
    /// such as '$.type == "pong"', any other is a regular expression
    #[arg(long, value_name = "REGEX|JSONPATH", help_heading = "End")]
    #[arg(value_parser = Condition::parse_flag)]
    pub(super) expect: Option<Condition>,

    /// At the end of the input: wait[=DURATION] closes after that silence, and after 30 s at most;
    /// close closes at once; stay leaves the connection open. Default: wait=1s, or stay with -n or
    /// --expect
    #[arg(long, value_name = "wait[=DURATION]|close|stay", help_heading = "End")]
    pub(super) on_eof: Option<OnEof>,

    /// Time for everything, from the start of the program
    #[arg(short = 'm', long, value_name = "DURATION", value_parser = units::duration)]
    #[arg(help_heading = "End")]
    pub(super) timeout: Option<Duration>,

    #[arg(short, long, value_name = "FORMAT", help_heading = "End", help = WRITE_OUT_HELP)]
    pub(super) write_out: Option<String>,
}

const WRITE_OUT_HELP: &str = "Print a text at the end, with %{http_code}, %{exitcode}, \
    %{close_code}, %{remote_ip}, %{remote_port}, the seconds from the start to the end of each \
    stage, %{time_namelookup}, %{time_connect}, %{time_appconnect} (TLS), %{time_handshake}, \
    %{time_first_message} and %{time_total}, and %{num_sent}, %{num_received}, %{size_sent} and \
    %{size_received}";

/// The action at the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnEof {
    /// Closes after this time without a received message.
    Wait(Duration),
    /// Closes at once.
    Close,
    /// Leaves the connection open.
    Stay,
}

/// Time without a received message after which `wait` closes.
const DEFAULT_SILENCE: Duration = Duration::from_secs(1);

impl FromStr for OnEof {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("wait", silence)) => Ok(Self::Wait(units::duration(silence)?)),
            None if text == "wait" => Ok(Self::Wait(DEFAULT_SILENCE)),
            None if text == "close" => Ok(Self::Close),
            None if text == "stay" => Ok(Self::Stay),
            _ => Err("expected wait, wait=5s, close or stay".to_owned()),
        }
    }
}

impl Connect {
    /// Returns the action at the end of the input. Where a number or a match is expected, a
    /// silence does not end the wait for it.
    pub(super) fn on_eof(&self) -> OnEof {
        let awaits = self.count.is_some() || self.expect.is_some();
        let default = if awaits { OnEof::Stay } else { OnEof::Wait(DEFAULT_SILENCE) };
        self.on_eof.unwrap_or(default)
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if script::is_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, with a name of letters, digits, _ and -".to_owned()),
    }
}

fn fragment(text: &str) -> Result<NonZeroUsize, String> {
    units::size(text).and_then(|size| NonZeroUsize::new(size).ok_or_else(|| "at least 1".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_input_has_three_actions() {
        assert_eq!("wait=2s".parse(), Ok(OnEof::Wait(Duration::from_secs(2))));
        assert_eq!("close".parse(), Ok(OnEof::Close));
        assert!("wait=soon".parse::<OnEof>().is_err());
        assert!("leave".parse::<OnEof>().is_err());
    }
}

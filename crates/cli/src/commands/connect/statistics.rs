//! Statistics of a session, for `--write-out`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sockeye::http::StatusCode;
use sockeye::{CloseCode, Stage};

use super::placeholders;

/// Statistics of a session.
#[derive(Debug)]
pub(super) struct Statistics {
    begun: Instant,
    /// Time of opening the connection, or of the failure to open it.
    pub(super) handshake: Option<Duration>,
    /// Times at which the name was resolved, and TCP and TLS connected.
    resolved: Option<Duration>,
    connected: Option<Duration>,
    secured: Option<Duration>,
    first_message: Option<Duration>,
    pub(super) status: Option<StatusCode>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) sent: Count,
    pub(super) received: Count,
    pub(super) close_code: Option<CloseCode>,
}

/// Messages of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) messages: u64,
    bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, length: usize) {
        self.messages += 1;
        self.bytes += length as u64;
    }
}

impl Statistics {
    pub(super) fn start() -> Self {
        Self {
            begun: Instant::now(),
            handshake: None,
            resolved: None,
            connected: None,
            secured: None,
            first_message: None,
            status: None,
            peer: None,
            sent: Count::default(),
            received: Count::default(),
            close_code: None,
        }
    }

    /// Records the end of a stage of opening the connection.
    pub(super) fn pass(&mut self, stage: Stage) {
        let place = match stage {
            Stage::Resolve => &mut self.resolved,
            // As curl does, a proxy included.
            Stage::Connect | Stage::Proxy => &mut self.connected,
            Stage::Tls => &mut self.secured,
            _ => return,
        };
        *place = Some(self.begun.elapsed());
    }

    /// Counts a received message.
    pub(super) fn receive(&mut self, length: usize) {
        self.first_message.get_or_insert_with(|| self.begun.elapsed());
        self.received.add(length);
    }

    /// Replaces `%{name}` by values, and `\n`, `\t` by their characters. Unknown names stay.
    pub(super) fn format(&self, format: &str, exit_code: u8) -> String {
        let format = format.replace("\\n", "\n").replace("\\t", "\t");
        placeholders::replace(&format, ["%{", "}"], |name| self.value(name, exit_code))
    }

    fn value(&self, name: &str, exit_code: u8) -> Option<String> {
        let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
        let stage = |time: Option<Duration>| seconds(time.unwrap_or_default());
        Some(match name {
            "http_code" => self.status.map_or(0, |status| status.as_u16()).to_string(),
            "exitcode" => exit_code.to_string(),
            "remote_ip" => self.peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
            "remote_port" => self.peer.map_or(0, |peer| peer.port()).to_string(),
            "time_namelookup" => stage(self.resolved),
            "time_connect" => stage(self.connected),
            "time_appconnect" => stage(self.secured),
            "time_handshake" => stage(self.handshake),
            "time_first_message" => stage(self.first_message),
            "time_total" => seconds(self.begun.elapsed()),
            "num_sent" => self.sent.messages.to_string(),
            "num_received" => self.received.messages.to_string(),
            "size_sent" => self.sent.bytes.to_string(),
            "size_received" => self.received.bytes.to_string(),
            "close_code" => self.close_code.map_or(0, u16::from).to_string(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_unknown_ones_stay() {
        let mut statistics = Statistics::start();
        statistics.sent.add(5);
        let text =
            statistics.format("%{num_sent} %{size_sent}\\n%{nothing} %{ %{exitcode} 100%", 11);
        assert_eq!(text, "1 5\n%{nothing} %{ 11 100%");
    }
}

//! A bot in a channel of Twitch's chat, which is IRC over a WebSocket: answers `!time` and `!roll`.
//!
//!     BOT_TOKEN=… cargo run -p sockeye --example chat_bot -- wss://irc-ws.chat.twitch.tv my_bot my_channel

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sockeye::Client;
use sockeye::reconnect::{Event, Reconnecting};
use tokio::time::Instant;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Twitch disconnects bots that send more than 20 lines in 30 s.
const MAX_LINES: usize = 20;
const WINDOW: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: chat_bot URL NAME CHANNEL");
    let (url, name, channel) = (next()?, next()?, next()?);
    let token = std::env::var("BOT_TOKEN")?;
    Bot::new(&url, name, channel, token).run().await
}

pub(crate) struct Bot {
    connection: Reconnecting,
    name: String,
    channel: String,
    token: String,
    /// The times at which the last lines were sent, the oldest first.
    sent: VecDeque<Instant>,
}

impl Bot {
    pub(crate) fn new(url: &str, name: String, channel: String, token: String) -> Self {
        let connection = Reconnecting::new(Client::new(url));
        Self { connection, name, channel, token, sent: VecDeque::new() }
    }

    /// Answers until the server closes the connection for good.
    pub(crate) async fn run(mut self) -> Result {
        while let Some(event) = self.connection.next().await? {
            match event {
                Event::Connected => self.log_in().await?,
                // A message has one line or more.
                Event::Message(message) => {
                    for line in message.as_text().unwrap_or_default().lines() {
                        self.handle(line).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn log_in(&mut self) -> Result {
        let Self { token, name, channel, .. } = self;
        let lines =
            [format!("PASS oauth:{token}"), format!("NICK {name}"), format!("JOIN #{channel}")];
        for line in lines {
            self.connection.send(line).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, line: &str) -> Result {
        if let Some(text) = line.strip_prefix("PING ") {
            self.connection.send(format!("PONG {text}")).await?;
            return Ok(());
        }
        if line.contains("NOTICE * :Login authentication failed") {
            return Err("the server refused the token: renew BOT_TOKEN".into());
        }
        let Some((sender, text)) = private_message(line) else { return Ok(()) };
        let answer = match text.trim() {
            "!time" => format!("@{sender} {} seconds since 1970", since_1970().as_secs()),
            "!roll" => format!("@{sender} rolls {}", since_1970().subsec_nanos() % 6 + 1),
            _ => return Ok(()),
        };
        if self.may_send() {
            let line = format!("PRIVMSG #{} :{answer}", self.channel);
            self.connection.send(line).await?;
        }
        Ok(())
    }

    /// Counts a line that is about to be sent; `false` if it would be one too many.
    fn may_send(&mut self) -> bool {
        let now = Instant::now();
        while self.sent.front().is_some_and(|sent| now - *sent >= WINDOW) {
            self.sent.pop_front();
        }
        let may_send = self.sent.len() < MAX_LINES;
        if may_send {
            self.sent.push_back(now);
        }
        may_send
    }
}

/// Splits `:ada!ada@host PRIVMSG #channel :text` into the sender and the text.
fn private_message(line: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = line.strip_prefix(':')?.split_once(' ')?;
    let (sender, _) = prefix.split_once('!')?;
    let (_, text) = rest.strip_prefix("PRIVMSG ")?.split_once(" :")?;
    Some((sender, text))
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

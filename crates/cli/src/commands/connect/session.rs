//! The session: receives and shows messages until one of its ends.

use std::sync::Mutex;
use std::time::Duration;

use sockeye::split::{Receiver, Sender};
use sockeye::{CloseCode, CloseFrame, Message};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::arguments::{Connect, OnEof};
use super::output::Output;
use super::recorder::{Direction, Record, Recorder};
use super::sending::Event;
use super::statistics::Statistics;
use crate::client::Failure;

/// Maximum time from the end of the input to the close frame with `--on-eof wait`.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// An open connection with its input and output.
pub(super) struct Session<'a> {
    pub(super) options: &'a Connect,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) output: Output,
    pub(super) recorder: Recorder,
    pub(super) statistics: &'a Mutex<Statistics>,
}

/// An occurrence that the session handles.
enum Turn {
    Received(sockeye::Result<Option<Message>>),
    Input(Option<Event>),
    /// The silence after the end of the input has lasted long enough.
    Silent,
    /// Nothing else is at hand.
    Idle,
}

/// The reason for which this side closes.
pub(super) enum Ending {
    /// The input has ended.
    Input(CloseCode),
    /// Everything expected has arrived: later messages are not shown.
    Enough,
    Failed(Failure),
}

impl Session<'_> {
    /// Runs the session until the connection has ended.
    ///
    /// # Errors
    /// The first failure: of the connection, the input or the output.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) -> Result<(), Failure> {
        let opened_at = std::time::Instant::now();
        let mut ending = None;
        let mut silence: Option<Silence> = None;
        let mut takes_events = true;
        loop {
            let silent_at = silence.as_ref().filter(|_| ending.is_none()).map(Silence::ends_at);
            let is_output_pending = self.output.is_pending();
            let turn = tokio::select! {
                biased;
                turn = self.next_turn(&mut events, takes_events, silent_at) => turn,
                () = std::future::ready(()), if is_output_pending => Turn::Idle,
            };
            match turn {
                Turn::Received(Ok(Some(_)))
                    if matches!(ending, Some(Ending::Enough | Ending::Failed(_))) => {}
                Turn::Received(Ok(Some(message))) => {
                    if let Some(silence) = &mut silence {
                        silence.last_message = Instant::now();
                    }
                    if let Some(end) = self.receive(&message, opened_at).await {
                        self.close(&end);
                        ending = Some(end);
                    }
                }
                Turn::Received(Ok(None)) => return self.end(ending, opened_at).await,
                Turn::Received(Err(error)) => {
                    self.output.flush().await?;
                    return fail(ending, &error);
                }
                Turn::Input(Some(Event::Ended)) => match self.options.on_eof() {
                    OnEof::Wait(time) => silence = Some(Silence::begin(time)),
                    OnEof::Close if ending.is_none() => {
                        let end = Ending::Input(CloseCode::NORMAL_CLOSURE);
                        self.close(&end);
                        ending = Some(end);
                    }
                    OnEof::Close | OnEof::Stay => {}
                },
                Turn::Input(Some(event)) => {
                    if let Some(end) = self.handle(event, opened_at).await {
                        self.close(&end);
                        ending = ending.or(Some(end));
                    }
                }
                Turn::Input(None) => takes_events = false,
                Turn::Silent => {
                    let end = Ending::Input(CloseCode::NORMAL_CLOSURE);
                    self.close(&end);
                    ending = Some(end);
                }
                Turn::Idle => {
                    if let Err(failure) = self.output.flush().await {
                        let end = Ending::Failed(failure);
                        self.close(&end);
                        ending = ending.or(Some(end));
                    }
                }
            }
        }
    }

    /// Waits for the next message, event of the input or end of the silence. Cancel safe.
    async fn next_turn(
        &mut self,
        events: &mut mpsc::Receiver<Event>,
        takes_events: bool,
        silent_at: Option<Instant>,
    ) -> Turn {
        tokio::select! {
            received = self.receiver.recv() => Turn::Received(received),
            event = events.recv(), if takes_events => Turn::Input(event),
            () = sleep_until(silent_at), if silent_at.is_some() => Turn::Silent,
        }
    }

    /// Shows and counts a message. Returns the end of the session that follows.
    pub(super) async fn receive(
        &mut self,
        message: &Message,
        opened_at: std::time::Instant,
    ) -> Option<Ending> {
        let shown = self.output.show(message, opened_at).await;
        let recorded =
            self.recorder.write(|| Record::of_message(opened_at, Direction::In, message.as_ref()));
        if let Err(failure) = shown.and(recorded) {
            return Some(Ending::Failed(failure));
        }
        let received = {
            let Ok(mut statistics) = self.statistics.lock() else {
                return Some(Ending::Failed(Failure::poisoned()));
            };
            statistics.receive(message.len());
            statistics.received.messages
        };
        let counted = self.options.count.is_some_and(|count| received >= count as u64);
        let expected = self.options.expect.as_ref();
        let matched = expected.is_some_and(|condition| condition.holds(message.as_ref()));
        (counted || matched).then_some(Ending::Enough)
    }

    /// Handles an event of the input. Returns the end of the session that follows.
    pub(super) async fn handle(
        &mut self,
        event: Event,
        opened_at: std::time::Instant,
    ) -> Option<Ending> {
        let handled = match event {
            Event::Sent(message) => {
                if let Ok(mut statistics) = self.statistics.lock() {
                    statistics.sent.add(message.len());
                }
                self.recorder
                    .write(|| Record::of_message(opened_at, Direction::Out, message.as_ref()))
            }
            Event::Pong(time) => self.output.note(&format!("pong after {time:.1?}")).await,
            Event::Note(note) => self.output.note(&note).await,
            Event::Closing(code) => return Some(Ending::Input(code)),
            Event::Failed(failure) => Err(failure),
            Event::Ended => Ok(()),
        };
        handled.err().map(Ending::Failed)
    }

    /// Begins the closing handshake, unless it has begun.
    fn close(&self, ending: &Ending) {
        let code = match ending {
            Ending::Input(code) => *code,
            Ending::Enough => CloseCode::NORMAL_CLOSURE,
            Ending::Failed(_) => CloseCode::GOING_AWAY,
        };
        // The code was checked where the user named one, so that closing cannot fail.
        let _ = self.sender.close(code, "");
    }

    /// Returns the result of a session whose closing handshake is complete.
    async fn end(
        mut self,
        ending: Option<Ending>,
        opened_at: std::time::Instant,
    ) -> Result<(), Failure> {
        let frame = self.receiver.close_frame().cloned();
        let code = frame.as_ref().map_or(CloseCode::NO_STATUS_RCVD, |frame| frame.code);
        self.record_close(frame.as_ref(), opened_at)?;
        self.output.flush().await?;
        let own_code = match ending {
            Some(Ending::Enough) => return Ok(()),
            Some(Ending::Failed(failure)) => return Err(failure),
            Some(Ending::Input(own_code)) => Some(own_code),
            None => None,
        };
        if let Some(frame) = &frame {
            self.output.show_close(frame, opened_at).await?;
            self.output.flush().await?;
            if !code.is_orderly() && own_code != Some(code) {
                return Err(Failure::closed(frame));
            }
        }
        if self.options.count.is_some() || self.options.expect.is_some() {
            let statistics = self.statistics.lock().map_err(|_| Failure::poisoned())?;
            return Err(Failure::expectation(statistics.received.messages));
        }
        Ok(())
    }

    /// Records the end of the closing handshake, with the frame of the server if it had one.
    pub(super) fn record_close(
        &mut self,
        frame: Option<&CloseFrame>,
        opened_at: std::time::Instant,
    ) -> Result<(), Failure> {
        let code = frame.map_or(CloseCode::NO_STATUS_RCVD, |frame| frame.code);
        self.statistics.lock().map_err(|_| Failure::poisoned())?.close_code = Some(code);
        match frame {
            Some(frame) => self.recorder.write(|| Record::of_close(opened_at, frame)),
            None => Ok(()),
        }
    }
}

/// Returns the result of a session whose connection failed.
fn fail(ending: Option<Ending>, error: &sockeye::Error) -> Result<(), Failure> {
    match ending {
        // The server owes nothing more.
        Some(Ending::Enough) => Ok(()),
        Some(Ending::Failed(failure)) => Err(failure),
        Some(Ending::Input(_)) | None => Err(Failure::of_connection(error)),
    }
}

/// The wait for silence after the end of the input.
struct Silence {
    time: Duration,
    last_message: Instant,
    at_most: Instant,
}

impl Silence {
    fn begin(time: Duration) -> Self {
        let now = Instant::now();
        Self { time, last_message: now, at_most: now + MAX_WAIT.max(time) }
    }

    fn ends_at(&self) -> Instant {
        (self.last_message + self.time).min(self.at_most)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

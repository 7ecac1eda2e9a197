//! The execution of a script on an open connection.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use sockeye::{CloseCode, CloseFrame, Error, Message, MessageRef, escape};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Action, Script, Step, Template, Variables};
use crate::client::Failure;
use crate::commands::connect::CLOSE_AFTER_STOP;
use crate::commands::connect::condition::{Condition, Selection};
use crate::commands::connect::sending::{self, Event};
use crate::commands::connect::session::{Ending, Session};

/// Timeout of a step that waits for the server, unless the script sets another.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of messages that have arrived and that no step has taken. Together they are at
/// most as long as two messages may be. Then the connection is not read until a step takes one.
const MAX_QUEUED: usize = 1024;

/// Maximum length of the part of a message that a failure shows, in characters.
const SHOWN: usize = 200;

/// A script and its connection.
pub(in crate::commands::connect) struct Execution<'a> {
    script: &'a Script,
    session: Session<'a>,
    opened_at: std::time::Instant,
    variables: Variables,
    /// Messages that no step has taken, and their length together.
    queue: VecDeque<Message>,
    queued: usize,
    /// The message that was taken last.
    taken: Option<Message>,
    timeout: Duration,
    end: Option<End>,
    /// A step has waited for the end of the connection.
    is_end_awaited: bool,
}

/// The end of the connection.
#[derive(Debug)]
enum End {
    /// The closing handshake is complete, with this frame of the server.
    Closed(Option<CloseFrame>),
    Failed(Error),
}

/// The reason why a step does not succeed.
enum Problem {
    /// An expectation of the script is not met.
    Unmet(String),
    /// The script cannot go on.
    Failed(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<'a> Execution<'a> {
    pub(in crate::commands::connect) fn new(script: &'a Script, session: Session<'a>) -> Self {
        Self {
            script,
            session,
            opened_at: std::time::Instant::now(),
            variables: script.variables.clone(),
            queue: VecDeque::new(),
            queued: 0,
            taken: None,
            timeout: DEFAULT_TIMEOUT,
            end: None,
            is_end_awaited: false,
        }
    }

    /// Runs all steps and closes the connection, unless a step has.
    ///
    /// # Errors
    /// The failure of the first step that does not succeed, with its line.
    pub(in crate::commands::connect) async fn run(mut self) -> Result<(), Failure> {
        for step in &self.script.steps {
            let Err(problem) = self.step(&step.action).await else { continue };
            let failure = self.failure(step, problem);
            let _ = timeout(CLOSE_AFTER_STOP, self.close(CloseCode::GOING_AWAY)).await;
            return Err(failure);
        }
        match &self.end {
            None => self.close(CloseCode::NORMAL_CLOSURE).await,
            Some(_) if self.is_end_awaited => {}
            Some(End::Failed(error)) => return Err(Failure::of_connection(error)),
            Some(End::Closed(Some(frame))) if !frame.code.is_orderly() => {
                return Err(Failure::closed(frame));
            }
            Some(End::Closed(_)) => {}
        }
        Ok(())
    }

    fn failure(&self, step: &Step, problem: Problem) -> Failure {
        let name = &self.script.name;
        let place = format!("{name}:{}: {}", step.line, escape(&step.text));
        match problem {
            Problem::Unmet(reason) => Failure::unmet(format!("{place}: {reason}")),
            Problem::Failed(failure) => failure.within(&place),
        }
    }

    async fn step(&mut self, action: &Action) -> Result<(), Problem> {
        match action {
            Action::Send(template) => self.send(template.fill(&self.variables).into()).await,
            Action::SendBinary(bytes) => self.send(bytes.clone().into()).await,
            Action::Expect(condition) => {
                let condition = condition.as_ref().map(|text| self.condition(text)).transpose()?;
                self.take().await?;
                condition.map_or(Ok(()), |condition| self.check(&condition))
            }
            Action::Await(condition) => {
                let condition = self.condition(condition)?;
                let deadline = Instant::now() + self.timeout;
                loop {
                    let message = self.next(deadline).await?;
                    let holds = condition.holds(message.as_ref());
                    self.taken = Some(message);
                    if holds {
                        return Ok(());
                    }
                }
            }
            Action::Assert(condition) => {
                let condition = self.condition(condition)?;
                self.check(&condition)
            }
            Action::Capture { name, from } => self.capture(name, from),
            Action::Ping => {
                let sender = self.session.sender.clone();
                self.while_receiving(async move { sender.ping().await.map(drop) }).await
            }
            Action::Sleep(time) => {
                let until = Instant::now() + *time;
                Ok(self.receive_until(until).await?)
            }
            Action::Silence(time) => {
                let until = Instant::now() + *time;
                self.receive_until(until).await?;
                match self.queue.front() {
                    Some(message) => Err(unmet(format_args!("a message came: {}", show(message)))),
                    None => Ok(()),
                }
            }
            Action::Timeout(time) => {
                self.timeout = *time;
                Ok(())
            }
            Action::Close(frame) => {
                let closed = self.session.sender.close(frame.code, frame.reason.clone());
                closed.map_err(|error| Failure::of_connection(&error))?;
                self.closed().await.map(drop)
            }
            Action::AwaitClose(code) => {
                let frame = self.closed().await?;
                let actual = frame.map_or(CloseCode::NO_STATUS_RCVD, |frame| frame.code);
                match code {
                    Some(code) if *code != actual => {
                        Err(unmet(format_args!("the server closed with {actual}")))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Parses a condition. One with variables was not checked before.
    fn condition(&self, template: &Template) -> Result<Condition, Problem> {
        Condition::parse(&template.fill(&self.variables)).map_err(Problem::Unmet)
    }

    async fn send(&mut self, message: Message) -> Result<(), Problem> {
        let (sender, fragment) = (self.session.sender.clone(), self.session.options.fragment);
        let sent = message.clone();
        self.while_receiving(async move { sending::send(&sender, &sent, fragment).await }).await?;
        match self.session.handle(Event::Sent(message), self.opened_at).await {
            Some(Ending::Failed(failure)) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// Takes the next message.
    async fn take(&mut self) -> Result<(), Problem> {
        let message = self.next(Instant::now() + self.timeout).await?;
        self.taken = Some(message);
        Ok(())
    }

    fn check(&self, condition: &Condition) -> Result<(), Problem> {
        let message = self.message()?;
        if condition.holds(message.as_ref()) {
            return Ok(());
        }
        Err(unmet(format_args!("the message is {}", show(message))))
    }

    fn capture(&mut self, name: &str, from: &Template) -> Result<(), Problem> {
        let selection = Selection::parse(&from.fill(&self.variables)).map_err(Problem::Unmet)?;
        let message = self.message()?;
        let Some(value) = selection.of(message.as_ref()) else {
            return Err(unmet(format_args!("the message is {}", show(message))));
        };
        self.variables.insert(name.to_owned(), value);
        Ok(())
    }

    fn message(&self) -> Result<&Message, Problem> {
        self.taken.as_ref().ok_or_else(|| unmet("no message was taken by expect or await"))
    }

    /// Returns the next message.
    async fn next(&mut self, deadline: Instant) -> Result<Message, Problem> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                self.queued -= message.len();
                return Ok(message);
            }
            self.ended()?;
            let received = tokio::select! {
                received = self.session.receiver.recv() => received,
                () = sleep_until(deadline) => {
                    return Err(unmet(format_args!("no message within {:?}", self.timeout)));
                }
            };
            self.add(received).await?;
        }
    }

    /// Fails if the connection has ended.
    fn ended(&self) -> Result<(), Problem> {
        match &self.end {
            None => Ok(()),
            Some(End::Failed(error)) => Err(Failure::of_connection(error).into()),
            Some(End::Closed(Some(frame))) if !frame.code.is_orderly() => {
                Err(Failure::closed(frame).into())
            }
            Some(End::Closed(_)) => Err(unmet("the connection was closed")),
        }
    }

    /// Skips messages to the end of the connection, and returns the frame of the server.
    async fn closed(&mut self) -> Result<Option<CloseFrame>, Problem> {
        let deadline = Instant::now() + self.timeout;
        loop {
            self.is_end_awaited = self.end.is_some();
            match &self.end {
                Some(End::Closed(frame)) => return Ok(frame.clone()),
                Some(End::Failed(error)) => return Err(Failure::of_connection(error).into()),
                None => {}
            }
            (self.queue, self.queued) = (VecDeque::new(), 0);
            let received = tokio::select! {
                received = self.session.receiver.recv() => received,
                () = sleep_until(deadline) => {
                    return Err(unmet(format_args!("no close frame within {:?}", self.timeout)));
                }
            };
            self.add(received).await?;
        }
    }

    /// Receives messages into the queue while the future is pending, for the timeout at most.
    async fn while_receiving(
        &mut self,
        work: impl Future<Output = sockeye::Result<()>>,
    ) -> Result<(), Problem> {
        let deadline = Instant::now() + self.timeout;
        let mut work = pin!(work);
        loop {
            self.ended()?;
            let takes = self.takes_more();
            let received = tokio::select! {
                result = &mut work => {
                    return Ok(result.map_err(|error| Failure::of_connection(&error))?);
                }
                received = self.session.receiver.recv(), if takes => received,
                () = sleep_until(deadline) => {
                    return Err(unmet(format_args!("not finished within {:?}", self.timeout)));
                }
            };
            self.add(received).await?;
        }
    }

    /// Receives messages into the queue up to a time.
    async fn receive_until(&mut self, until: Instant) -> Result<(), Failure> {
        loop {
            let takes = self.end.is_none() && self.takes_more();
            let received = tokio::select! {
                () = sleep_until(until) => return Ok(()),
                received = self.session.receiver.recv(), if takes => received,
            };
            self.add(received).await?;
        }
    }

    fn takes_more(&self) -> bool {
        self.queue.len() < MAX_QUEUED && self.queued <= self.session.options.max_message
    }

    /// Shows a received message and adds it to the queue, or keeps the end of the connection.
    async fn add(&mut self, received: sockeye::Result<Option<Message>>) -> Result<(), Failure> {
        match received {
            Ok(Some(message)) => {
                let shown = self.session.receive(&message, self.opened_at).await;
                if let Some(Ending::Failed(failure)) = shown {
                    return Err(failure);
                }
                self.session.output.flush().await?;
                self.queued += message.len();
                self.queue.push_back(message);
            }
            Ok(None) => {
                let frame = self.session.receiver.close_frame().cloned();
                self.session.record_close(frame.as_ref(), self.opened_at)?;
                self.end = Some(End::Closed(frame));
            }
            Err(error) => self.end = Some(End::Failed(error)),
        }
        Ok(())
    }

    /// Closes the connection, and waits for the end of the closing handshake.
    async fn close(&mut self, code: CloseCode) {
        if self.end.is_some() || self.session.sender.close(code, "").is_err() {
            return;
        }
        // The server owes nothing more than its close frame.
        while let Ok(Some(_)) = self.session.receiver.recv().await {}
        let frame = self.session.receiver.close_frame().cloned();
        let _ = self.session.record_close(frame.as_ref(), self.opened_at);
    }
}

fn unmet(reason: impl fmt::Display) -> Problem {
    Problem::Unmet(reason.to_string())
}

fn show(message: &Message) -> String {
    match message.as_ref() {
        MessageRef::Binary(bytes) => format!("binary, {} bytes", bytes.len()),
        MessageRef::Text(text) => {
            let shown: String = text.chars().take(SHOWN).collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            escape(&shown).to_string() + more
        }
    }
}

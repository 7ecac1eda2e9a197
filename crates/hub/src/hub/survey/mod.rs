//! Questions that a node asks all nodes: about themselves, and about their rooms.

mod codec;
mod pattern;
mod query;
mod revoking;
mod rooms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

pub use query::RoomQuery;
pub use rooms::{RoomList, RoomReport};

use super::command::Envelope;
use super::{Hub, Shared};
use crate::core::NodeId;
use crate::error::Result;
use crate::random;
use codec::{Answer, Question, SurveyMessage};

/// The time for which a question waits for answers. Chosen: the heartbeat of the presence, after
/// which a node that does not answer is likely to be dead or stopped.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The number of questions that a node asks at a time. Further ones wait. Chosen: each may make all
/// nodes list their rooms.
const MAX_QUESTIONS: usize = 4;

/// The number of answers that wait for a question. Nodes have one each.
const MAX_ANSWERS: usize = 256;

/// A node of the hub, as it describes itself: see [`Hub::node_reports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// The number of its sessions.
    pub sessions: u64,
    /// The number of users that have sessions on the node.
    pub users: u64,
    /// The number of rooms that have sessions of the node.
    pub rooms: u64,
    /// The sum of the node's sessions over these rooms.
    pub memberships: u64,
    /// The time since the node started.
    pub uptime: Duration,
    /// The time between the question to the node and its answer; zero for the node that asks.
    pub round_trip: Duration,
}

/// The nodes of the hub: see [`Hub::node_reports`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeReports {
    /// The nodes that answered, sorted by their identity.
    pub nodes: Vec<NodeReport>,
    /// The nodes that did not answer within two seconds.
    pub silent: Vec<NodeId>,
}

/// The questions of a node that wait for answers.
#[derive(Debug)]
pub(super) struct Surveys {
    started: Instant,
    pending: Mutex<HashMap<u64, mpsc::Sender<(NodeId, Answer)>>>,
    permits: Semaphore,
}

/// A question that waits for answers; forgotten when it is dropped.
struct Pending<'a> {
    surveys: &'a Surveys,
    id: u64,
    answers: mpsc::Receiver<(NodeId, Answer)>,
}

/// The answers to a question.
struct Survey {
    /// Each with the time that it took.
    answers: Vec<(NodeId, Duration, Answer)>,
    silent: Vec<NodeId>,
}

impl<S: Send + Sync + 'static> Hub<S> {
    /// Asks all nodes about themselves, and returns when all have answered, or after two seconds.
    /// Up to four such questions are asked at a time; others wait.
    ///
    /// # Errors
    /// [`HubError::Bus`](crate::HubError::Bus) if the other nodes could not be asked.
    pub async fn node_reports(&self) -> Result<NodeReports> {
        let survey = self.shared.survey(&Question::Node).await?;
        let report = |(node, round_trip, answer)| match answer {
            Answer::Node { sessions, users, rooms, memberships, uptime } => {
                let uptime = Duration::from_millis(uptime);
                let report =
                    NodeReport { node, sessions, users, rooms, memberships, uptime, round_trip };
                Some(report)
            }
            Answer::Rooms { .. } | Answer::Revoked(_) => None,
        };
        let mut nodes: Vec<_> = survey.answers.into_iter().filter_map(report).collect();
        nodes.sort_unstable_by_key(|report| report.node);
        Ok(NodeReports { nodes, silent: survey.silent })
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Asks all nodes a question.
    async fn survey(self: &Arc<Self>, question: &Question) -> Result<Survey> {
        // The semaphore is never closed.
        let _permit = self.surveys.permits.acquire().await;
        let mut silent: BTreeSet<NodeId> = self.presence().other_nodes().collect();
        let mut pending = self.surveys.begin();
        let asked = Instant::now();
        let mut answers = vec![(self.node, Duration::ZERO, self.answer_question(question).await)];
        if !silent.is_empty() {
            let message = SurveyMessage::Question(pending.id, question.clone());
            self.bus.send(None, Envelope::Survey.wrap(&message.encode())).await?;
        }
        let timeout = tokio::time::sleep(TIMEOUT);
        tokio::pin!(timeout);
        while !silent.is_empty() {
            let (node, answer) = tokio::select! {
                Some(answer) = pending.answers.recv() => answer,
                () = &mut timeout => break,
            };
            // A bus may repeat an answer.
            if silent.remove(&node) {
                answers.push((node, asked.elapsed(), answer));
            }
        }
        Ok(Survey { answers, silent: silent.into_iter().collect() })
    }

    /// Handles a question or an answer of another node; ignores what it does not understand.
    pub(super) fn on_survey(self: &Arc<Self>, from: NodeId, bytes: Bytes) {
        match SurveyMessage::decode(bytes) {
            Some(SurveyMessage::Question(id, question)) => {
                let hub = self.clone();
                self.runtime.spawn(async move {
                    let answer = SurveyMessage::Answer(id, hub.answer_question(&question).await);
                    // A node that receives no answer reports this one as silent.
                    let _ = hub.bus.send(Some(from), Envelope::Survey.wrap(&answer.encode())).await;
                });
            }
            Some(SurveyMessage::Answer(id, answer)) => self.surveys.on_answer(id, from, answer),
            None => {}
        }
    }

    async fn answer_question(&self, question: &Question) -> Answer {
        match question {
            Question::Node => self.describe_node(),
            Question::Rooms(query) => self.find_rooms(query).await,
            Question::Revoke(revocation) => Answer::Revoked(self.enter_revocation(revocation)),
        }
    }

    fn describe_node(&self) -> Answer {
        let topics = self.rooms().topics.counts();
        let registry = self.registry();
        Answer::Node {
            sessions: registry.len() as u64,
            users: registry.user_count() as u64,
            rooms: topics.rooms as u64,
            memberships: topics.memberships as u64,
            uptime: self.surveys.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

impl Surveys {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            pending: Mutex::default(),
            permits: Semaphore::new(MAX_QUESTIONS),
        }
    }

    fn begin(&self) -> Pending<'_> {
        let id = random::bits();
        let (sender, answers) = mpsc::channel(MAX_ANSWERS);
        self.lock().insert(id, sender);
        Pending { surveys: self, id, answers }
    }

    fn on_answer(&self, id: u64, from: NodeId, answer: Answer) {
        if let Some(sender) = self.lock().get(&id) {
            // Beyond the bound, the node counts as silent.
            let _ = sender.try_send((from, answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<(NodeId, Answer)>>> {
        // No code panics while it holds the lock.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks that a message which can be decoded survives encoding, for a fuzz target.
#[cfg(any(fuzzing, test))]
pub(super) fn check_round_trip(message: Bytes) {
    if let Some(message) = SurveyMessage::decode(message) {
        assert_eq!(SurveyMessage::decode(message.encode()), Some(message));
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.surveys.lock().remove(&self.id);
    }
}

//! A test kit that checks whether a bus keeps the contract of [`Bus`], case by case.
//!
//! ```
//! use sockeye_hub::bus::Local;
//! use sockeye_hub::bus::kit::Kit;
//!
//! # #[tokio::main]
//! # async fn main() {
//! let bus = Local::new();
//! Kit::new(move || {
//!     let node = bus.clone();
//!     async move { node }
//! })
//! .run()
//! .await
//! .unwrap();
//! # }
//! ```
//!
//! The cases use rooms with random names, so that a broker need not be emptied before. They check a
//! bus without faults: what it may lose, by the contract, must arrive here. Only
//! [`Case::Outage`] breaks the link, by a function of the test.

mod failure;
mod history;
mod hubs;
mod live;
mod messages;
mod names;
mod node;
mod outage;
mod recovery;
mod retention;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

pub use failure::{Failure, Failures};

use super::Bus;
use crate::core::RoomName;
use crate::core::history::Retention;
use crate::random;
use failure::{Checked, broken};
use node::Node;

type Connect = dyn Fn() -> Pin<Box<dyn Future<Output = Box<dyn Bus>> + Send>> + Send + Sync;
type Interrupt = dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// The time within which what a bus has accepted arrives. Chosen: a loaded machine needs less.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The time for which a case watches that something does not arrive.
const QUIET: Duration = Duration::from_millis(200);

/// The time within which a case ends.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// The cases of the test kit, for one bus.
pub struct Kit {
    connect: Box<Connect>,
    interrupt: Option<Box<Interrupt>>,
    without: Vec<Case>,
    slack: usize,
}

/// A case of the test kit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Case {
    /// Every subscribed node, the publisher's included, receives what is stored in a history, with
    /// the position that the publisher is told.
    StoredPublications,
    /// Nodes that publish to a room at the same time agree about one order, in which each entry
    /// names its predecessor, and in which each publisher's publications follow each other.
    OneOrder,
    /// Text and binary messages, ids, publishers, users and tags arrive unchanged.
    Fields,
    /// Publications without history reach the other subscribed nodes once and in order, not the
    /// publisher's own node, and enter no history.
    LivePublications,
    /// A publication with a known id is stored once, whichever node publishes it, and gets the
    /// first one's position; ids of different rooms have nothing to do with each other.
    KnownIds,
    /// From each position of a history, from the start to the top, exactly what follows is
    /// recovered.
    Recovery,
    /// Positions with another tag, another epoch or an offset beyond the top are told as gaps.
    FalsePositions,
    /// Pages in both directions cover the history without holes, whatever their limits.
    Pages,
    /// A history keeps as many entries as its retention says, the newest ones, and tells what it
    /// has removed as a gap.
    RetentionByCount,
    /// A history keeps as many bytes as its retention says.
    RetentionByBytes,
    /// Old entries are removed, and the top remains.
    RetentionByAge,
    /// An epoch is replaced once, and positions of the former one are told as gaps. A store that
    /// cannot replace epochs changes nothing.
    ReplacedEpoch,
    /// Removing a history removes the entries and keeps the top.
    RemovedHistory,
    /// Names of rooms are taken literally: wildcards, spaces, braces, dots, Unicode and names of
    /// 255 bytes name one room each.
    LiteralNames,
    /// A room that is no longer subscribed delivers nothing, and can be subscribed again.
    Unsubscribed,
    /// Messages reach one node, or all others, in the order of their sender.
    Messages,
    /// A bus that was dropped detaches its node, and the others go on.
    Detached,
    /// Two and three hubs on the bus behave as one: publications, recovery, presence and commands.
    Hubs,
    /// After an interruption, nodes are told that the link was down and is up, receive their rooms
    /// again, and lose no stored publication. Skipped without [`Kit::interrupt`].
    Outage,
}

impl Case {
    /// All cases, in the order in which [`Kit::run`] runs them.
    pub const ALL: [Self; 19] = [
        Self::StoredPublications,
        Self::OneOrder,
        Self::Fields,
        Self::LivePublications,
        Self::KnownIds,
        Self::Recovery,
        Self::FalsePositions,
        Self::Pages,
        Self::RetentionByCount,
        Self::RetentionByBytes,
        Self::RetentionByAge,
        Self::ReplacedEpoch,
        Self::RemovedHistory,
        Self::LiteralNames,
        Self::Unsubscribed,
        Self::Messages,
        Self::Detached,
        Self::Hubs,
        Self::Outage,
    ];
}

impl Kit {
    /// Creates the kit for a bus. `connect` returns the link of one more node to the same bus each
    /// time it is called.
    pub fn new<F, B>(connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = B> + Send + 'static,
        B: Bus + 'static,
    {
        let connect = move || {
            let connecting = connect();
            let boxed = async move { Box::new(connecting.await) as Box<dyn Bus> };
            Box::pin(boxed) as Pin<Box<dyn Future<Output = Box<dyn Bus>> + Send>>
        };
        Self { connect: Box::new(connect), interrupt: None, without: Vec::new(), slack: 0 }
    }

    /// Sets the function that breaks the links of all nodes, for [`Case::Outage`]: it returns once
    /// they can be restored. Example: it ends the connections on the broker's side.
    pub fn interrupt<F>(self, interrupt: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let interrupt = move || Box::pin(interrupt()) as Pin<Box<dyn Future<Output = ()> + Send>>;
        Self { interrupt: Some(Box::new(interrupt)), ..self }
    }

    /// Leaves out a case, for a bus that documents why it cannot pass it.
    pub fn without(mut self, case: Case) -> Self {
        self.without.push(case);
        self
    }

    /// Sets the number of entries by which a history may exceed its retention: 1 for a store that
    /// keeps one more than promised, as its entries do not name their predecessors. Default: 0.
    pub fn retention_slack(self, entries: usize) -> Self {
        Self { slack: entries, ..self }
    }

    /// Runs all cases, one after the other.
    ///
    /// # Errors
    /// The cases that the bus does not pass, each with what was found.
    pub async fn run(&self) -> Result<(), Failures> {
        let mut failures = Vec::new();
        for case in Case::ALL {
            if let Err(failure) = self.run_case(case).await {
                failures.push(failure);
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
    }

    /// Runs one case, unless it is left out.
    ///
    /// # Errors
    /// The finding, if the bus does not pass the case.
    pub async fn run_case(&self, case: Case) -> Result<(), Failure> {
        if self.without.contains(&case) {
            return Ok(());
        }
        let checked = tokio::time::timeout(CASE_TIMEOUT, self.check(case)).await;
        let found = match checked {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(found)) => found,
            Err(_) => broken(format!("the case did not end within {CASE_TIMEOUT:?}")),
        };
        Err(Failure { case, found })
    }

    async fn check(&self, case: Case) -> Checked {
        match case {
            Case::StoredPublications => history::stored_publications(self).await,
            Case::OneOrder => history::one_order(self).await,
            Case::Fields => history::fields(self).await,
            Case::LivePublications => live::live_publications(self).await,
            Case::KnownIds => history::known_ids(self).await,
            Case::Recovery => recovery::recovery(self).await,
            Case::FalsePositions => recovery::false_positions(self).await,
            Case::Pages => recovery::pages(self).await,
            Case::RetentionByCount => retention::by_count(self).await,
            Case::RetentionByBytes => retention::by_bytes(self).await,
            Case::RetentionByAge => retention::by_age(self).await,
            Case::ReplacedEpoch => recovery::replaced_epoch(self).await,
            Case::RemovedHistory => recovery::removed_history(self).await,
            Case::LiteralNames => names::literal_names(self).await,
            Case::Unsubscribed => live::unsubscribed(self).await,
            Case::Messages => messages::messages(self).await,
            Case::Detached => messages::detached(self).await,
            Case::Hubs => hubs::hubs(self).await,
            Case::Outage => outage::outage(self).await,
        }
    }

    /// Returns the link of one more node.
    async fn link(&self) -> Box<dyn Bus> {
        (self.connect)().await
    }

    /// Returns one more node, which collects its events.
    async fn node(&self) -> Node {
        Node::new(self.link().await)
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit")
            .field("without", &self.without)
            .field("slack", &self.slack)
            .finish_non_exhaustive()
    }
}

/// Returns a room that no other run of the kit uses.
fn room(name: &str) -> RoomName {
    RoomName::new(&format!("{name} {:x}", random::bits())).expect("short, without control")
}

/// Returns a retention that no case exceeds by accident.
fn ample() -> Retention {
    Retention { count: 10_000, age: Duration::from_secs(3600), bytes: 64 << 20 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Local;

    #[tokio::test]
    async fn the_bus_in_memory_keeps_the_contract() {
        let bus = Local::new();
        let kit = Kit::new(move || {
            let node = bus.clone();
            async move { node }
        });
        kit.run().await.unwrap();
    }

    #[test]
    fn all_cases_are_different() {
        for (number, case) in Case::ALL.iter().enumerate() {
            assert!(!Case::ALL[..number].contains(case), "{case:?}");
        }
    }
}

//! The driver: makes thousands of connections of mixed behaviour, has the server drain again and again, and judges.

mod behaviour;
mod chance;
mod hostile;
mod paced;
mod peer;
mod reading;
mod report;
mod server;
mod session;
mod tally;
mod verdict;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::serve::Kind;
use behaviour::Behaviour;
use chance::Chance;
use server::{Sample, Server};
use session::Session;
use tally::Tally;
pub use verdict::Verdict;

/// How often the driver tells how it is going.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How long a cycle is, from one drain to the next: a tenth of the soak within these bounds. In the shortest, whoever is let go by a
/// deadline is so once.
const SHORTEST_CYCLE: Duration = Duration::from_secs(20);
const LONGEST_CYCLE: Duration = Duration::from_secs(60);

/// So many cycles in a hundred are the warm-up, and at least one.
const WARM_UP: usize = 30;

/// How long after a drain the last task may take to end, and the last file to be closed.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a drain may take: the server's own limit, with time for a machine that is busy.
const DRAIN: Duration = Duration::from_secs(30);

/// How long the server's allocator has for what it does after the last free, before its memory is measured.
const REST: Duration = Duration::from_secs(1);

/// How often it is looked whether all connections were dropped.
const A_MOMENT: Duration = Duration::from_millis(20);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `soak-server`.
    pub program: PathBuf,
    /// Which API serves.
    pub kind: Kind,
    /// How long in all, without the last drain.
    pub duration: Duration,
    /// Connections at a time.
    pub connections: usize,
}

/// What the connections are to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connect here.
    Run(SocketAddr),
    /// The server drains: go on as you are, it is for the server to end it.
    Drain,
    /// The server has let go, and that was looked at: drop what is left.
    Empty,
    /// Go.
    Over,
}

/// Soaks a server as planned.
///
/// # Errors
/// When the server cannot be started or does not answer. What it does wrong is in the [`Verdict`].
pub async fn run(plan: &Plan) -> anyhow::Result<Verdict> {
    let begin = Instant::now();
    let mut server = Server::start(&plan.program, plan.kind)?;
    let fresh = server.sample().await?;
    println!("soak: {:?}, {} connections: {fresh}", plan.kind, plan.connections);
    let tally = Arc::new(Tally::default());
    let (phase, phases) = watch::channel(Phase::Empty);
    let mut slots = JoinSet::new();
    for number in 0..plan.connections {
        let session = Session { tally: tally.clone(), chance: Chance::new(number as u64) };
        slots.spawn(slot(Behaviour::of(number), session, phases.clone()));
    }
    let mut verdict = Verdict::new(fresh);
    let ends = cycles(plan.duration);
    for (cycle, end) in ends.iter().enumerate() {
        let address = server.serve().await?;
        phase.send_replace(Phase::Run(address));
        watch_until(begin + *end, begin, &mut server, &tally).await?;
        phase.send_replace(Phase::Drain);
        let drained = timeout(DRAIN, server.drain()).await.context("the drain does not end")??;
        let sample = settled(&mut server, verdict.fresh()).await?;
        println!("soak: cycle {cycle} drained: {drained}; {sample}");
        let trimmed =
            if server.trim().await { Some(server.sample().await?.resident) } else { None };
        verdict.cycle(&drained, sample, trimmed);
        phase.send_replace(Phase::Empty);
        while tally.active() > 0 {
            sleep(A_MOMENT).await;
        }
    }
    phase.send_replace(Phase::Over);
    while let Some(slot) = slots.join_next().await {
        if slot.is_err_and(|error| error.is_panic()) {
            verdict.driver_panicked();
        }
    }
    let warm_up = (ends.len() * WARM_UP / 100).max(1);
    verdict.finish(&tally, warm_up, server.quit().await?);
    report::print(&tally, &verdict);
    Ok(verdict)
}

/// When each cycle ends.
fn cycles(duration: Duration) -> Vec<Duration> {
    let cycle = (duration / 10).clamp(SHORTEST_CYCLE, LONGEST_CYCLE);
    let count = u32::try_from(duration.as_secs() / cycle.as_secs()).unwrap_or(u32::MAX).max(2);
    (1..=count).map(|number| duration / count * number).collect()
}

/// Tells how it is going until `end`.
async fn watch_until(
    end: Instant,
    begin: Instant,
    server: &mut Server,
    tally: &Tally,
) -> anyhow::Result<()> {
    loop {
        let next = Instant::now() + REPORT_EVERY;
        sleep_until(next.min(end)).await;
        if Instant::now() >= end {
            return Ok(());
        }
        let sample = server.sample().await?;
        let wrong = tally.wrong();
        println!("soak: {:4} s: {sample}, {wrong} wrong", begin.elapsed().as_secs());
    }
}

/// Waits until the server has nothing left of its connections, within bounds, and says what it has.
async fn settled(server: &mut Server, fresh: &Sample) -> anyhow::Result<Sample> {
    let end = Instant::now() + SETTLE;
    loop {
        sleep(REST).await;
        let sample = server.sample().await?;
        if sample.leaks(fresh).is_empty() || Instant::now() > end {
            return Ok(sample);
        }
    }
}

/// One connection after the other, all of one behaviour.
async fn slot(behaviour: Behaviour, mut session: Session, mut phases: watch::Receiver<Phase>) {
    loop {
        let address = loop {
            match *phases.borrow_and_update() {
                Phase::Run(address) => break address,
                Phase::Over => return,
                Phase::Drain | Phase::Empty => {}
            }
            if phases.changed().await.is_err() {
                return;
            }
        };
        sleep(session.chance.time(50, 1500)).await;
        if !matches!(*phases.borrow(), Phase::Run(_)) {
            continue;
        }
        let tally = session.tally.clone();
        tally.begin(behaviour);
        let mut empty = phases.clone();
        let ended = tokio::select! {
            ended = behaviour.run(&mut session, address) => Some(ended),
            _ = empty.wait_for(|phase| matches!(phase, Phase::Empty | Phase::Over)) => None,
        };
        // A server that drains ends what there is as it likes.
        let running = matches!(*phases.borrow(), Phase::Run(_));
        match ended {
            Some(Ok(())) => tally.done(behaviour),
            Some(Err(wrong)) if running => tally.went_wrong(behaviour, &wrong),
            Some(Err(wrong)) => tally.drained(behaviour, &wrong),
            None => tally.cut(behaviour),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cycle_ends_with_the_soak() {
        let seconds = |duration: u64| -> Vec<u64> {
            cycles(Duration::from_secs(duration)).iter().map(Duration::as_secs).collect()
        };
        assert_eq!(seconds(60), [20, 40, 60]);
        assert_eq!(seconds(600), [60, 120, 180, 240, 300, 360, 420, 480, 540, 600]);
    }
}

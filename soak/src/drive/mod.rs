//! The driver: makes thousands of connections of mixed behaviour, drains the server repeatedly, and
//! checks the result.

mod behaviour;
mod counts;
mod hostile;
mod paced;
mod peer;
mod procfs;
mod report;
mod rng;
mod server;
mod session;
mod session_error;
mod verdict;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::serve::ServerKind;
use behaviour::Behaviour;
use counts::Counts;
use rng::Rng;
use server::{Sample, Server};
use session::Session;
pub use verdict::Verdict;

/// Interval of the progress report. Chosen.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Minimum and maximum duration of a cycle, from one drain to the next; within these, a cycle is a
/// tenth of the soak. The minimum is long enough for each timeout to disconnect a peer once.
const MIN_CYCLE: Duration = Duration::from_secs(20);
const MAX_CYCLE: Duration = Duration::from_secs(60);

/// Percentage of the cycles that count as warm-up, at least one cycle. Chosen: long enough for
/// the fragmentation of the allocator to settle, and most of the soak remains to show growth.
const WARM_UP_PERCENT: usize = 30;

/// Timeout after a drain for the last task to end and the last file to be closed. Chosen: both take
/// far less, unless the machine is busy.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for the answer to `drain`. Chosen: the server's drain timeout of 5 s, with a margin for
/// a busy machine.
const DRAIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Delay before each sample after a drain, so that the allocator can return freed memory. Chosen.
const SAMPLE_DELAY: Duration = Duration::from_secs(1);

/// Interval at which the driver checks whether all connections were dropped. Chosen: short compared
/// with a cycle.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Minimum and maximum delay before a session, in milliseconds. Chosen: the sessions of all slots
/// spread over more than a second.
const MIN_SESSION_DELAY: u64 = 50;
const MAX_SESSION_DELAY: u64 = 1500;

/// The parameters of a soak.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    /// The program `soak-server`.
    pub program: PathBuf,
    /// The kind of server: its API, and for the handler server its backend.
    pub kind: ServerKind,
    /// Total duration, without the last drain.
    pub duration: Duration,
    /// Number of concurrent connections.
    pub connections: usize,
}

/// The phase of a cycle, which the connections follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connect to this address.
    Run(SocketAddr),
    /// The server drains: sessions go on, and the server ends them.
    Drain,
    /// The server has ended its connections and was sampled: drop the remaining sessions.
    Abort,
    /// End all slots.
    Stop,
}

/// Runs a soak of a server.
///
/// # Errors
/// When the server cannot be started or does not answer. Faults of the server are in the
/// [`Verdict`].
pub async fn run(plan: &SoakPlan) -> anyhow::Result<Verdict> {
    let begin = Instant::now();
    let mut server = Server::start(&plan.program, plan.kind)?;
    let baseline = server.sample().await?;
    println!("soak: {:?}, {} connections: {baseline}", plan.kind, plan.connections);
    let counts = Arc::new(Counts::default());
    let (phase_sender, phases) = watch::channel(Phase::Abort);
    let mut slots = JoinSet::new();
    for number in 0..plan.connections {
        let session = Session { counts: counts.clone(), rng: Rng::new(number as u64) };
        slots.spawn(run_slot(Behaviour::of(number), session, phases.clone()));
    }
    let mut verdict = Verdict::new(baseline);
    let ends = cycle_ends(plan.duration);
    for (cycle, end) in ends.iter().enumerate() {
        let address = server.serve().await?;
        phase_sender.send_replace(Phase::Run(address));
        report_until(begin + *end, begin, &mut server, &counts).await?;
        phase_sender.send_replace(Phase::Drain);
        let drained = timeout(DRAIN_ANSWER_TIMEOUT, server.drain())
            .await
            .context("timed out waiting for the drain")??;
        let sample = sample_after_drain(&mut server, verdict.baseline()).await?;
        println!("soak: cycle {cycle} drained: {drained}; {sample}");
        let trimmed =
            if server.trim().await { Some(server.sample().await?.resident) } else { None };
        verdict.cycle(&drained, sample, trimmed);
        phase_sender.send_replace(Phase::Abort);
        while counts.active() > 0 {
            sleep(POLL_INTERVAL).await;
        }
    }
    phase_sender.send_replace(Phase::Stop);
    while let Some(slot) = slots.join_next().await {
        if slot.is_err_and(|error| error.is_panic()) {
            verdict.on_driver_panic();
        }
    }
    let warm_up = (ends.len() * WARM_UP_PERCENT / 100).max(1);
    verdict.finish(&counts, warm_up, server.quit().await?);
    report::print(&counts, &verdict);
    Ok(verdict)
}

/// Returns the end of each cycle, as the time since the start of the soak.
fn cycle_ends(duration: Duration) -> Vec<Duration> {
    let cycle = (duration / 10).clamp(MIN_CYCLE, MAX_CYCLE);
    let count = u32::try_from(duration.as_secs() / cycle.as_secs()).unwrap_or(u32::MAX).max(2);
    (1..=count).map(|number| duration / count * number).collect()
}

/// Reports the progress until `end`.
async fn report_until(
    end: Instant,
    begin: Instant,
    server: &mut Server,
    counts: &Counts,
) -> anyhow::Result<()> {
    loop {
        let next = Instant::now() + REPORT_INTERVAL;
        sleep_until(next.min(end)).await;
        if Instant::now() >= end {
            return Ok(());
        }
        let sample = server.sample().await?;
        let failed = counts.failed();
        println!("soak: {:4} s: {sample}, {failed} failed", begin.elapsed().as_secs());
    }
}

/// Waits until the server has released the resources of all connections, at most for
/// [`RELEASE_TIMEOUT`], and returns a sample.
async fn sample_after_drain(server: &mut Server, baseline: &Sample) -> anyhow::Result<Sample> {
    let end = Instant::now() + RELEASE_TIMEOUT;
    loop {
        sleep(SAMPLE_DELAY).await;
        let sample = server.sample().await?;
        if sample.leaks(baseline).is_empty() || Instant::now() > end {
            return Ok(sample);
        }
    }
}

/// Runs one connection after the other, all of one behaviour.
async fn run_slot(behaviour: Behaviour, mut session: Session, mut phases: watch::Receiver<Phase>) {
    loop {
        let address = loop {
            match *phases.borrow_and_update() {
                Phase::Run(address) => break address,
                Phase::Stop => return,
                Phase::Drain | Phase::Abort => {}
            }
            if phases.changed().await.is_err() {
                return;
            }
        };
        sleep(session.rng.time(MIN_SESSION_DELAY, MAX_SESSION_DELAY)).await;
        if !matches!(*phases.borrow(), Phase::Run(_)) {
            continue;
        }
        let counts = session.counts.clone();
        counts.on_started(behaviour);
        let mut aborted = phases.clone();
        let ended = tokio::select! {
            ended = session.run(behaviour, address) => Some(ended),
            _ = aborted.wait_for(|phase| matches!(phase, Phase::Abort | Phase::Stop)) => None,
        };
        // While the server drains, an error is no failure; `on_drained` counts honest sessions that
        // got no close frame.
        let running = matches!(*phases.borrow(), Phase::Run(_));
        match ended {
            Some(Ok(())) => counts.on_completed(behaviour),
            Some(Err(error)) if running => counts.on_failed(behaviour, &error),
            Some(Err(error)) => counts.on_drained(behaviour, &error),
            None => counts.count_drained(behaviour),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cycle_ends_with_the_soak() {
        let seconds = |duration: u64| -> Vec<u64> {
            cycle_ends(Duration::from_secs(duration)).iter().map(Duration::as_secs).collect()
        };
        assert_eq!(seconds(60), [20, 40, 60]);
        assert_eq!(seconds(600), [60, 120, 180, 240, 300, 360, 420, 480, 540, 600]);
    }
}

use std::sync::atomic::Ordering;

use super::counts::Counts;
use super::server::{Drain, Sample};
use crate::Class;

/// The result of a soak.
#[derive(Debug)]
pub struct Verdict {
    /// The sample before the first connection.
    baseline: Sample,
    /// The samples after each drain.
    drained_samples: Vec<Sample>,
    /// Memory after each drain, in KiB, once the allocator was trimmed; `None` if that failed.
    trimmed: Option<Vec<u64>>,
    /// Number of connections that drains dropped.
    dropped: u64,
    leaks: Vec<String>,
    driver_panics: u64,
    checks: Vec<(&'static str, bool, String)>,
}

impl Verdict {
    pub(super) fn new(baseline: Sample) -> Self {
        Self {
            baseline,
            drained_samples: Vec::new(),
            trimmed: Some(Vec::new()),
            dropped: 0,
            leaks: Vec::new(),
            driver_panics: 0,
            checks: Vec::new(),
        }
    }

    pub(super) fn baseline(&self) -> &Sample {
        &self.baseline
    }

    /// Records a drain and the sample after it.
    pub(super) fn cycle(&mut self, drain: &Drain, sample: Sample, trimmed: Option<u64>) {
        match (&mut self.trimmed, trimmed) {
            (Some(all), Some(trimmed)) => all.push(trimmed),
            // Trimmed and untrimmed values must not be mixed.
            _ => self.trimmed = None,
        }
        self.dropped += drain.dropped;
        let number = self.drained_samples.len();
        let mut leaks = sample.leaks(&self.baseline);
        if drain.left > 0 {
            leaks.push(format!("{} connections still held", drain.left));
        }
        self.leaks.extend(leaks.into_iter().map(|leak| format!("cycle {number}: {leak}")));
        self.drained_samples.push(sample);
    }

    pub(super) fn on_driver_panic(&mut self) {
        self.driver_panics += 1;
    }

    /// Evaluates all checks at the end of the soak. The first `warm_up` drains were those of the
    /// warm-up.
    pub(super) fn finish(&mut self, counts: &Counts, warm_up: usize, exited_ok: bool) {
        let warm = self.memory().into_iter().take(warm_up).max();
        let memory = (warm, self.memory().pop());
        let ((Some(warm), Some(end)), Some(last)) = (memory, self.drained_samples.last().cloned())
        else {
            return;
        };
        let leaks = if self.leaks.is_empty() { "none".into() } else { self.leaks.join("; ") };
        self.check("nothing leaked", self.leaks.is_empty(), leaks);
        let how = if self.trimmed.is_some() { "trimmed" } else { "not trimmed: no gdb" };
        let memory = format!("{warm} KiB after the warm-up, {end} at the end ({how})");
        self.check("memory", end * 10 <= warm * 11, memory);
        let panics = last.stats.value("panics");
        let text = format!("{panics} in the server, {} in the driver", self.driver_panics);
        self.check("no panic", panics + self.driver_panics == 0 && exited_ok, text);
        let (no_close_frame, dropped) = (counts.no_close_frame(), self.dropped);
        let verified = counts.verified.load(Ordering::Relaxed);
        let sent = last.stats.of(Class::Echo, "sent");
        // Data in flight to a client whose connection is dropped may be lost.
        let delivered = verified == sent || verified < sent && no_close_frame + dropped > 0;
        let text = format!("{sent} echoes sent, {verified} received and verified");
        self.check("delivered", delivered, text);
        let accepted = last.stats.total("accepted");
        let dropped: u64 = Class::ALL.into_iter().map(|class| last.stats.dropped(class)).sum();
        let out = last.stats.total("sent");
        let text = format!("{accepted} accepted = {out} sent + {dropped} dropped");
        self.check("accounted for", accepted == out + dropped, text);
        let (no_close_frame, dropped) = (counts.no_close_frame(), self.dropped);
        let text = format!(
            "{no_close_frame} honest clients saw no close frame, {dropped} connections were dropped"
        );
        self.check("drains", no_close_frame <= dropped, text);
        let failed = counts.failed();
        self.check("behaviour", failed == 0, format!("{failed} sessions failed"));
    }

    fn check(&mut self, name: &'static str, passed: bool, text: String) {
        self.checks.push((name, passed, text));
    }

    /// Returns the sample after the last drain.
    pub(super) fn last(&self) -> Option<&Sample> {
        self.drained_samples.last()
    }

    /// Returns the memory after each drain, in KiB: trimmed, if every trim succeeded.
    pub(super) fn memory(&self) -> Vec<u64> {
        let untrimmed = || self.drained_samples.iter().map(|sample| sample.resident).collect();
        self.trimmed.clone().unwrap_or_else(untrimmed)
    }

    pub(super) fn checks(&self) -> &[(&'static str, bool, String)] {
        &self.checks
    }

    /// Returns whether all checks passed.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|(_, passed, _)| *passed)
    }
}

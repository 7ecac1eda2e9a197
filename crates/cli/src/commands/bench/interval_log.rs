//! The interval log of `--hdr`: the distributions of each second, in the format of `HdrHistogram`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sockeye::ErrorChain;
use sockeye_load::{Latency, LatencyProgress, RunPhase};

use crate::client::Failure;

/// A log, of which a line is the response or service times of an interval.
#[derive(Debug)]
pub(super) struct IntervalLog {
    name: String,
    file: BufWriter<File>,
    has_begun: bool,
    /// The first error of writing, which a test does not end for.
    result: io::Result<()>,
}

impl IntervalLog {
    /// Creates the file.
    ///
    /// # Errors
    /// A usage failure that names it.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::create(path)
            .map_err(|error| Failure::usage(format!("cannot write {name}: {error}")))?;
        Ok(Self { name, file: BufWriter::new(file), has_begun: false, result: Ok(()) })
    }

    /// Adds what was counted since the last report.
    pub(super) fn add(&mut self, progress: &LatencyProgress<'_>) {
        if progress.phase == RunPhase::Counted && self.result.is_ok() {
            self.result = self.write(progress);
        }
    }

    fn write(&mut self, progress: &LatencyProgress<'_>) -> io::Result<()> {
        if !self.has_begun {
            self.has_begun = true;
            let begin = SystemTime::now().checked_sub(progress.elapsed).unwrap_or(UNIX_EPOCH);
            let begin = begin.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            write!(
                self.file,
                "#[Histogram log format version 1.3]\n\
                 #[StartTime: {begin:.3} (seconds since epoch)]\n\
                 \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
            )?;
        }
        // The first interval may have begun in the warm-up.
        let length = progress.interval.min(progress.elapsed);
        let start = progress.elapsed.saturating_sub(length);
        for (tag, latency) in
            [("", &progress.tick.response), ("Tag=service,", &progress.tick.service)]
        {
            if latency.messages() > 0 {
                self.file.write_all(line(tag, start, length, latency).as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// A failure that names the file, if anything could not be written.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let result = std::mem::replace(&mut self.result, Ok(())).and_then(|()| self.file.flush());
        result.map_err(|error| {
            Failure::other(format!("cannot write {}: {}", self.name, ErrorChain(&error)))
        })
    }
}

/// Returns the line of an interval: its begin and length in seconds, its longest time in
/// milliseconds, and its histogram.
fn line(tag: &str, start: Duration, length: Duration, latency: &Latency) -> String {
    format!(
        "{tag}{:.3},{:.3},{:.3},{}\n",
        start.as_secs_f64(),
        length.as_secs_f64(),
        latency.max().as_secs_f64() * 1e3,
        BASE64.encode(latency.to_hdr()),
    )
}

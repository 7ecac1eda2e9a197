//! The access log: a line of JSON for each call, or for each beginning and end of a WebSocket.
//!
//! A thread writes the lines, so that a slow disk delays no call. A line that finds its queue full
//! is dropped and counted, and the next line tells the count.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tracing::warn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Number of lines that may wait for the thread. Chosen: about 4 MiB, and the calls of a tenth of a
/// second.
const MAX_WAITING: usize = 8192;

/// Maximum wait for the last lines of a program that ends. Chosen: a disk that works takes less.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval at which a full queue is tried again by a program that ends.
const RETRY: Duration = Duration::from_millis(5);

/// The file name that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// Waits until the lines so far of a log are written, at most for a second. Panics on a runtime of one
/// thread.
pub(crate) fn flush(log: Option<&AccessLog>) {
    if let Some(log) = log {
        tokio::task::block_in_place(|| log.flush());
    }
}

/// The access log of the program. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    commands: SyncSender<Command>,
    /// Lines dropped since the last one that was written.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Command {
    Line(String),
    /// Opens the file anew, after another program has renamed it.
    Reopen,
    /// Tells when all lines so far are written.
    Flush(SyncSender<()>),
}

/// A line of the log: the time, the fields of a record, and the lines that were lost before.
#[derive(Serialize)]
struct Line<'a, R> {
    time: String,
    #[serde(flatten)]
    record: &'a R,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_lines: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AccessLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(file: &Path) -> anyhow::Result<Self> {
        let target = Target::open(file).with_context(|| cannot_write(file))?;
        let (commands, received) = sync_channel(MAX_WAITING);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || target.run(&received))
            .context("cannot start the thread of the access log")?;
        Ok(Self { commands, dropped: Arc::default() })
    }

    /// Checks that the log can be opened, and changes nothing.
    ///
    /// # Errors
    /// When the file cannot be opened, or cannot be made.
    pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
        if file == Path::new(STANDARD_OUTPUT) {
            return Ok(());
        }
        let opened = match OpenOptions::new().append(true).open(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                std::fs::read_dir(folder.unwrap_or(Path::new("."))).map(drop)
            }
            opened => opened.map(drop),
        };
        opened.with_context(|| cannot_write(file))
    }

    /// Writes the line of a record.
    pub(crate) fn write(&self, record: &impl Serialize) {
        let dropped_lines = self.dropped.swap(0, Ordering::Relaxed);
        let line = Line { time: now(), record, dropped_lines };
        // Texts and numbers are always JSON.
        let Ok(line) = serde_json::to_string(&line) else { return };
        if self.commands.try_send(Command::Line(line)).is_err() {
            self.dropped.fetch_add(dropped_lines + 1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew, soon.
    pub(crate) fn reopen(&self) {
        if self.commands.try_send(Command::Reopen).is_err() {
            warn!("the access log is not opened anew: its disk is too slow");
        }
    }

    /// Waits until the lines so far are written, at most for [`FLUSH_TIMEOUT`]. Blocks the thread.
    fn flush(&self) {
        let (done, written) = sync_channel(1);
        let at_most = Instant::now() + FLUSH_TIMEOUT;
        let mut command = Command::Flush(done);
        // The queue may be full.
        while let Err(TrySendError::Full(again)) = self.commands.try_send(command) {
            if Instant::now() >= at_most {
                break;
            }
            command = again;
            thread::sleep(RETRY);
        }
        let rest = at_most.saturating_duration_since(Instant::now());
        if written.recv_timeout(rest).is_err() {
            warn!("the last lines of the access log are lost: its disk is too slow");
        }
    }
}

/// Returns a duration in milliseconds, for the field of a record.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn now() -> String {
    let mut text = String::new();
    // A text takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// The file that the thread writes.
struct Target {
    /// `None` for standard output.
    file: Option<PathBuf>,
    out: BufWriter<Box<dyn Write + Send>>,
    /// `true` after a failure, of which the operator was told.
    has_failed: bool,
}

impl Target {
    fn open(file: &Path) -> io::Result<Self> {
        let file = (file != Path::new(STANDARD_OUTPUT)).then(|| file.to_owned());
        let out: Box<dyn Write + Send> = match &file {
            Some(file) => Box::new(append(file)?),
            None => Box::new(io::stdout()),
        };
        Ok(Self { file, out: BufWriter::new(out), has_failed: false })
    }

    /// Writes lines until the log is dropped.
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let command = match commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // Lines are written together while there are more, and at once when not.
                    self.flush();
                    let Ok(command) = commands.recv() else { break };
                    command
                }
            };
            match command {
                Command::Line(line) => {
                    let written = writeln!(self.out, "{line}");
                    self.report(written);
                }
                Command::Reopen => self.reopen(),
                Command::Flush(done) => {
                    self.flush();
                    // The one who waited may have given up.
                    let _ = done.try_send(());
                }
            }
        }
        self.flush();
    }

    fn reopen(&mut self) {
        let Some(file) = &self.file else { return };
        match append(file) {
            Ok(opened) => {
                let name = file.display().to_string();
                self.flush();
                self.out = BufWriter::new(Box::new(opened));
                self.has_failed = false;
                tracing::debug!("the access log {name} was opened anew");
            }
            Err(error) => warn!(
                "cannot open the access log {} anew, so the old file is written: {error}",
                file.display()
            ),
        }
    }

    fn flush(&mut self) {
        let flushed = self.out.flush();
        self.report(flushed);
    }

    /// Tells the operator of a failure once.
    fn report(&mut self, result: io::Result<()>) {
        match result {
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                let name = self.file.as_deref().unwrap_or(Path::new("standard output"));
                warn!("lines of the access log are lost: cannot write {}: {error}", name.display());
            }
            _ => {}
        }
    }
}

fn cannot_write(file: &Path) -> String {
    format!("cannot write the access log {}", file.display())
}

fn append(file: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(file)
}

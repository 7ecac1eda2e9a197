//! The keys of the display: `+` and `-` change the time that its statistics cover, `q` ends the
//! test.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::stop::Stop;

/// The times that the statistics can cover, in reports of a second.
pub(super) const SPANS: [usize; 4] = [1, 5, 10, 30];

/// Interval at which a program in the background looks whether it is in the foreground again.
const BACKGROUND_INTERVAL: Duration = Duration::from_millis(200);

/// The keys of a terminal, whose mode is restored when this is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    saved: Termios,
    /// Index in [`SPANS`].
    span: Arc<AtomicUsize>,
}

impl Keys {
    /// Reads keys from standard input, if that is a terminal and the program is in the foreground.
    pub(super) fn listen(stop: &Stop) -> Option<Self> {
        let saved = tcgetattr(io::stdin()).ok().filter(|_| is_foreground())?;
        let mut mode = saved.clone();
        // Ctrl-C is still a signal.
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &mode).ok()?;
        let keys = Self { saved, span: Arc::default() };
        let (span, stop) = (Arc::clone(&keys.span), stop.clone());
        // Without the thread, the keys do nothing.
        let _ = thread::Builder::new().name("keys".to_owned()).spawn(move || read(&span, &stop));
        Some(keys)
    }

    /// Returns the number of reports that the statistics cover.
    pub(super) fn span(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.span)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The process is about to end; there is nobody to report an error to.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.saved);
    }
}

/// Returns whether the program may read from the terminal without being stopped. The terminal stops
/// only programs of its own session; others cannot ask for its group.
fn is_foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// Handles keys until the end of the input.
fn read(span: &AtomicUsize, stop: &Stop) {
    let stdin = io::stdin();
    loop {
        if poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None).is_err() {
            continue;
        }
        if !is_foreground() {
            thread::sleep(BACKGROUND_INTERVAL);
            continue;
        }
        let mut key = [0];
        match rustix::io::read(&stdin, &mut key) {
            Ok(1) => {}
            Err(rustix::io::Errno::INTR) => continue,
            _ => return,
        }
        let index = span.load(Ordering::Relaxed);
        match key[0] {
            b'+' | b'=' => span.store((index + 1).min(SPANS.len() - 1), Ordering::Relaxed),
            b'-' => span.store(index.saturating_sub(1), Ordering::Relaxed),
            b'q' => stop.request(),
            _ => {}
        }
    }
}

//! A session: a process on a terminal, whose viewers come and go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sockeye::Drain;
use sockeye::bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::filter::{Allowed, Filter};
use super::keyboard::{Keyboard, Keyboards};
use super::pty::{Pty, Size};
use super::recorder::Recorder;
use super::screen::Screen;
use crate::commands::exec::exit::Exit;
use crate::commands::exec::journal::{Journal, Reader};
use crate::commands::exec::process::{Process, Slot};

/// Size of the kept output, in bytes: the distance at which a viewer of a shared terminal may follow
/// another one before it gets the screen instead. At least the window, so that a viewer that is the
/// foremost one misses nothing.
const CAPACITY: u64 = 512 * 1024;

/// Maximum lead of the process over its foremost viewer, in bytes: Ctrl-C shows its effect once the
/// viewer has shown this. Measured: Chromium shows 1 to 5 MB/s, so that this takes 15 to 65 ms.
const WINDOW: u64 = 64 * 1024;

/// Maximum length of the output that a viewer has missed and gets, in bytes; one that has missed
/// more gets the screen. As long as the window, for the same reason: the screen is to be back within
/// 100 ms, and 350 KiB took Chromium 330 ms.
const MAX_REPLAY: u64 = WINDOW;

/// Length of a read, in bytes: the most that Linux keeps of the output of a terminal.
const READ_LENGTH: usize = 16 * 1024;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    /// The identity of the clients that may attach.
    pub(super) owner: Arc<str>,
    pub(super) pty: Pty,
    journal: Arc<Journal<Bytes>>,
    display: Mutex<Display>,
    size: watch::Sender<Size>,
    viewers: watch::Sender<Viewers>,
    keyboards: Arc<Keyboards>,
    /// `true` if several viewers may be attached at a time.
    is_shared: bool,
    /// Time for which the session is kept without a viewer; `None` for ever.
    linger: Option<Duration>,
}

/// The state that each output changes.
#[derive(Debug)]
struct Display {
    filter: Filter,
    screen: Screen,
    recorder: Option<Recorder>,
}

/// The way in which a session ends.
enum End {
    Exited(Exit),
    /// No viewer has come back in time.
    Abandoned,
    /// The server stops.
    Stopped,
}

#[derive(Clone, Copy, Debug, Default)]
struct Viewers {
    attached: usize,
    /// The number of the latest attachment.
    latest: u64,
}

/// A session as a viewer gets it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) attachment: Attachment,
    pub(super) reader: Reader<Bytes>,
    pub(super) sizes: watch::Receiver<Size>,
    /// The screen before the reader's position; `None` if the viewer has seen all before.
    pub(super) screen: Option<String>,
}

/// The place of a viewer. Dropping the value detaches it.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) session: Arc<Session>,
    number: u64,
    viewers: watch::Receiver<Viewers>,
}

/// The properties of a new session.
#[derive(Debug)]
pub(super) struct NewSession {
    pub(super) id: String,
    pub(super) owner: Arc<str>,
    pub(super) pty: Pty,
    pub(super) size: Size,
    pub(super) allowed: Allowed,
    pub(super) recorder: Option<Recorder>,
    pub(super) is_shared: bool,
    pub(super) linger: Option<Duration>,
}

impl Session {
    pub(super) fn new(new: NewSession) -> Arc<Self> {
        Arc::new(Self {
            id: new.id,
            owner: new.owner,
            pty: new.pty,
            journal: Journal::new(CAPACITY, WINDOW),
            display: Mutex::new(Display {
                filter: Filter::new(new.allowed),
                screen: Screen::new(new.size),
                recorder: new.recorder,
            }),
            size: watch::Sender::new(new.size),
            viewers: watch::Sender::default(),
            keyboards: Arc::default(),
            is_shared: new.is_shared,
            linger: new.linger,
        })
    }

    /// Attaches a viewer, in place of the previous one unless the session is shared. A viewer that
    /// has seen the output up to `seen` gets what follows, if it is kept; any other gets the
    /// screen.
    pub(super) fn attach(self: &Arc<Self>, seen: Option<u64>) -> View {
        let (screen, reader) = {
            // No output comes between the screen and the reader's position.
            let mut display = self.display();
            let end = self.journal.end();
            let is_short = |seen: &u64| end.saturating_sub(*seen) <= MAX_REPLAY;
            match seen.filter(is_short).filter(|position| self.journal.has(*position)) {
                Some(position) => (None, self.journal.reader(position)),
                None => (Some(display.screen.state()), self.journal.reader(end)),
            }
        };
        let mut number = 0;
        self.viewers.send_modify(|viewers| {
            viewers.attached += 1;
            viewers.latest += 1;
            number = viewers.latest;
        });
        let viewers = self.viewers.subscribe();
        let attachment = Attachment { session: Arc::clone(self), number, viewers };
        View { attachment, reader, sizes: self.size.subscribe(), screen }
    }

    /// Attaches a viewer to its keyboard, or to a new one if that is not known.
    pub(super) fn keyboard(&self, id: Option<u64>, owner: &Arc<str>) -> Keyboard {
        self.keyboards.attach(id, owner)
    }

    /// Returns the screen and the position after it.
    pub(super) fn screen(&self) -> (String, u64) {
        let mut display = self.display();
        (display.screen.state(), self.journal.end())
    }

    /// Changes the size for the process and all viewers.
    pub(super) fn resize(&self, size: Size) {
        // Viewers are told the sizes in the order in which the terminal has them.
        let mut display = self.display();
        let is_new = self.size.send_if_modified(|current| {
            let is_new = *current != size;
            *current = size;
            is_new
        });
        if is_new {
            display.screen.resize(size);
            if let Some(recorder) = &mut display.recorder {
                recorder.resize(size);
            }
            self.pty.resize(size);
        }
    }

    /// Returns the time for which the session is kept without a viewer; `None` for ever.
    pub(super) fn linger(&self) -> Option<Duration> {
        self.linger
    }

    /// Returns whether the process has ended.
    pub(super) fn is_over(&self) -> bool {
        self.journal.exit().is_some()
    }

    /// Passes output on until the process has ended, or no viewer has come back in time, or the
    /// server stops. The slot is kept as long as the session.
    pub(super) async fn run(self: &Arc<Self>, mut process: Process, slot: Slot, drain: &Drain) {
        // After the output ends here, the process is told so by SIGHUP.
        match self.pass_output_on(&mut process, drain).await {
            End::Exited(exit) => {
                self.journal.finish(exit);
                process.end().await;
            }
            End::Abandoned => self.journal.finish(process.end().await),
            // The drain closes the viewers, one after the other: not with the end of the process.
            End::Stopped => drop(process.end().await),
        }
        if let Some(recorder) = &mut self.display().recorder {
            recorder.flush();
        }
        // A viewer that was away is to see how the process ended.
        if self.viewers.borrow().attached == 0 {
            let linger = self.linger.unwrap_or_default();
            tokio::select! {
                () = sleep(linger) => {}
                () = drain.begun() => {}
            }
        }
        drop(slot);
    }

    async fn pass_output_on(&self, process: &mut Process, drain: &Drain) -> End {
        let mut buffer = vec![0; READ_LENGTH];
        let mut abandoned = std::pin::pin!(self.wait_until_abandoned());
        let mut exited: Option<(Exit, Instant)> = None;
        let mut is_open = true;
        loop {
            let exit = exited.map(|(exit, _)| exit);
            if let (false, Some(exit)) = (is_open, exit) {
                return End::Exited(exit);
            }
            let read = async {
                // The output left after the end is short.
                if exit.is_none() {
                    self.journal.wait_for_room().await;
                }
                self.pty.read(&mut buffer).await
            };
            tokio::select! {
                read = read, if is_open => match read {
                    Ok(length @ 1..) => self.output(&buffer[..length]),
                    Ok(0) | Err(_) => is_open = false,
                },
                exit = process.wait(), if exit.is_none() => {
                    exited = Some((exit, Instant::now() + process.grace()));
                }
                // Another process keeps the terminal open.
                () = until(exited.map(|(_, at_most)| at_most)) => {
                    if let Some(exit) = exit {
                        return End::Exited(exit);
                    }
                }
                () = &mut abandoned => return End::Abandoned,
                () = drain.begun() => return End::Stopped,
            }
        }
    }

    fn output(&self, bytes: &[u8]) {
        let mut display = self.display();
        let output = display.filter.process(bytes);
        if output.is_empty() {
            return;
        }
        display.screen.process(&output);
        if let Some(recorder) = &mut display.recorder {
            recorder.output(&output);
            // A full read says that more follows at once.
            if bytes.len() < READ_LENGTH / 4 {
                recorder.flush();
            }
        }
        self.journal.push(output.into());
    }

    async fn wait_until_abandoned(&self) {
        let Some(linger) = self.linger else { return std::future::pending().await };
        let mut viewers = self.viewers.subscribe();
        loop {
            // Never fails: `self` has the sender.
            let _ = viewers.wait_for(|viewers| viewers.attached == 0).await;
            tokio::select! {
                () = sleep(linger) => return,
                _ = viewers.wait_for(|viewers| viewers.attached > 0) => {}
            }
        }
    }

    fn display(&self) -> MutexGuard<'_, Display> {
        self.display.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Waits until another viewer has taken the place of this one. Cancel safe.
    pub(super) async fn wait_until_replaced(&mut self) {
        if self.session.is_shared {
            return std::future::pending().await;
        }
        let number = self.number;
        let _ = self.viewers.wait_for(|viewers| viewers.latest != number).await;
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.session.viewers.send_modify(|viewers| viewers.attached -= 1);
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

//! A program on a pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Timeout of a wait for output, and for the end.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A program on a pseudo-terminal.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    /// The side of the program, which keeps the terminal open after its end.
    slave: File,
    /// Everything that the program wrote.
    written: String,
    /// The end of the text that was waited for last, in `written`.
    seen: usize,
    /// The number of prompts that were waited for.
    prompts: usize,
}

/// Written by the line editor each time that it begins to read keys, after it changed the mode of
/// the terminal. Keys typed before are handled by the terminal: it takes Ctrl-D for itself.
const READS_KEYS: &str = "\x1b[?2004h";

impl Terminal {
    /// Starts a program on a terminal, which does not tell its size.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_as("xterm", (0, 0), command)
    }

    /// Starts a program on a terminal of this kind, with so many columns and rows.
    pub(crate) fn start_as(kind: &str, (columns, rows): (u16, u16), mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child =
            command.env("TERM", kind).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, master: master.into(), slave, written: String::new(), seen: 0, prompts: 0 }
    }

    /// Types keys.
    pub(crate) fn enter(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the line editor reads the next line.
    pub(crate) fn wait_for_prompt(&mut self) {
        self.prompts += 1;
        while self.written.matches(READS_KEYS).count() < self.prompts {
            self.read();
        }
    }

    /// Waits until the terminal shows the text after the last one that was waited for.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !self.written[self.seen..].contains(text) {
            self.read();
        }
        self.seen += self.written[self.seen..].find(text).unwrap() + text.len();
    }

    /// Returns everything that the program has written so far.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    fn read(&mut self) {
        let mut master = [PollFd::new(&self.master, PollFlags::IN)];
        let timeout = Timespec { tv_sec: TIMEOUT.as_secs().cast_signed(), tv_nsec: 0 };
        if poll(&mut master, Some(&timeout)).unwrap() == 0 {
            self.give_up("nothing was written");
        }
        let mut buffer = [0; 4096];
        let length = self.master.read(&mut buffer).unwrap();
        self.written += &String::from_utf8_lossy(&buffer[..length]);
    }

    /// Waits for the end of the program, which leaves the terminal as it was.
    pub(crate) fn end(mut self) -> Option<i32> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > TIMEOUT {
                self.give_up("the program has not ended");
            }
            thread::sleep(Duration::from_millis(10));
        };
        let code = status.code();
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
        code
    }

    /// Ends the program, and fails the test.
    fn give_up(&mut self, reason: &str) -> ! {
        let _ = self.child.kill();
        panic!("{reason} for {TIMEOUT:?}, after {:?}", self.written);
    }
}

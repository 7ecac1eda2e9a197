//! Recordings of terminals as asciicast v2: a header and then an event a line, in JSON.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tracing::warn;

use super::pty::Size;

/// Maximum number of files that are tried for a new recording.
const MAX_FILES: u32 = 10_000;

/// A recording. It holds what viewers see, and nothing that they type.
#[derive(Debug)]
pub(super) struct Recorder {
    file: BufWriter<File>,
    path: PathBuf,
    begun: Instant,
    is_broken: bool,
}

impl Recorder {
    /// Begins a recording in a new file: `path` or, if that exists, `path` with a number before its
    /// extension.
    ///
    /// # Errors
    /// When no file can be created.
    pub(super) fn create(path: &Path, size: Size, command: &str) -> anyhow::Result<Self> {
        let (file, path) = new_file(path)?;
        let mut recorder =
            Self { file: BufWriter::new(file), path, begun: Instant::now(), is_broken: false };
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        recorder.write(&serde_json::json!({
            "version": 2,
            "width": size.columns,
            "height": size.rows,
            "timestamp": timestamp,
            "command": command,
            "env": { "TERM": "xterm-256color" },
        }));
        Ok(recorder)
    }

    /// Records output.
    pub(super) fn output(&mut self, output: &[u8]) {
        self.event("o", &String::from_utf8_lossy(output));
    }

    /// Records a change of the size.
    pub(super) fn resize(&mut self, size: Size) {
        self.event("r", &format!("{}x{}", size.columns, size.rows));
    }

    /// Writes what is buffered, so that a player can follow.
    pub(super) fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            self.fail(&error);
        }
    }

    fn event(&mut self, kind: &str, data: &str) {
        let time = self.begun.elapsed().as_secs_f64();
        // A microsecond is the finest that players use.
        self.write(&serde_json::json!([(time * 1e6).round() / 1e6, kind, data]));
    }

    fn write(&mut self, line: &serde_json::Value) {
        if self.is_broken {
            return;
        }
        if let Err(error) = writeln!(self.file, "{line}") {
            self.fail(&error);
        }
    }

    /// A full disk is no reason to end the terminal.
    fn fail(&mut self, error: &std::io::Error) {
        if !self.is_broken {
            warn!("the recording {} ends here: {error}", self.path.display());
        }
        self.is_broken = true;
    }
}

fn new_file(path: &Path) -> anyhow::Result<(File, PathBuf)> {
    let stem = path.file_stem().context("--record needs the name of a file")?;
    for number in 1..=MAX_FILES {
        let path = if number == 1 {
            path.to_owned()
        } else {
            let mut name = stem.to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            path.with_file_name(name)
        };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    anyhow::bail!("there are {MAX_FILES} recordings beside {}", path.display())
}

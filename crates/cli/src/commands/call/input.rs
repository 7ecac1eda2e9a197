//! The input of a call: an argument, a file, or standard input as it arrives.

use std::fs::File;
use std::io::{self, Read};
use std::thread;

use sockeye::bytes::Bytes;
use tokio::sync::mpsc;

use super::MAX_MESSAGE;
use crate::client::Failure;

/// Maximum length of a piece, in bytes. Taken from the buffers of pipes on Linux.
const PIECE: usize = 64 * 1024;

/// The pieces of the input.
#[derive(Debug)]
pub(super) enum Input {
    /// An argument.
    Text(Option<Bytes>),
    /// The pieces that a thread reads, one ahead.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl Input {
    /// Opens the input that `--data` names: text, `@FILE`, or `-` for standard input.
    ///
    /// # Errors
    /// A usage failure if the file cannot be opened.
    pub(super) fn open(data: &str) -> Result<Self, Failure> {
        if data == "-" || data == "@-" {
            return Self::read(io::stdin());
        }
        let Some(path) = data.strip_prefix('@') else {
            return Ok(Self::Text(Some(Bytes::copy_from_slice(data.as_bytes()))));
        };
        let file = File::open(path)
            .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
        Self::read(file)
    }

    /// Reads in a thread: a terminal may take any time, and the thread ends with the program.
    fn read(mut source: impl Read + Send + 'static) -> Result<Self, Failure> {
        let (sender, pieces) = mpsc::channel(1);
        let reading = move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = match source.read(&mut piece) {
                    Ok(0) => return,
                    Ok(length) => {
                        piece.truncate(length);
                        Ok(piece.into())
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_over = read.is_err();
                // Without a receiver, the call is over.
                if sender.blocking_send(read).is_err() || is_over {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("sockeye-input".to_owned()).spawn(reading);
        started.map_err(|error| Failure::other(format!("cannot start a thread: {error}")))?;
        Ok(Self::Pieces(pieces))
    }

    /// Returns the next piece; `None` at the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Text(text) => Ok(text.take()),
            Self::Pieces(pieces) => pieces
                .recv()
                .await
                .transpose()
                .map_err(|error| Failure::usage(format!("cannot read the input: {error}"))),
        }
    }

    /// Returns the rest of the input.
    ///
    /// # Errors
    /// A usage failure if the input cannot be read, or has more than [`MAX_MESSAGE`] bytes.
    pub(super) async fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > MAX_MESSAGE {
                return Err(Failure::usage(format!("the input has more than {MAX_MESSAGE} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

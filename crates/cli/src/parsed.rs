//! The result of parsing the command line anew.

/// The arguments of a command, and the level of the log.
#[derive(Debug)]
pub(crate) struct Parsed<T> {
    pub(crate) arguments: T,
    pub(crate) verbose: u8,
}

/// A function that parses the command line of the process anew, with the file and the environment.
pub(crate) type ParseAgain<T> = fn() -> anyhow::Result<Parsed<T>>;

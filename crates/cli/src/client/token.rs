//! The bearer token that a client presents.

use std::path::Path;

use super::{Failure, tls};

/// The variable of the environment with the token.
const VARIABLE: &str = "SOCKEYE_TOKEN";

/// Returns the first token of a file, or else that of the environment. A token is never an argument:
/// other users of the machine can read those.
///
/// # Errors
/// A usage failure when the file cannot be read or has no token, which is not repeated.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else {
        let token = std::env::var(VARIABLE).unwrap_or_default();
        return Ok(Some(token.trim().to_owned()).filter(|token| !token.is_empty()));
    };
    let text = tls::read(file)?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim);
    match lines.find(|line| !line.is_empty() && !line.starts_with('#')) {
        Some(token) => Ok(Some(token.to_owned())),
        None => {
            Err(Failure::usage(format!("{} has no token; expected one in a line", file.display())))
        }
    }
}

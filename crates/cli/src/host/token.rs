//! The keys of tokens, from files.

use std::path::Path;

use anyhow::{Context, bail};
use sockeye_hub::token::TokenVerifier;

/// The flags about tokens of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFlags<'a> {
    /// The beginning of the flags, for messages: `--hub` for `--hub-secret-file`.
    pub(crate) prefix: &'static str,
    pub(crate) secret_file: Option<&'a Path>,
    pub(crate) jwks_file: Option<&'a Path>,
    pub(crate) audience: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
}

impl TokenFlags<'_> {
    /// Returns the verifier of tokens, or `None` if no flag asks for tokens.
    ///
    /// # Errors
    /// When a file of keys cannot be used, or there is none.
    pub(crate) fn verifier(&self) -> anyhow::Result<Option<TokenVerifier>> {
        let prefix = self.prefix;
        let verifier = match (self.secret_file, self.jwks_file) {
            (Some(file), _) => TokenVerifier::hmac(&read_secret(file)?)
                .with_context(|| format!("cannot use the secret in {}", file.display()))?,
            (None, Some(file)) => TokenVerifier::jwks(&read(file)?)
                .with_context(|| format!("cannot use the keys in {}", file.display()))?,
            (None, None) => match (self.audience, self.issuer) {
                (None, None) => return Ok(None),
                (audience, _) => bail!(
                    "{prefix}-{} needs tokens; add {prefix}-secret-file or {prefix}-jwks-file",
                    if audience.is_some() { "audience" } else { "issuer" }
                ),
            },
        };
        let verifier = match self.audience {
            Some(audience) => verifier.audience(audience),
            None => verifier,
        };
        Ok(Some(match self.issuer {
            Some(issuer) => verifier.issuer(issuer),
            None => verifier,
        }))
    }
}

/// Returns the secret in a file, without the end of its line, which editors and `echo` add.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn read_secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    let secret = read(file)?;
    // Further white space is a part of the secret: other programs keep it.
    let line = secret.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(line.unwrap_or(&secret).to_vec())
}

/// Reads a file.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_secret_loses_one_line_end_only() {
        let file = std::env::temp_dir().join(format!("sockeye-secret-{}", std::process::id()));
        for (text, secret) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret \n\n", "secret \n"),
            (" secret\t", " secret\t"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_secret(&file).unwrap(), secret.as_bytes(), "{text:?}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}

//! Access by bearer tokens from a file, for commands whose clients are programs.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use clap::Args;

use super::{Hosting, exposure, token};

/// Minimum length of a token: 16 random characters of base64 have 96 bits, which nobody guesses.
const MIN_LENGTH: usize = 16;

/// Maximum number of tokens in a file. A request is compared with each of them.
const MAX_TOKENS: usize = 1000;

/// The identity of clients without a token.
const ANYONE: &str = "anyone";

/// The text of a refusal of a request without a valid token.
const NO_TOKEN: &str = "This needs a token of --token-file, in the header Authorization: Bearer. \
     Sockeye's clients send it with --token-file or SOCKEYE_TOKEN.\n";

/// The text of a refusal of a request that a proxy has passed on to a [private](Access::Private)
/// server.
const PRIVATE: &str = "This server is for programs on its own machine, and a proxy has passed this \
     request on. To admit clients with tokens, start it with --token-file; to admit anybody, with \
     --no-auth.\n";

/// The flags that say which clients are admitted.
#[derive(Debug, Args)]
pub(crate) struct BearerArguments {
    /// Admit clients with one of the tokens in this file, a line each of at least 16 characters;
    /// lines that begin with # are comments
    #[arg(long, value_name = "FILE", conflicts_with = "no_auth", help_heading = "Access")]
    pub(crate) token_file: Option<PathBuf>,

    /// Admit anybody who can reach the port
    #[arg(long, help_heading = "Access")]
    pub(crate) no_auth: bool,
}

/// The clients that are admitted. Clones share the tokens.
#[derive(Clone, Debug)]
pub(crate) enum BearerAccess {
    /// Programs on this machine: nothing says that the server is meant for others.
    Private,
    /// Anybody who can reach the port.
    Anybody,
    /// Clients with one of these tokens.
    Tokens(Tokens),
}

/// The tokens of a file.
#[derive(Clone)]
pub(crate) struct Tokens {
    entries: Arc<[Entry]>,
    /// The number of times that the file was read again.
    reloads: u32,
}

struct Entry {
    token: Box<str>,
    /// The number of the token's line when the token was new: a name for logs and sessions that is
    /// no secret. A token that a reload adds has the number of the reload too, so that it never gets
    /// the name of another token, whose sessions it could take.
    identity: Arc<str>,
}

impl BearerAccess {
    /// Decides which clients a server that listens on `bound` admits.
    ///
    /// # Errors
    /// When the file cannot be used, or other machines can reach the server and no flag says which
    /// clients are admitted.
    pub(crate) fn new(
        arguments: &BearerArguments,
        hosting: &Hosting,
        bound: SocketAddr,
    ) -> anyhow::Result<Self> {
        if let Some(file) = &arguments.token_file {
            return Ok(Self::Tokens(Tokens::read(file)?));
        }
        if arguments.no_auth {
            return Ok(Self::Anybody);
        }
        if exposure::is_private(hosting, bound)? {
            return Ok(Self::Private);
        }
        bail!(
            "other machines can reach {}, and nothing says which clients are admitted; add \
             --token-file to admit clients with a token, or --no-auth to admit anybody",
            hosting.listen
        );
    }

    /// Reads the flags and the file again. Tokens that are still there keep their identities.
    ///
    /// # Errors
    /// As those of [`new`](Self::new), and when the kind of access would change: sessions may belong
    /// to clients without an identity of their own.
    pub(crate) fn reload(
        &self,
        arguments: &BearerArguments,
        hosting: &Hosting,
        bound: SocketAddr,
    ) -> anyhow::Result<Self> {
        match (self, &arguments.token_file) {
            (Self::Tokens(tokens), Some(file)) => Ok(Self::Tokens(tokens.read_again(file)?)),
            (Self::Tokens(_), None) => bail!("the end of --token-file needs a restart"),
            (_, Some(_)) => bail!("the use of --token-file needs a restart"),
            (_, None) => Self::new(arguments, hosting, bound),
        }
    }

    /// Returns whether clients of this identity are admitted, after a reload: whether its token is
    /// still there.
    pub(crate) fn is_admitted(&self, identity: &str) -> bool {
        match self {
            Self::Private | Self::Anybody => true,
            Self::Tokens(tokens) => tokens.entries.iter().any(|entry| *entry.identity == *identity),
        }
    }

    /// Returns whether the server is meant for programs on this machine alone.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private)
    }

    /// Returns the identity of the client that sends these headers.
    ///
    /// # Errors
    /// The response that refuses the client, which says how to be admitted.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Arc<str>, Box<Response>> {
        match self {
            Self::Private if exposure::came_through_a_proxy(headers) => {
                Err(Box::new((StatusCode::FORBIDDEN, PRIVATE).into_response()))
            }
            Self::Private | Self::Anybody => Ok(ANYONE.into()),
            Self::Tokens(tokens) => {
                bearer(headers).and_then(|token| tokens.identity(token)).ok_or_else(|| {
                    let challenge = [(WWW_AUTHENTICATE, "Bearer")];
                    Box::new((StatusCode::UNAUTHORIZED, challenge, NO_TOKEN).into_response())
                })
            }
        }
    }
}

impl Tokens {
    fn read(file: &Path) -> anyhow::Result<Self> {
        Self::parse(file, |_, line| format!("token {line}").into(), 0)
    }

    fn read_again(&self, file: &Path) -> anyhow::Result<Self> {
        let reloads = self.reloads.saturating_add(1);
        let identity = |token: &str, line| match self.identity(token) {
            Some(identity) => identity,
            None => format!("token {line} of reload {reloads}").into(),
        };
        Self::parse(file, identity, reloads)
    }

    /// Reads a file. `identity` returns the name of a token in a line of this number.
    fn parse(
        file: &Path,
        identity: impl Fn(&str, usize) -> Arc<str>,
        reloads: u32,
    ) -> anyhow::Result<Self> {
        let text = token::read(file)?;
        let name = file.display();
        let Ok(text) = str::from_utf8(&text) else { bail!("{name} is not text") };
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let mut entries = Vec::new();
        for (index, line) in lines {
            let number = index + 1;
            if line.len() < MIN_LENGTH || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
                bail!(
                    "line {number} of {name} is no token; expected at least {MIN_LENGTH} printable \
                     characters without spaces, such as `openssl rand -hex 32` prints"
                );
            }
            entries.push(Entry { token: line.into(), identity: identity(line, number) });
        }
        match entries.len() {
            0 => bail!("{name} has no token; expected one a line"),
            1..=MAX_TOKENS => Ok(Self { entries: entries.into(), reloads }),
            length => bail!("{name} has {length} tokens; at most {MAX_TOKENS} are allowed"),
        }
    }

    /// Returns the identity that belongs to a token. The time depends on the length of the given
    /// token and of those in the file, not on their content.
    fn identity(&self, token: &str) -> Option<Arc<str>> {
        let mut found = None;
        for entry in &*self.entries {
            if is_equal(entry.token.as_bytes(), token.as_bytes()) {
                found = Some(&entry.identity);
            }
        }
        found.cloned()
    }
}

/// Compares two secrets without a branch on their content.
pub(crate) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let pairs = a.iter().zip(b);
    // The barrier keeps the compiler from ending the loop at the first difference.
    let differences = pairs.fold(0, |found, (a, b)| black_box(found | (a ^ b)));
    a.len() == b.len() && differences == 0
}

/// Returns the token of a request, if there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("len", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::http::HeaderValue;

    use super::*;

    fn read(name: &str, text: &str) -> anyhow::Result<Tokens> {
        let file = format!("sockeye-tokens-{name}-{}", std::process::id());
        let file = std::env::temp_dir().join(file);
        std::fs::write(&file, text).unwrap();
        let tokens = Tokens::read(&file);
        std::fs::remove_file(&file).unwrap();
        tokens
    }

    fn with(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn each_line_of_the_file_is_a_token_with_an_identity() {
        let text = "# laptops\r\n\r\n0123456789abcdef\n  fedcba9876543210  \n";
        let access = BearerAccess::Tokens(read("lines", text).unwrap());
        let admit = |values: &[&'static str]| access.admit(&with(values)).ok();
        assert_eq!(admit(&["Bearer 0123456789abcdef"]).as_deref(), Some("token 3"));
        assert_eq!(admit(&["bearer  fedcba9876543210 "]).as_deref(), Some("token 4"));
        for wrong in [
            &[][..],
            &["Bearer 0123456789abcdee"],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdef0"],
            &["Bearer # laptops"],
            &["Basic 0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
        ] {
            assert_eq!(admit(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_reload_gives_no_token_the_identity_of_another() {
        const OTHER: &str = "fedcba9876543210";
        let first = read("first", &format!("{OTHER}\n0123456789abcdef\n")).unwrap();
        let file = std::env::temp_dir().join(format!("sockeye-again-{}", std::process::id()));
        let again = |tokens: &Tokens, text: &str| {
            std::fs::write(&file, text).unwrap();
            tokens.read_again(&file).unwrap()
        };
        // The first line is gone, another one is new, and one has moved.
        let second = again(&first, "a-token-that-is-new\n# moved\n0123456789abcdef\n");
        let name =
            |tokens: &Tokens, token: &str| tokens.identity(token).map(|name| name.to_string());
        assert_eq!(name(&second, "0123456789abcdef").as_deref(), Some("token 2"));
        assert_eq!(name(&second, "a-token-that-is-new").as_deref(), Some("token 1 of reload 1"));
        assert_eq!(name(&second, OTHER), None);
        let access = BearerAccess::Tokens(second.clone());
        assert!(access.is_admitted("token 2") && !access.is_admitted("token 1"));
        // A token that comes back is a new one.
        let third = again(&second, &format!("{OTHER}\n"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(name(&third, OTHER).as_deref(), Some("token 1 of reload 2"));
    }

    #[test]
    fn short_tokens_and_files_without_tokens_are_refused() {
        for (text, expected) in [
            ("short", "line 1"),
            ("a space in a token of some length", "line 1"),
            ("#\n", "no token"),
        ] {
            let error = read("wrong", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("short"), "the error repeats no token: {error}");
        }
    }
}

//! The users of the proxy of `-D`.

use std::fmt;
use std::path::Path;

use crate::client::{Failure, tls};
use crate::host::bearer::is_equal;

/// The users of a file with `user:password` in each line.
pub(super) struct Users(Vec<Vec<u8>>);

impl Users {
    /// Reads a file.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let text = tls::read(file)?;
        let users = str::from_utf8(&text).ok().and_then(Self::parse);
        users.ok_or_else(|| {
            let file = file.display();
            Failure::usage(format!(
                "{file} is no list of users; expected user:password in each line"
            ))
        })
    }

    /// Parses lines; those that begin with `#` are comments.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let users: Option<Vec<_>> = lines
            .map(|line| {
                let (user, password) = line.split_once(':')?;
                let is_complete = !user.is_empty() && !password.is_empty();
                is_complete.then(|| line.as_bytes().to_vec())
            })
            .collect();
        users.filter(|users| !users.is_empty()).map(Self)
    }

    /// Returns whether there is a user with this password. The time does not depend on the content of
    /// the passwords.
    pub(super) fn contains(&self, user: &[u8], password: &[u8]) -> bool {
        let given = [user, b":", password].concat();
        let mut is_found = false;
        for known in &self.0 {
            is_found |= is_equal(known, &given);
        }
        is_found && !user.contains(&b':')
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_passwords() {
        let users = Users::parse("# the team\nada:s:ecret\r\n\ngrace:hopper\n").unwrap();
        assert!(users.contains(b"ada", b"s:ecret") && users.contains(b"grace", b"hopper"));
        for (user, password) in [
            (&b"ada"[..], &b"s:ecre"[..]),
            (b"ada", b""),
            (b"ada:s", b"ecret"),
            (b"# the", b"team"),
        ] {
            assert!(!users.contains(user, password), "{user:?}");
        }
        for wrong in ["", "# only a comment", "ada", "ada:", ":secret"] {
            assert!(Users::parse(wrong).is_none(), "{wrong}");
        }
    }
}

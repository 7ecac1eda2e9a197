use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The identity of a node of the hub: a random number, chosen when the node starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// The identity of a session, unique over all nodes. It names the session's node, to which commands
/// for the session are sent. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The node that the session is connected to.
    pub node: NodeId,
    /// The number of the session on its node. Never used twice by a node.
    pub number: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.node, self.number)
    }
}

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    /// Parses the text of a session's identity. Accepts only what [`Display`](fmt::Display) writes,
    /// so that equal identities have equal texts.
    fn from_str(text: &str) -> Result<Self, ParseSessionIdError> {
        let (node, number) = text.split_once('-').ok_or(ParseSessionIdError)?;
        let parse = |text| u64::from_str_radix(text, 16).map_err(|_| ParseSessionIdError);
        let session = Self { node: NodeId(parse(node)?), number: parse(number)? };
        if session.to_string() == text { Ok(session) } else { Err(ParseSessionIdError) }
    }
}

/// A text is not the identity of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseSessionIdError;

impl fmt::Display for ParseSessionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the identity of a session such as 5eed-2a: node and number")
    }
}

impl Error for ParseSessionIdError {}

/// The identity of a user, as the application knows them. A user may have several sessions. Clones
/// share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Wraps the application's name of a user.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_session_is_parsed_to_the_same_session_and_other_texts_are_refused() {
        for (node, number) in [(0, 0), (0x5eed, 42), (u64::MAX, u64::MAX)] {
            let session = SessionId { node: NodeId(node), number };
            assert_eq!(session.to_string().parse(), Ok(session));
        }
        for text in
            ["", "-", "1", "1-", "-1", "01-1", "1-01", "A-1", "+1-1", "1-1-1", "1-g", " 1-1"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(ParseSessionIdError), "{text:?}");
        }
    }
}

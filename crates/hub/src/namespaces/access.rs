/// The clients that may do something in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// No client. The server may.
    #[default]
    Nobody,
    /// Clients that present a token for the room, or whose connection's token names the room.
    Token,
    /// Clients that are in the room. Not for joining.
    Member,
    /// Clients that have a user.
    User,
    /// All clients.
    Anybody,
}

impl Access {
    /// The names in files, from the strictest.
    pub const NAMES: [&str; 5] = ["nobody", "token", "member", "user", "anybody"];

    /// Returns the access with a name of [`NAMES`](Self::NAMES).
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "nobody" => Self::Nobody,
            "token" => Self::Token,
            "member" => Self::Member,
            "user" => Self::User,
            "anybody" => Self::Anybody,
            _ => return None,
        })
    }
}

/// What a server does with the messages of a connection, by the path of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every message comes back. `/echo`, for clients that verify what they get.
    Echo,
    /// Every message comes back, to clients that may not take it. `/noise`.
    Noise,
    /// Every message is answered by many long ones. `/feed`.
    Feed,
    /// The first message is answered by a close frame. `/bye`.
    Bye,
    /// Every message comes back, by queues with every policy, to clients that always read. `/burst`.
    Burst,
    /// The first message is answered by many long ones and a close frame whose reason is their number. `/last`.
    Last,
}

impl Class {
    /// All of them, in the order of the ledger.
    pub const ALL: [Self; 6] =
        [Self::Echo, Self::Noise, Self::Feed, Self::Bye, Self::Burst, Self::Last];

    /// The path that asks for it.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Echo => "/echo",
            Self::Noise => "/noise",
            Self::Feed => "/feed",
            Self::Bye => "/bye",
            Self::Burst => "/burst",
            Self::Last => "/last",
        }
    }

    /// What a path asks for.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.path() == path)
    }
}

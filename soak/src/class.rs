/// A class of connections, selected by the path of the request: the server's reaction to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `/echo`: returns every message, for clients that verify the echoes.
    Echo,
    /// `/noise`: returns every message, to clients that may not read it.
    Noise,
    /// `/feed`: answers every message by many long ones.
    Feed,
    /// `/bye`: answers the first message by a close frame.
    Bye,
    /// `/burst`: returns every message, by queues with every policy, to clients that always read.
    Burst,
    /// `/last`: answers the first message by many long ones and a close frame whose reason is their
    /// number.
    Last,
}

impl Class {
    /// All classes, in the order of the report.
    pub const ALL: [Self; 6] =
        [Self::Echo, Self::Noise, Self::Feed, Self::Bye, Self::Burst, Self::Last];

    /// Returns the path that selects the class.
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

    /// Returns the class that a path selects.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.path() == path)
    }
}

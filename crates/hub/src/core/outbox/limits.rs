use std::time::Duration;

/// The bounds of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxLimits {
    /// The bytes of publications that wait. An outbox without publications takes one of any size.
    /// Default: 1 MiB, as a split connection's queue has.
    pub bytes: usize,
    /// The number of publications that wait, and of keys that
    /// [`Conflate`](super::DeliveryPolicy::Conflate) paces. Default: 1,024.
    pub messages: usize,
    /// The bytes of replies that wait. An outbox without replies takes one of any size. Default:
    /// 1 MiB.
    pub reply_bytes: usize,
    /// The time after which a publication that still waits is dropped. Default: none.
    pub max_age: Option<Duration>,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, messages: 1024, reply_bytes: 1 << 20, max_age: None }
    }
}

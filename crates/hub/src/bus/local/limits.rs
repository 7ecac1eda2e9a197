/// The bounds of the histories of a [`Local`](super::Local) bus, over all rooms. While one is
/// exceeded, the bus evicts histories, beginning with the one that was published to or read least
/// recently:
///
/// * of a room without subscribers, everything is removed. Its next publication begins a new epoch:
///   readers who present an earlier position are told of a gap with the reason `epoch`.
/// * of a room with subscribers, the publications and their ids are removed. The position stays:
///   readers who missed publications are told of a gap with the reason `trimmed`.
///
/// A publication that is repeated with its id after the eviction is stored a second time.
///
/// ```
/// use sockeye_hub::bus::{Local, LocalLimits};
///
/// let bus = Local::with_limits(LocalLimits { bytes: 1 << 30, ..LocalLimits::default() });
/// assert_eq!(bus.metrics().rooms, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalLimits {
    /// The maximum memory of all histories, estimated, in bytes. A history without publications
    /// takes some 600. Default: 256 MiB.
    pub bytes: usize,
    /// The maximum number of rooms with a history. Rooms with subscribers count, and are kept also
    /// beyond it: their number is bounded by each hub's
    /// [`Limits::rooms`](crate::core::topics::Limits::rooms). Default: 1,000,000.
    pub rooms: usize,
}

impl Default for LocalLimits {
    fn default() -> Self {
        Self { bytes: 256 << 20, rooms: 1_000_000 }
    }
}

/// The histories of a [`Local`](super::Local) bus: see [`Local::metrics`](super::Local::metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalMetrics {
    /// The number of rooms with a history.
    pub rooms: usize,
    /// The memory of all histories, estimated, in bytes.
    pub bytes: usize,
    /// The number of histories that were evicted because of [`LocalLimits`].
    pub evictions: u64,
}

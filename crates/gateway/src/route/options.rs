/// The options of a [`Router`](super::Router).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterOptions {
    /// The escapes that variables of several segments keep. Default: those of reserved characters.
    pub multi_segment_decoding: MultiSegmentDecoding,
    /// `true` to look up a path without a route once more, without its trailing slash. Default:
    /// `false`.
    pub ignore_trailing_slash: bool,
    /// `true` to refuse paths with a segment `.` or `..`, encoded or not. Default: `false`, and
    /// such segments are data like others.
    pub refuse_dot_segments: bool,
}

/// The escapes that are kept in the value of a variable of several segments. Variables of one
/// segment are always decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MultiSegmentDecoding {
    /// Escapes of the characters that RFC 3986 section 2.2 reserves are kept, as they are written.
    #[default]
    KeepReserved,
    /// Escapes of slashes are kept.
    KeepSlash,
    /// No escape is kept: a value does not tell `a%2Fb` from `a/b`.
    All,
}

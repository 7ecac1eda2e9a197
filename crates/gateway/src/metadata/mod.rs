//! Headers that become metadata, and metadata that become headers.

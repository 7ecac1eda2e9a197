//! Framing of messages, without I/O.

//! Interoperability of `sockeye::mux` with the crate `qmux`.

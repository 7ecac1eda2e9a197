//! Names the crate that bundles the source of uWebSockets; see `Cargo.toml`.

//! Microbenchmarks of the protocol core, beside rivals' public functions and the limits.
//!
//! `cargo bench --bench core -- mask` runs one group.

use criterion::{criterion_group, criterion_main};

mod deflate;
mod header;
mod mask;
mod prepared;
mod text;

criterion_group!(
    core,
    header::decode,
    mask::apply,
    text::validate,
    deflate::both_directions,
    prepared::to_many
);
criterion_main!(core);

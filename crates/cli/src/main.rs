//! The program `sockeye`.

fn main() {}

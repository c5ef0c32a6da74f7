//! The `l3net` program.

fn main() {}

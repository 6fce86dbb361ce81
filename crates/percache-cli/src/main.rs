//! The command `percache`.

fn main() {}

//! `#[tracked]` is for functions.

#[percache::tracked]
struct Helper;

fn main() {}

//! An unknown option gets the nearest name, and one that stands twice is refused.

#[percache::memoize(maxag = "7d")]
fn near(n: u32) -> u32 {
    n
}

#[percache::memoize(size = 7)]
fn far(n: u32) -> u32 {
    n
}

#[percache::memoize(version = 1, version = 2)]
fn twice(n: u32) -> u32 {
    n
}

fn main() {}

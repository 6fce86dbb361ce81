//! A value that an option does not take is named, with what it takes.

#[percache::memoize(maxage = "7 days")]
fn age(n: u32) -> u32 {
    n
}

#[percache::memoize(version = 1.5)]
fn version(n: u32) -> u32 {
    n
}

#[percache::memoize(cache = 7)]
fn cache(n: u32) -> u32 {
    n
}

#[percache::memoize(share = "nobody")]
fn shared(n: u32) -> u32 {
    n
}

#[percache::memoize(keep_none = "no")]
fn none(n: u32) -> Option<u32> {
    Some(n)
}

#[percache::memoize(crate = missing::percache)]
fn elsewhere(n: u32) -> u32 {
    n
}

fn main() {}

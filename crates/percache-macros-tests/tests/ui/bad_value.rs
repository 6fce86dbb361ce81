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

fn main() {}

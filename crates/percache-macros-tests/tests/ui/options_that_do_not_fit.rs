//! Options that do not fit the function or each other are refused.

#[percache::memoize(cache_err = "30s")]
fn infallible(n: u32) -> u32 {
    n
}

#[percache::memoize(keep_none = false)]
fn always(n: u32) -> u32 {
    n
}

#[percache::memoize(keep_if = |n: &str| n.is_empty())]
fn conditional(n: u32) -> u32 {
    n
}

#[percache::memoize(skip(self))]
fn selfless(n: u32) -> u32 {
    n
}

#[percache::memoize(skip(m))]
fn skips(n: u32) -> u32 {
    n
}

#[percache::memoize(key = n, skip(n))]
fn keyed(n: u32) -> u32 {
    n
}

#[percache::tracked(maxage = "7d")]
fn helper(n: u32) -> u32 {
    n
}

#[percache::memoize(skip(log), refresh_after = "1h")]
fn logged(n: u32, log: &mut Vec<u32>) -> u32 {
    log.push(n);
    n
}

fn main() {}

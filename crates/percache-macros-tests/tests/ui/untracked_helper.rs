//! A helper that `depends_on` names has to be tracked.

fn helper(n: u32) -> u32 {
    n + 1
}

#[percache::memoize(depends_on(helper))]
fn task(n: u32) -> u32 {
    helper(n)
}


fn main() {}

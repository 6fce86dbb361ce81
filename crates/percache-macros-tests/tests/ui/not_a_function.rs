//! `#[memoize]` is for functions with a body that may run at run time.

#[percache::memoize]
struct Page;

trait Task {
    #[percache::memoize]
    fn run(&self) -> u32;
}

#[percache::memoize]
const fn square(n: u32) -> u32 {
    n * n
}

fn main() {}

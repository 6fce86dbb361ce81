//! An implementation of a trait has no place for what a handle is: the errors name it, and the manual says what to do.
use percache::memoize;

trait Area {
    fn area(&self, scale: u64) -> u64;
}

#[derive(serde::Serialize)]
struct Square(u64);

impl Area for Square {
    #[memoize(handle)]
    fn area(&self, scale: u64) -> u64 {
        self.0 * scale
    }
}

fn main() {}

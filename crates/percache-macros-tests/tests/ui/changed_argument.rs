//! An argument that the function may change cannot be part of the key.

#[percache::memoize]
fn push(list: &mut Vec<u32>) -> usize {
    list.push(1);
    list.len()
}

struct Counter(u32);

impl Counter {
    #[percache::memoize]
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn main() {}

#[percache::tracked]
struct Helper;

fn main() {}

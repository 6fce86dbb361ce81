//! An argument that cannot be encoded is named.

struct Connection;

#[percache::memoize]
fn query(connection: &Connection, text: &str) -> String {
    let _ = connection;
    text.to_owned()
}

#[percache::memoize]
fn length(text: impl AsRef<str>) -> usize {
    text.as_ref().len()
}

fn main() {}

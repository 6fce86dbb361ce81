//! An error that borrows says so: `ParseError<'_>`.
use percache::memoize;

#[derive(Clone, Debug)]
struct ParseError<'a>(&'a str);

#[memoize]
fn hidden(text: &str) -> Result<u64, ParseError> {
    text.parse().map_err(|_| ParseError(text))
}

#[memoize]
fn told(text: &str) -> Result<u64, ParseError<'_>> {
    text.parse().map_err(|_| ParseError(text))
}

fn main() {}

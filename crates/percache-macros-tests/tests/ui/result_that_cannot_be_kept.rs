//! A result that cannot be stored is named.

#[percache::memoize]
fn first(text: &str) -> &str {
    &text[..1]
}

#[percache::memoize]
fn numbers(n: u32) -> impl Iterator<Item = u32> {
    0..n
}

#[percache::memoize]
fn greet(name: &str) {
    println!("hello {name}");
}

struct Page;

#[percache::memoize]
fn page(n: u32) -> Page {
    let _ = n;
    Page
}

#[percache::memoize]
fn fetched(n: u32) -> Result<Page, String> {
    let _ = n;
    Ok(Page)
}

type Fallible<T> = Result<T, String>;

#[percache::memoize]
fn behind_an_alias(n: u32) -> Fallible<Page> {
    let _ = n;
    Ok(Page)
}

#[percache::memoize(cache_err = "30s")]
fn with_errors(n: u32) -> Result<u32, Page> {
    Ok(n)
}

#[percache::memoize(keep_if = |_| true, keep_none = false)]
fn conditional(n: u32) -> Option<Page> {
    let _ = n;
    None
}

#[percache::memoize]
async fn later(n: u32) -> Page {
    let _ = n;
    Page
}

#[percache::memoize]
fn nested(n: u32) -> Option<impl Iterator<Item = u32>> {
    Some(0..n)
}

#[percache::memoize]
fn generic<T>(n: u32) -> Vec<T> {
    let _ = n;
    Vec::new()
}

#[percache::memoize]
fn borrowed(n: u32) -> Option<&'static str> {
    (n > 0).then_some("some")
}

fn main() {}

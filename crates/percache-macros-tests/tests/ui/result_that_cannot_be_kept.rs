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

fn main() {}

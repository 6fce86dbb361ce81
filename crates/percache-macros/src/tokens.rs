//! The digest of code: SHA-1 of its tokens, so that only what the compiler sees counts.
//!
//! Left out are documentation (a comment that the compiler turns into an attribute), the comma that rustfmt puts behind the last
//! element of a list when it breaks the list into lines, and whether two punctuation marks touch (`x<-1` is `x < -1`).

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sha1::{Digest, Sha1};

/// The digest of these tokens.
pub fn digest(tokens: TokenStream) -> [u8; 20] {
    let mut hasher = Sha1::new();
    add(&mut hasher, tokens);
    hasher.finalize().into()
}

fn add(hasher: &mut Sha1, tokens: TokenStream) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        if let Some(length) = documentation(&tokens[place..]) {
            place += length;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let called = place > 0 && is_callee(&tokens[place - 1]);
                text(hasher, b'(', &format!("{:?}", group.delimiter()));
                add(hasher, without_last_comma(group.stream(), group.delimiter(), called));
                text(hasher, b')', "");
            }
            TokenTree::Ident(ident) => text(hasher, b'i', &ident.to_string()),
            TokenTree::Punct(punct) => text(hasher, b'p', punct.as_char().encode_utf8(&mut [0; 4])),
            TokenTree::Literal(literal) => text(hasher, b'l', &literal.to_string()),
        }
        place += 1;
    }
}

fn text(hasher: &mut Sha1, kind: u8, text: &str) {
    hasher.update([kind]);
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text);
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// The number of tokens of the `#[doc …]` that they start with.
fn documentation(tokens: &[TokenTree]) -> Option<usize> {
    if !is_punct(tokens.first(), '#') {
        return None;
    }
    let at = if is_punct(tokens.get(1), '!') { 2 } else { 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let first = group.stream().into_iter().next();
            matches!(first, Some(TokenTree::Ident(ident)) if ident == "doc").then_some(at + 1)
        }
        _ => None,
    }
}

/// Whether parentheses behind this token are a list of arguments: there, `(x,)` is `(x)`.
fn is_callee(token: &TokenTree) -> bool {
    const KEYWORDS: [&str; 9] = ["if", "in", "match", "return", "while", "break", "let", "else", "move"];
    match token {
        TokenTree::Ident(ident) => !KEYWORDS.contains(&ident.to_string().as_str()),
        TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
        _ => false,
    }
}

fn without_last_comma(stream: TokenStream, delimiter: Delimiter, called: bool) -> TokenStream {
    let mut tokens: Vec<TokenTree> = stream.into_iter().collect();
    let commas = tokens.iter().filter(|token| is_punct(Some(token), ',')).count();
    // `(x,)` is a tuple and `(x)` is not.
    let may_go = delimiter != Delimiter::Parenthesis || called || commas > 1;
    if may_go && is_punct(tokens.last(), ',') {
        tokens.pop();
    }
    tokens.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> [u8; 20] {
        digest(code.parse().unwrap())
    }

    #[test]
    fn comments_formatting_and_documentation_do_not_count() {
        let plain = of("fn f(a: u8, b: u8) -> u8 { g(a, b) }");
        assert_eq!(plain, of("fn f( a:u8,\n  b: u8,\n) -> u8 {\n  // why\n  g(\n a,\n b,\n )\n}"));
        assert_eq!(plain, of("fn f(a: u8, b: u8) -> u8 { /* here */ g(a, b) }"));
        assert_eq!(of("{ x }"), of("{ #[doc = \"text\"] x }"));
        assert_eq!(of("{ x }"), of("{ #![doc = \"text\"] x }"));
        assert_eq!(of("x<-1"), of("x < -1"));
        assert_eq!(of("g(a)"), of("g(\n    a,\n)"));
        assert_eq!(of("[a]"), of("[a,]"));
    }

    #[test]
    fn everything_else_counts() {
        let codes = [
            "a + b",
            "a - b",
            "a + c",
            "(a + b)",
            "{ a + b }",
            "a",
            "\"a\"",
            "'a'",
            "1",
            "1u8",
            "1.0",
            "(a,)",
            "(a)",
            "a b",
            "ab",
        ];
        for (place, code) in codes.iter().enumerate() {
            assert!(codes[..place].iter().all(|other| of(other) != of(code)), "{code}");
        }
        assert_ne!(of("return (a,)"), of("return (a)"));
        assert_ne!(of("x.f(#[cfg(a)] b)"), of("x.f(b)"));
    }
}

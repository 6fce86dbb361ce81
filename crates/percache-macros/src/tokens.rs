//! The digest of code: SHA-1 of its tokens, so that only what the compiler sees counts.
//!
//! What stands behind a `#[cfg]` counts where it is compiled. Which that is only the compiler knows, so such a part has a digest of its
//! own, together with the number of tokens before it; see [`crate::conditional`] for where it ends.
//!
//! Left out are documentation (a comment that the compiler turns into an attribute), the comma that rustfmt puts behind the last
//! element of a list when it breaks the list into lines, and whether two punctuation marks touch (`x<-1` is `x < -1`).

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;
use sha1::{Digest, Sha1};

use crate::conditional::{Attribute, attribute, extent};

/// The digests of a piece of code.
pub struct Code {
    pub digest: [u8; 20],
    /// Its parts that are not always compiled, in their order.
    pub parts: Vec<Part>,
}

/// A part of the code that is compiled if `cfg(condition)` holds.
pub struct Part {
    pub condition: TokenStream,
    pub code: Code,
}

/// The digests of these tokens.
pub fn digest(tokens: TokenStream) -> Code {
    part(tokens, None)
}

/// Of a part, how many tokens stand before it counts too.
fn part(tokens: TokenStream, position: Option<u64>) -> Code {
    let mut walk = Walk { hasher: Sha1::new(), count: 0, parts: Vec::new() };
    if let Some(position) = position {
        walk.hasher.update(b"part");
        walk.hasher.update(position.to_le_bytes());
    }
    walk.add(tokens, Surroundings::Unknown);
    Code { digest: walk.hasher.finalize().into(), parts: walk.parts }
}

/// What tokens stand in, as far as that says where a part behind an attribute ends.
#[derive(Clone, Copy, PartialEq)]
pub enum Surroundings {
    /// Braces: statements, arms, fields or items.
    Braces,
    /// Parentheses or brackets: a list.
    List,
    /// The arguments of a macro, which need not be Rust, or nothing.
    Unknown,
}

struct Walk {
    hasher: Sha1,
    /// How many tokens were added.
    count: u64,
    parts: Vec<Part>,
}

impl Walk {
    fn add(&mut self, tokens: TokenStream, surroundings: Surroundings) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut place = 0;
        while place < tokens.len() {
            place += match attribute(&tokens[place..]) {
                Some((Attribute::Documentation, length)) => length,
                Some((Attribute::Conditional(condition, content), length)) => {
                    self.part(condition, content);
                    length
                }
                Some((Attribute::Cfg(condition), length)) => match extent(&tokens[place + length..], surroundings) {
                    Some(more) => {
                        let end = place + length + more;
                        self.part(condition, tokens[place + length..end].iter().cloned().collect());
                        length + more
                    }
                    // Nobody knows what the condition is about: whether it holds counts, and so does everything else.
                    None => {
                        self.part(condition, quote!(true));
                        self.token(&tokens, place);
                        1
                    }
                },
                Some((Attribute::Asked(condition), length)) => {
                    self.text(b'c', "");
                    self.part(condition, quote!(true));
                    length
                }
                None => {
                    self.token(&tokens, place);
                    1
                }
            };
        }
    }

    fn token(&mut self, tokens: &[TokenTree], place: usize) {
        match &tokens[place] {
            TokenTree::Group(group) => {
                let before = place.checked_sub(1).map(|before| &tokens[before]);
                let delimiter = group.delimiter();
                let surroundings = match delimiter {
                    _ if is_punct(before, '!') => Surroundings::Unknown,
                    // Of a macro with a name: `macro_rules! name { … }`.
                    _ if place > 1 && is_punct(tokens.get(place - 2), '!') => Surroundings::Unknown,
                    Delimiter::Brace => Surroundings::Braces,
                    Delimiter::Parenthesis | Delimiter::Bracket => Surroundings::List,
                    Delimiter::None => Surroundings::Unknown,
                };
                self.text(b'(', &format!("{delimiter:?}"));
                self.add(without_last_comma(group.stream(), delimiter, before.is_some_and(is_callee)), surroundings);
                self.text(b')', "");
            }
            TokenTree::Ident(ident) => self.text(b'i', &ident.to_string()),
            TokenTree::Punct(punct) => self.text(b'p', punct.as_char().encode_utf8(&mut [0; 4])),
            TokenTree::Literal(literal) => self.text(b'l', &literal.to_string()),
        }
    }

    fn part(&mut self, condition: TokenStream, content: TokenStream) {
        self.parts.push(Part { condition, code: part(content, Some(self.count)) });
    }

    fn text(&mut self, kind: u8, text: &str) {
        self.count += 1;
        self.hasher.update([kind]);
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }
}

pub fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
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

    /// The digest as it is where none of the conditions hold.
    fn of(code: &str) -> [u8; 20] {
        digest(code.parse().unwrap()).digest
    }

    /// The conditions, and the digests of the code behind them.
    fn parts(code: &str) -> Vec<(String, [u8; 20])> {
        let parts = digest(code.parse().unwrap()).parts;
        parts.into_iter().map(|part| (part.condition.to_string(), part.code.digest)).collect()
    }

    fn conditions(code: &str) -> Vec<String> {
        parts(code).into_iter().map(|(condition, _)| condition).collect()
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
    }

    #[test]
    fn what_is_not_compiled_does_not_count() {
        for (with, without) in [
            ("{ a; #[cfg(x)] let b = 1; c }", "{ a; c }"),
            ("{ #[cfg(x)] if a { b } else { c } d }", "{ d }"),
            ("{ #[cfg(x)] { a; b } c }", "{ c }"),
            ("{ a; #[cfg(x)] b }", "{ a; }"),
            ("{ #[cfg(x)] fn f() {} #[cfg(x)] println!(\"a\"); d }", "{ d }"),
            ("match a { #[cfg(x)] B { c } => d, E => f }", "match a { E => f }"),
            ("match a { #[cfg(x)] B => { d } E => f }", "match a { E => f }"),
            ("S { #[cfg(x)] a: f::<u8, u8>(), b }", "S { b }"),
            ("struct S { #[cfg(x)] a: HashMap<u8, u8>, b: u8 }", "struct S { b: u8 }"),
            ("fn f(#[cfg(x)] a: HashMap<u8, u8>, b: u8)", "fn f(b: u8)"),
            ("[#[cfg(x)] f(a, b), c]", "[c]"),
            ("{ #[cfg_attr(x, inline)] fn f() {} }", "{ fn f() {} }"),
        ] {
            assert_eq!(of(with), of(without), "{with}");
            assert!(conditions(with).iter().all(|condition| condition == "x"), "{with}");
            assert!(!conditions(with).is_empty(), "{with}");
        }
    }

    #[test]
    fn what_is_compiled_counts_with_its_place() {
        let one = parts("{ #[cfg(x)] a(); b(); #[cfg(not(x))] c(); }");
        assert_eq!(one.len(), 2);
        assert_ne!(one[0].1, parts("{ #[cfg(x)] a2(); b(); }")[0].1);
        assert_ne!(one[0].1, parts("{ b(); #[cfg(x)] a(); }")[0].1);
        assert_eq!(
            one[1].1,
            parts("{ b(); #[cfg(not(x))] c(); }")[0].1,
            "what is before it and not compiled does not count"
        );
        assert_eq!(one[1].1, parts("{ // why\n b(); #[cfg(not(x))] c() ; }")[0].1);
        let nested = digest("{ #[cfg(x)] { #[cfg(y)] a(); b() } }".parse().unwrap());
        assert_eq!(nested.parts[0].code.parts[0].condition.to_string(), "y");
        assert_eq!(conditions("{ #[allow(a)] #[cfg(x)] #[cfg(y)] let a = 1; }").len(), 1);
    }

    #[test]
    fn what_is_asked_counts() {
        assert_eq!(conditions("if cfg!(all(x, y)) { a }"), ["all (x , y)"]);
        assert_eq!(of("if cfg!(x) { a }"), of("if cfg!(y) { a }"));
        assert_ne!(of("if cfg!(x) { a }"), of("if cfg!(x) { b }"));
    }

    #[test]
    fn where_nobody_knows_what_a_condition_is_about_everything_counts() {
        let code = "select! { #[cfg(x)] a = b => c, d = e => f }";
        assert_eq!(conditions(code), ["x"]);
        assert_ne!(of(code), of("select! { #[cfg(x)] a = b => d, d = e => f }"));
        assert_ne!(of(code), of("select! { d = e => f }"));
    }
}

//! Code that is not always compiled: what is behind a `#[cfg(…)]`, and where that ends.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Arm, Expr, Field, FieldValue, FnArg, Stmt, Token, Type, Variant};

use crate::tokens::{Surroundings, is_punct};

/// What is special about the tokens that stand here.
pub enum Attribute {
    /// `#[doc …]`, which comments are turned into.
    Documentation,
    /// `#[cfg(condition)]`.
    Cfg(TokenStream),
    /// `#[cfg_attr(condition, content)]`.
    Conditional(TokenStream, TokenStream),
    /// `cfg!(condition)`.
    Asked(TokenStream),
}

/// The attribute that these tokens start with, and its number of tokens. Other attributes are code.
pub fn attribute(tokens: &[TokenTree]) -> Option<(Attribute, usize)> {
    if let [TokenTree::Ident(name), bang, TokenTree::Group(condition), ..] = tokens {
        return (name == "cfg" && is_punct(Some(bang), '!')).then(|| (Attribute::Asked(condition.stream()), 3));
    }
    if !is_punct(tokens.first(), '#') {
        return None;
    }
    let inner = is_punct(tokens.get(1), '!');
    let at = if inner { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = tokens.get(at) else { return None };
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let content: Vec<TokenTree> = group.stream().into_iter().collect();
    let found = match (content.as_slice(), inner) {
        ([TokenTree::Ident(name), ..], _) if name == "doc" => Attribute::Documentation,
        ([TokenTree::Ident(name), TokenTree::Group(condition)], false) if name == "cfg" => {
            Attribute::Cfg(condition.stream())
        }
        ([TokenTree::Ident(name), TokenTree::Group(both)], false) if name == "cfg_attr" => conditional(both)?,
        _ => return None,
    };
    Some((found, at + 1))
}

fn conditional(both: &Group) -> Option<Attribute> {
    let tokens: Vec<TokenTree> = both.stream().into_iter().collect();
    let comma = tokens.iter().position(|token| is_punct(Some(token), ','))?;
    let condition: TokenStream = tokens[..comma].iter().cloned().collect();
    let content: TokenStream = tokens[comma + 1..].iter().cloned().collect();
    Some(Attribute::Conditional(condition, content))
}

/// The number of tokens of what an attribute in front of these tokens is about, if that can be told.
pub fn extent(tokens: &[TokenTree], surroundings: Surroundings) -> Option<usize> {
    let stream = || tokens.iter().cloned().collect::<TokenStream>();
    let listed = |parse: fn(ParseStream) -> syn::Result<()>| {
        length(tokens.len(), stream(), |input| parse(input).and_then(|()| comma(input)))
    };
    match surroundings {
        Surroundings::Braces => length(tokens.len(), stream(), |input| input.parse::<Stmt>().map(drop))
            .or_else(|| length(tokens.len(), stream(), |input| input.parse::<Arm>().map(drop)))
            .or_else(|| listed(|input| Field::parse_named(input).map(drop)))
            .or_else(|| listed(|input| input.parse::<FieldValue>().map(drop)))
            .or_else(|| listed(|input| input.parse::<Variant>().map(drop)))
            // The last expression of a block.
            .or_else(|| length(tokens.len(), stream(), |input| input.parse::<Expr>().and_then(|_| end(input)))),
        Surroundings::List => {
            let expression = listed(|input| input.parse::<Expr>().map(drop));
            let kind = listed(|input| input.parse::<Type>().map(drop));
            match (expression, kind) {
                // `a < b, c > (d)` is two expressions or one type.
                (Some(expression), Some(kind)) => (expression == kind).then_some(kind),
                _ => expression.or(kind).or_else(|| listed(|input| input.parse::<FnArg>().map(drop))),
            }
        }
        Surroundings::Unknown => None,
    }
}

/// The number of tokens that `parse` takes, if it likes them.
fn length(all: usize, tokens: TokenStream, parse: impl Fn(ParseStream) -> syn::Result<()>) -> Option<usize> {
    let rest = |input: ParseStream| -> syn::Result<usize> {
        parse(input)?;
        let rest: TokenStream = input.parse()?;
        Ok(rest.into_iter().count())
    };
    rest.parse2(quote!(#tokens)).ok().map(|rest| all - rest)
}

fn comma(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() { Ok(()) } else { input.parse::<Token![,]>().map(drop) }
}

fn end(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() { Ok(()) } else { Err(input.error("more")) }
}

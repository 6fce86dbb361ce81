//! The options in the brackets of an attribute, as written.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, FnArg, Ident, Lit, LitBool, LitStr, Path, Token, parenthesized};

use crate::age::Age;
use crate::check::name;
use crate::share;

const NAMES: [&str; 16] = [
    "cache",
    "name",
    "version",
    "share",
    "maxage",
    "refresh_after",
    "stale_if_error",
    "cache_err",
    "keep_none",
    "keep_if",
    "skip",
    "key",
    "depends_on",
    "handle",
    "describe",
    "crate",
];

/// An option and the word that introduced it, for messages.
pub struct Given<T> {
    pub word: Ident,
    pub value: T,
}

/// All options.
#[derive(Default)]
pub struct Options {
    pub cache: Option<Given<Expr>>,
    pub name: Option<Given<LitStr>>,
    pub version: Option<Given<String>>,
    pub share: Option<Given<LitStr>>,
    pub maxage: Option<Given<Age>>,
    pub refresh_after: Option<Given<Age>>,
    pub stale_if_error: Option<Given<Age>>,
    pub cache_err: Option<Given<Age>>,
    pub keep_none: Option<Given<bool>>,
    pub keep_if: Option<Given<Expr>>,
    pub skip: Option<Given<Vec<Ident>>>,
    pub key: Option<Given<Expr>>,
    pub depends_on: Option<Given<Vec<Path>>>,
    /// What stands before `_entry` and `_cache`, if that is not the name of the function; `Self::` says where it stands.
    pub handle: Option<Given<Option<Path>>>,
    pub describe: Option<Given<bool>>,
    /// Where percache is.
    pub krate: Option<Given<Path>>,
}

impl Parse for Options {
    fn parse(input: ParseStream) -> syn::Result<Options> {
        let mut options = Options::default();
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, input: ParseStream) -> syn::Result<()> {
        let word = Ident::parse_any(input)?;
        match word.to_string().as_str() {
            "cache" => set(&mut self.cache, word, assigned(input)?),
            "name" => set(&mut self.name, word, assigned(input)?),
            "version" => set(&mut self.version, word, version(assigned(input)?)?),
            "share" => set(&mut self.share, word, share::level(assigned(input)?)?),
            "maxage" => set(&mut self.maxage, word, age(input)?),
            "refresh_after" => set(&mut self.refresh_after, word, age(input)?),
            "stale_if_error" => set(&mut self.stale_if_error, word, age(input)?),
            "cache_err" => set(&mut self.cache_err, word, age(input)?),
            "keep_none" => set(&mut self.keep_none, word, assigned::<LitBool>(input)?.value),
            "keep_if" => set(&mut self.keep_if, word, assigned(input)?),
            "skip" => set(&mut self.skip, word, listed(input, Ident::parse_any)?),
            "key" => set(&mut self.key, word, assigned(input)?),
            "depends_on" => set(&mut self.depends_on, word, listed(input, Path::parse)?),
            "handle" if input.peek(Token![=]) => set(&mut self.handle, word, Some(assigned(input)?)),
            "handle" => set(&mut self.handle, word, None),
            "describe" => set(&mut self.describe, word, assigned::<LitBool>(input)?.value),
            "crate" => set(&mut self.krate, word, path(input)?),
            _ => Err(unknown(&word)),
        }
    }

    /// What the code depends on.
    pub fn dependencies(&self) -> &[Path] {
        self.depends_on.as_ref().map_or(&[], |given| &given.value)
    }

    /// Whether this argument does not count.
    pub fn skips(&self, argument: &FnArg) -> bool {
        let skipped: &[Ident] = self.skip.as_ref().map_or(&[], |given| &given.value);
        name(argument).is_some_and(|name| skipped.iter().any(|skipped| *skipped == name))
    }

    /// The first option that means nothing to `#[tracked]`.
    pub fn not_for_tracked(&self) -> Option<&Ident> {
        fn word<T>(given: &Option<Given<T>>) -> Option<&Ident> {
            given.as_ref().map(|given| &given.word)
        }
        let words = [word(&self.cache), word(&self.name), word(&self.version), word(&self.share), word(&self.maxage)];
        let later = [word(&self.refresh_after), word(&self.stale_if_error)];
        let kept = [word(&self.cache_err), word(&self.keep_none), word(&self.keep_if)];
        let others = [word(&self.skip), word(&self.key), word(&self.handle), word(&self.describe)];
        words.into_iter().chain(later).chain(kept).chain(others).flatten().next()
    }
}

fn set<T>(option: &mut Option<Given<T>>, word: Ident, value: T) -> syn::Result<()> {
    if option.is_some() {
        return Err(syn::Error::new(word.span(), format!("`{word}` is given twice")));
    }
    *option = Some(Given { word, value });
    Ok(())
}

fn assigned<T: Parse>(input: ParseStream) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn age(input: ParseStream) -> syn::Result<Age> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn listed<T>(input: ParseStream, element: fn(ParseStream) -> syn::Result<T>) -> syn::Result<Vec<T>> {
    let inside;
    parenthesized!(inside in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated_with(&inside, element)?.into_iter().collect())
}

/// A path, or a text that is one, as serde has it.
fn path(input: ParseStream) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) { input.parse::<LitStr>()?.parse() } else { Path::parse_mod_style(input) }
}

fn version(literal: Lit) -> syn::Result<String> {
    match &literal {
        Lit::Str(text) => Ok(text.value()),
        Lit::Int(number) => Ok(number.base10_digits().to_owned()),
        _ => Err(syn::Error::new(literal.span(), "a version is a text or a number")),
    }
}

fn unknown(word: &Ident) -> syn::Error {
    let given = word.to_string();
    let near = NAMES.iter().map(|name| (distance(&given, name), name)).min().filter(|(distance, _)| *distance <= 2);
    let help = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("the options are {}", NAMES.map(|name| format!("`{name}`")).join(", ")),
    };
    syn::Error::new(word.span(), format!("there is no option `{given}`; {help}"))
}

/// Number of letters to insert, remove or replace to make one word of the other (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

//! What cannot be memoized, told where it stands and with what to do about it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, FnArg, GenericArgument, ItemFn, Pat, PathArguments, ReturnType, Type};

use crate::key::is_changed;
use crate::options::Options;

/// The error for an item that is not a function with a body.
pub fn not_a_function(item: TokenStream, error: Error) -> Error {
    match syn::parse2::<syn::TraitItemFn>(item.clone()) {
        Ok(function) => Error::new(
            function.sig.ident.span(),
            "#[memoize] needs the body of the function; put it on the implementations of this method",
        ),
        Err(_) => match syn::parse2::<syn::Item>(item.clone()) {
            Ok(_) => Error::new_spanned(&item, "#[memoize] goes on a function; for a closure there is `Cache::wrap`"),
            Err(_) => error,
        },
    }
}

/// Everything that can be told from the tokens.
pub fn check(options: &Options, function: &ItemFn) -> syn::Result<()> {
    signature(function)?;
    // With `key`, no argument counts by itself.
    let counted = function.sig.inputs.iter().filter(|argument| options.key.is_none() && !options.skips(argument));
    counted.into_iter().try_for_each(changed)?;
    function.sig.inputs.iter().try_for_each(named)?;
    result(function)?;
    agreement(options, function)
}

fn signature(function: &ItemFn) -> syn::Result<()> {
    if let Some(token) = &function.sig.constness {
        return Err(Error::new(token.span, "a `const fn` cannot be memoized: looking up a result happens at run time"));
    }
    match &function.sig.variadic {
        Some(variadic) => Err(Error::new_spanned(variadic, "a variadic function cannot be memoized")),
        None => Ok(()),
    }
}

fn changed(argument: &FnArg) -> syn::Result<()> {
    const CHANGES: &str = "a memoized function cannot change its arguments: when its result is found, it does not run; \
                           take the argument by value or by `&`, and return what has changed; or leave it out with `skip(…)` if \
                           the change may fail to happen";
    if !is_changed(argument) {
        return Ok(());
    }
    match argument {
        FnArg::Receiver(receiver) => Err(Error::new_spanned(receiver, CHANGES)),
        FnArg::Typed(typed) => Err(Error::new_spanned(&typed.ty, CHANGES)),
    }
}

fn named(argument: &FnArg) -> syn::Result<()> {
    const MESSAGE: &str =
        "the type of a memoized function's argument needs a name: write `fn f<T: Trait>(argument: T)`";
    match argument {
        FnArg::Typed(typed) if matches!(&*typed.ty, Type::ImplTrait(_)) => Err(Error::new_spanned(&typed.ty, MESSAGE)),
        _ => Ok(()),
    }
}

/// Whether a type is a reference through which something is changed.
pub fn is_changeable(kind: &Type) -> bool {
    match kind {
        Type::Reference(reference) => reference.mutability.is_some(),
        // From a macro.
        Type::Group(group) => is_changeable(&group.elem),
        Type::Paren(paren) => is_changeable(&paren.elem),
        _ => false,
    }
}

fn result(function: &ItemFn) -> syn::Result<()> {
    const NOTHING: &str = "this function returns nothing that could be kept, and what it does would not be done again";
    match &function.sig.output {
        ReturnType::Default => Err(Error::new(function.sig.ident.span(), NOTHING)),
        ReturnType::Type(_, kind) => match &**kind {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Err(Error::new_spanned(kind, NOTHING)),
            Type::Never(_) => Err(Error::new_spanned(kind, NOTHING)),
            kind if borrows(kind) => {
                let message = "a result that is kept must own its data: return `String` instead of `&str`, `Vec<T>` instead of `&[T]`";
                Err(Error::new_spanned(kind, message))
            }
            kind => match nameless(kind.to_token_stream()) {
                Some(place) => Err(Error::new(
                    place,
                    "the type of a result that is kept needs a name: write it out instead of `impl`",
                )),
                None => Ok(()),
            },
        },
    }
}

/// Whether a type is a reference, or one of the usual types around a reference.
fn borrows(kind: &Type) -> bool {
    match kind {
        Type::Reference(_) => true,
        Type::Tuple(tuple) => tuple.elems.iter().any(borrows),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| match &last.arguments {
            PathArguments::AngleBracketed(list) if ["Option", "Vec", "Box"].iter().any(|name| last.ident == name) => {
                list.args.iter().any(|argument| matches!(argument, GenericArgument::Type(kind) if borrows(kind)))
            }
            _ => false,
        }),
        _ => false,
    }
}

/// Where a type says `impl`.
fn nameless(kind: TokenStream) -> Option<Span> {
    kind.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => nameless(group.stream()),
        TokenTree::Ident(ident) => (ident == "impl").then(|| ident.span()),
        _ => None,
    })
}

/// A function that is run again for a later call has only copies of its arguments.
fn refreshed(options: &Options, function: &ItemFn) -> syn::Result<()> {
    let changed = function.sig.inputs.iter().find(|argument| is_changed(argument));
    match (&options.refresh_after, changed) {
        (Some(given), Some(argument)) => Err(Error::new(
            given.word.span(),
            format!(
                "with `refresh_after`, the function is also run for later calls, and cannot change `{}` then; take it by value or by `&`",
                name(argument).unwrap_or_default()
            ),
        )),
        _ => Ok(()),
    }
}

/// The options must fit the function, and each other.
fn agreement(options: &Options, function: &ItemFn) -> syn::Result<()> {
    refreshed(options, function)?;
    let Some(skip) = &options.skip else { return Ok(()) };
    if options.key.is_some() {
        return Err(Error::new(
            skip.word.span(),
            "with `key`, only what the key names counts: there is nothing to skip",
        ));
    }
    let names: Vec<String> = function.sig.inputs.iter().filter_map(name).collect();
    for skipped in &skip.value {
        if !names.contains(&skipped.to_string()) {
            let known = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!(
                "no argument is named `{skipped}`; there is {}",
                if known.is_empty() { "none" } else { &known }
            );
            return Err(Error::new(skipped.span(), message));
        }
    }
    Ok(())
}

/// The name of an argument, if it has one.
pub fn name(argument: &FnArg) -> Option<String> {
    match argument {
        FnArg::Receiver(_) => Some("self".into()),
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => Some(pattern.ident.to_string()),
            _ => None,
        },
    }
}

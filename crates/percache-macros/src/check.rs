//! What cannot be memoized, told where it stands and with what to do about it.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Pat, ReceiverKind, ReturnType, Type};

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
    function.sig.inputs.iter().try_for_each(argument)?;
    result(&function.sig.output)?;
    agreement(options, function)
}

fn signature(function: &ItemFn) -> syn::Result<()> {
    if let Some(token) = &function.sig.constness {
        return Err(Error::new(
            token.span(),
            "a `const fn` cannot be memoized: looking up a result happens at run time",
        ));
    }
    match &function.sig.variadic {
        Some(variadic) => Err(Error::new_spanned(variadic, "a variadic function cannot be memoized")),
        None => Ok(()),
    }
}

fn argument(argument: &FnArg) -> syn::Result<()> {
    const CHANGES: &str = "a memoized function cannot change its arguments: when its result is found, it does not run; \
                           take the argument by value or by `&`, and return what has changed";
    match argument {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => Err(Error::new_spanned(receiver, CHANGES)),
            ReceiverKind::Typed(_, kind) if is_changeable(kind) => Err(Error::new_spanned(receiver, CHANGES)),
            _ => Ok(()),
        },
        FnArg::Typed(typed) => match &*typed.ty {
            kind if is_changeable(kind) => Err(Error::new_spanned(kind, CHANGES)),
            Type::ImplTrait(_) => {
                let message =
                    "the type of a memoized function's argument needs a name: write `fn f<T: Trait>(argument: T)`";
                Err(Error::new_spanned(&typed.ty, message))
            }
            _ => Ok(()),
        },
    }
}

fn is_changeable(kind: &Type) -> bool {
    matches!(kind, Type::Reference(reference) if reference.mutability.is_some())
}

fn result(output: &ReturnType) -> syn::Result<()> {
    const NOTHING: &str = "this function returns nothing that could be kept, and what it does would not be done again";
    match output {
        ReturnType::Default => Err(Error::new(proc_macro2::Span::call_site(), NOTHING)),
        ReturnType::Type(_, kind) => match &**kind {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Err(Error::new_spanned(kind, NOTHING)),
            Type::Never(_) => Err(Error::new_spanned(kind, NOTHING)),
            Type::Reference(_) => {
                let message = "a result that is kept must own its data: return `String` instead of `&str`, `Vec<T>` instead of `&[T]`";
                Err(Error::new_spanned(kind, message))
            }
            Type::ImplTrait(_) => Err(Error::new(
                kind.span(),
                "the type of a result that is kept needs a name: write it out instead of `impl`",
            )),
            _ => Ok(()),
        },
    }
}

/// The options must fit the function, and each other.
fn agreement(options: &Options, function: &ItemFn) -> syn::Result<()> {
    if let Some(given) = &options.cache_err
        && !returns_result(&function.sig.output)
    {
        return Err(Error::new(given.word.span(), "`cache_err` is about functions that return a `Result`"));
    }
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

/// Whether the type is called `Result`, in whatever module.
pub fn returns_result(output: &ReturnType) -> bool {
    match output {
        ReturnType::Type(_, kind) => match &**kind {
            Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Result"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

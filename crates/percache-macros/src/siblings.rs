//! What `#[memoize]` puts beside a function of which more is wanted than to call it.
//!
//! ```text
//! fn f(a: A, b: &B) -> R                 calls __percache_body_of_f(Operation::call(), a, b)
//! fn __percache_body_of_f(operation, a: A, b: &B) -> Option<R>
//!                                        identity, key and body: finds, computes, refreshes or tells the key
//! fn f_entry(a: A, b: &B) -> CallEntry   a call that waits to be told what to do        (handle)
//! fn f_cache() -> FunctionCache          all results of the function                    (handle)
//! ```
//!
//! Functions are the only items that may stand wherever a memoized function does: in a module, a block and an implementation, though
//! not in that of a trait. With `refresh_after`, `f` first looks for a result itself: only there are the arguments still at hand when
//! the result turns out to be old enough to be computed again.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::{FnArg, GenericParam, Ident, ItemFn, Pat, Path, parse_quote};

use crate::ahead;
use crate::expand::Prepared;
use crate::key::conditions;
use crate::options::Options;
use crate::tracked::has_receiver;

/// What concerns the function as a whole.
pub struct Whole {
    /// The expression that makes the `Function`.
    pub rules: TokenStream,
    /// `path_of` or `types_of`.
    pub path: TokenStream,
    /// The expression for the cache.
    pub cache: TokenStream,
}

/// Whether this function needs anything beside it.
pub fn are_wanted(options: &Options) -> bool {
    options.handle.is_some() || options.refresh_after.is_some()
}

/// The function and what stands beside it.
pub fn expand(options: &Options, parts: &Prepared, whole: &Whole) -> TokenStream {
    let (outer, body) = (outer(options, parts), body(parts));
    let Some(handle) = &options.handle else { return quote!(#outer #body) };
    let prefix = handle.value.as_ref().and_then(|path| path.segments.last()).map(|last| &last.ident);
    let prefix = prefix.unwrap_or(&parts.function.sig.ident);
    let entry = entry(options, parts, &format_ident!("{prefix}_entry", span = prefix.span()));
    let all = all(parts, whole, &format_ident!("{prefix}_cache", span = prefix.span()));
    quote!(#outer #body #entry #all)
}

fn body_name(function: &ItemFn) -> Ident {
    format_ident!("__percache_body_of_{}", function.sig.ident, span = function.sig.ident.span())
}

/// The attributes that are about lints: they hold for all that the function becomes.
fn lints(function: &ItemFn) -> TokenStream {
    let is_lint = |attribute: &&syn::Attribute| {
        ["allow", "warn", "deny", "forbid"].iter().any(|lint| attribute.path().is_ident(lint))
    };
    let lints = function.attrs.iter().filter(is_lint);
    quote!(#(#lints)*)
}

/// The names of the arguments without the receiver.
fn names(function: &ItemFn) -> impl Iterator<Item = (&Ident, &[syn::Attribute])> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => Some((&pattern.ident, typed.attrs.as_slice())),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

/// The arguments without the receiver, to be passed on.
pub fn given(function: &ItemFn) -> Vec<TokenStream> {
    let given = names(function).map(|(name, attributes)| {
        let conditions = conditions(attributes);
        quote!(#(#conditions)* #name)
    });
    given.collect()
}

/// The function without `mut` before its arguments, which is the body's affair.
fn without_mut(function: &ItemFn) -> ItemFn {
    let mut function = function.clone();
    for argument in &mut function.sig.inputs {
        match argument {
            FnArg::Typed(typed) => {
                if let Pat::Ident(pattern) = &mut *typed.pat {
                    pattern.mutability = None;
                }
            }
            FnArg::Receiver(_) => {}
        }
    }
    function
}

/// How the function with the body is called with `operation` and these arguments.
pub fn body_call(
    options: &Options,
    function: &ItemFn,
    receiver: &TokenStream,
    operation: &TokenStream,
    arguments: &[TokenStream],
) -> TokenStream {
    let name = body_name(function);
    let generics = function.sig.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    let generics = quote!(::<#(#generics),*>);
    if has_receiver(function) {
        return quote!(#receiver.#name #generics(#operation, #(#arguments),*));
    }
    let place = if is_associated(options, function) { quote!(Self::) } else { TokenStream::new() };
    quote!(#place #name #generics(#operation, #(#arguments),*))
}

/// Whether the function is known to stand in an implementation.
fn is_associated(options: &Options, function: &ItemFn) -> bool {
    let named = |path: &Path| path.segments.first().is_some_and(|first| first.ident == "Self");
    let handle = options.handle.as_ref().and_then(|given| given.value.as_ref());
    let signature = &function.sig;
    handle.is_some_and(named) || mentions(quote!(#signature), &["Self".into()])
}

/// Whether one of these names is among the tokens.
fn mentions(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.contains(&ident.to_string()),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}

/// `self`, if there is one.
pub fn self_token(function: &ItemFn) -> TokenStream {
    match function.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => {
            let name = Ident::new("self", receiver.self_token.span);
            quote!(#name)
        }
        _ => TokenStream::new(),
    }
}

/// The function itself.
fn outer(options: &Options, parts: &Prepared) -> TokenStream {
    let krate = parts.krate;
    let mut function = without_mut(parts.function);
    let operation = quote!(#krate::__private::Operation::call());
    let call = body_call(options, &function, &self_token(&function), &operation, &given(&function));
    let awaited = function.sig.asyncness.map(|_| quote!(.await));
    let early = options.refresh_after.as_ref().map(|_| ahead::early(options, parts));
    function.block = parse_quote!({
        #early
        #krate::__private::valued(#call #awaited)
    });
    quote!(#function)
}

/// The function that has the body, and does with it what it is told.
fn body(parts: &Prepared) -> TokenStream {
    let Prepared { function, kind, prologue, note, krate, .. } = parts;
    let (name, lints) = (body_name(function), lints(function));
    let expected = function.attrs.iter().filter(|attribute| attribute.path().is_ident("expect"));
    let mut signature = function.sig.clone();
    signature.ident = name;
    signature.output = parse_quote!(-> ::core::option::Option<#kind>);
    let place = usize::from(has_receiver(function));
    signature.inputs.insert(place, parse_quote!(__percache_operation: #krate::__private::Operation));
    let body = parts.body();
    let run = if function.sig.asyncness.is_some() {
        let call = parts.async_call();
        quote! {
            #krate::__private::operate_async(#call, __percache_operation, async move {
                #note
                let __percache_value: #kind = async move { #body }.await;
                __percache_value
            }).await
        }
    } else {
        let (method, call) = (parts.method(), parts.call(&quote!(__percache_keep)));
        quote! { #method::operate(#call, &__percache_operation, move || -> #kind { #note #body }) }
    };
    quote! {
        #[doc(hidden)]
        #[allow(non_snake_case, clippy::too_many_arguments)]
        #lints
        #(#expected)*
        #signature {
            #prologue
            #run
        }
    }
}

/// The function that gives a call that waits to be told what to do.
fn entry(options: &Options, parts: &Prepared, name: &Ident) -> TokenStream {
    let (result, krate) = (parts.kind, parts.krate);
    let function = without_mut(parts.function);
    let (lints, visibility) = (lints(&function), &function.vis);
    let operation = quote!(__percache_operation);
    let call = body_call(options, &function, &self_token(&function), &operation, &given(&function));
    let mut signature = function.sig.clone();
    signature.ident = name.clone();
    let (kind, documentation) = match signature.asyncness.take() {
        Some(_) => (quote!(AsyncCallEntry), "a future that"),
        None => (quote!(CallEntry), "what"),
    };
    let run = match function.sig.asyncness {
        Some(_) => quote!(impl ::core::future::Future<Output = ::core::option::Option<#result>>),
        None => {
            quote!(impl ::core::ops::FnOnce(#krate::__private::Operation) -> ::core::option::Option<#result>)
        }
    };
    signature.output = parse_quote!(-> #krate::#kind<#result, #run>);
    let documentation = format!(
        "A call of `{}` that is not made: {documentation} removes, refreshes or computes its result beside the cache.",
        function.sig.ident
    );
    quote! {
        #[doc = #documentation]
        #[allow(dead_code)]
        #lints
        #visibility #signature {
            #krate::#kind::new(move |__percache_operation| #call)
        }
    }
}

/// The function that gives all results. There is none if the cache depends on the arguments.
fn all(parts: &Prepared, whole: &Whole, name: &Ident) -> TokenStream {
    let Prepared { function, krate, .. } = parts;
    let Whole { rules, path, cache } = whole;
    let mut arguments: Vec<String> = names(function).map(|(name, _)| name.to_string()).collect();
    arguments.push("self".into());
    if mentions(cache.clone(), &arguments) {
        return TokenStream::new();
    }
    let (visibility, generics) = (&function.vis, &function.sig.generics);
    let bounds = &generics.where_clause;
    let (own, beside) = (function.sig.ident.to_string(), name.to_string());
    let documentation = format!("All results of `{own}`.");
    quote_spanned! {Span::call_site()=>
        #[doc = #documentation]
        #[allow(dead_code)]
        #visibility fn #name #generics() -> #krate::FunctionCache #bounds {
            let __percache_path = #krate::__private::#path(&|| ());
            let __percache_cache: &#krate::Cache = #cache;
            #krate::__private::function_cache(__percache_cache, &#rules, __percache_path, #beside, #own)
        }
    }
}

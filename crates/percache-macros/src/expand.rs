//! What `#[memoize]` makes of a function.
//!
//! ```text
//! fn f(a: A, b: B) -> R {
//!     static FUNCTION: OnceLock<Function>;            identity and rules, made at the first call
//!     let path = path_of(&|| ());                     the type of a closure names the instance: module, type, generics
//!     let key = FUNCTION.key_of(path, &(&a, &b));
//!     call(cache, FUNCTION, path, key, keep, move || -> R { …the body… })
//! }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Ident, ItemFn, Pat, PathArguments, ReturnType, Type, parse_quote};

use crate::check::{name, returns_result};
use crate::options::Options;
use crate::tracked::{constant, expression, function_code, has_receiver, is_attribute};

/// The function, and the constant with the digest of its code.
pub fn expand(options: &Options, mut function: ItemFn) -> TokenStream {
    let code = expression(function_code(&function), options.dependencies());
    let tracked = function.attrs.iter().any(|attribute| is_attribute(attribute, "tracked"));
    function.attrs.retain(|attribute| !is_attribute(attribute, "tracked"));
    let constant = if tracked || !has_receiver(&function) {
        constant(&function.vis, &function.sig.ident, &code)
    } else {
        TokenStream::new()
    };
    let unpacked = name_arguments(&mut function);
    let arguments = arguments(options, &function);
    let rules = rules(options, &code);
    let path = match options.name {
        Some(_) => quote!(types_of),
        None => quote!(path_of),
    };
    let cache = match &options.cache {
        Some(given) => {
            let cache = &given.value;
            quote_spanned!(cache.span()=> &(#cache))
        }
        None => quote!(::percache::default_cache()),
    };
    let keep = keep(options, &function.sig.output);
    let call = call(&function, &unpacked);
    let returned = returned(&function.sig.output);
    function.block = parse_quote!({
        static __PERCACHE_FUNCTION: ::std::sync::OnceLock<::percache::Function> = ::std::sync::OnceLock::new();
        let __percache_path = ::percache::__private::#path(&|| ());
        let __percache_function = __PERCACHE_FUNCTION.get_or_init(|| #rules);
        let __percache_key = __percache_function.key_of(__percache_path, &#arguments);
        let __percache_cache: &::percache::Cache = #cache;
        let __percache_keep = #keep;
        let __percache_keep = {
            use ::percache::__private::{AsItIs as _, ByClone as _};
            (::percache::__private::Returned::<#returned>::new()).keep(__percache_keep)
        };
        #call
    });
    quote!(#constant #function)
}

/// Gives every argument a name; what takes the patterns apart that stood there instead.
fn name_arguments(function: &mut ItemFn) -> Vec<TokenStream> {
    let mut unpacked = Vec::new();
    for (place, argument) in function.sig.inputs.iter_mut().enumerate() {
        let FnArg::Typed(typed) = argument else { continue };
        if matches!(&*typed.pat, Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none()) {
            continue;
        }
        let name = format_ident!("__percache_argument_{place}");
        let pattern = std::mem::replace(&mut *typed.pat, parse_quote!(#name));
        unpacked.push(quote!(let #pattern = #name;));
    }
    unpacked
}

/// What the key is made of.
fn arguments(options: &Options, function: &ItemFn) -> TokenStream {
    if let Some(key) = &options.key {
        let key = &key.value;
        return quote_spanned!(key.span()=> ::percache::__private::argument(&(#key)));
    }
    let skipped: &[Ident] = options.skip.as_ref().map_or(&[], |given| &given.value);
    let counted = function.sig.inputs.iter().filter(|argument| {
        let name = name(argument);
        !skipped.iter().any(|skipped| Some(skipped.to_string()) == name)
    });
    let parts = counted.map(|argument| match argument {
        FnArg::Receiver(receiver) => {
            let name = Ident::new("self", receiver.self_token.span);
            quote_spanned!(receiver.span()=> ::percache::__private::argument(&#name))
        }
        FnArg::Typed(typed) => {
            let name = match &*typed.pat {
                Pat::Ident(pattern) => pattern.ident.clone(),
                _ => Ident::new("_", Span::call_site()),
            };
            quote_spanned!(typed.ty.span()=> ::percache::__private::argument(&#name))
        }
    });
    quote!((#(#parts,)*))
}

/// The expression that makes the `Function`.
fn rules(options: &Options, code: &TokenStream) -> TokenStream {
    let function = match &options.name {
        Some(given) => {
            let name = &given.value;
            quote!(::percache::Function::new(#name))
        }
        None => quote!(::percache::Function::by_path()),
    };
    let version = options.version.iter().map(|given| &given.value);
    let maxage = options.maxage.iter().map(|given| &given.value);
    quote! {
        #function.code(#code)
            #(.version(#version))*
            #(.maxage(::std::time::Duration::from_secs(#maxage)))*
    }
}

/// The expression that says what is kept. It fails to compile, where the type stands, when that type cannot be kept.
fn keep(options: &Options, output: &ReturnType) -> TokenStream {
    let ReturnType::Type(_, kind) = output else { return quote!(::percache::__private::everything::<()>()) };
    if !returns_result(output) {
        return quote_spanned!(kind.span()=> ::percache::__private::everything::<#kind>());
    }
    let types = type_arguments(kind);
    let (ok, error) = (types.first(), types.get(1));
    let span = ok.map_or(kind.span(), Spanned::span);
    let (ok, error) = (or_inferred(ok), or_inferred(error));
    match &options.cache_err {
        Some(given) => {
            let seconds = given.value;
            quote_spanned!(span=> ::percache::__private::errors_for::<#ok, #error>(#seconds))
        }
        None => quote_spanned!(span=> ::percache::__private::only_ok::<#ok, #error>()),
    }
}

/// The types in the brackets behind the name of a type.
fn type_arguments(kind: &Type) -> Vec<&Type> {
    let Type::Path(path) = kind else { return Vec::new() };
    match path.path.segments.last().map(|last| &last.arguments) {
        Some(PathArguments::AngleBracketed(list)) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(kind) => Some(kind),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What an alias like `io::Result` leaves out, the compiler finds.
fn or_inferred(kind: Option<&&Type>) -> TokenStream {
    kind.map_or_else(|| quote!(_), |kind| quote!(#kind))
}

/// The type of what a function returns.
fn returned(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Type(_, kind) => quote!(#kind),
        ReturnType::Default => quote!(()),
    }
}

fn call(function: &ItemFn, unpacked: &[TokenStream]) -> TokenStream {
    let body = &function.block.stmts;
    let kind = returned(&function.sig.output);
    let parts = quote!(__percache_cache, __percache_function, __percache_path, __percache_key, __percache_keep);
    if function.sig.asyncness.is_some() {
        quote! {
            ::percache::__private::call_async::<#kind, _, _>(#parts, async move { #(#unpacked)* #(#body)* }).await
        }
    } else {
        quote! { ::percache::__private::call(#parts, move || -> #kind { #(#unpacked)* #(#body)* }) }
    }
}

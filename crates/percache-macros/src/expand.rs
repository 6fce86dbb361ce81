//! What `#[memoize]` makes of a function.
//!
//! ```text
//! fn f(a: A, b: B) -> R {
//!     static FUNCTION: PerProcess<Function>;          identity and rules, made at the first call
//!     let path = path_of(&|| ());                     the type of a closure names the instance: module, type, generics
//!     let key = …;                                    of the function, the path and each argument
//!     let keep = …;                                   what is kept: chosen by the type R and by options
//!                                                     what those get who wait: errors that can be cloned, by the type R too
//!     let about = …;                                  takes the summary of the arguments, when the body runs
//!     <R as Kept<_>>::call(Call { cache, FUNCTION, path, key, keep, about }, move || -> R { …the body… })
//! }
//! ```

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, Pat, Path, ReturnType, Type, parse_quote};

use crate::age::Age;
use crate::crate_path::crate_path;
use crate::keep::keep;
use crate::key::{conditions, key, shown, uses_taken};
use crate::options::{Given, Options};
use crate::tokens::digest;
use crate::tracked::{constant, expression, function_code, has_receiver, is_attribute};
use crate::waiting::with_errors;
use crate::{place, share, siblings};

/// The function, and the constant with the digest of its code.
pub fn expand(options: &Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    let krate = crate_path(options)?;
    let digest = digest(function_code(&function));
    let code = expression(&digest, options.dependencies(), &krate);
    let tracked = function.attrs.iter().any(|attribute| is_attribute(attribute, "tracked"));
    function.attrs.retain(|attribute| !is_attribute(attribute, "tracked"));
    let constant = if tracked || !has_receiver(&function) {
        constant(&function.vis, &function.sig.ident, &code, &krate)
    } else {
        TokenStream::new()
    };
    let unpacked = name_arguments(&mut function);
    let key = key(options, &function, &krate);
    let rules = rules(options, &function, &code, digest.digest, &krate);
    let path = match options.name {
        Some(_) => quote!(types_of),
        None => quote!(path_of),
    };
    let cache = cache(options, &function, &krate);
    let kind = result(&function);
    let keep = with_errors(keep(options, &kind, &krate), &kind, &function.sig.generics, &krate);
    let prologue = quote! {
        static __PERCACHE_FUNCTION: #krate::__private::PerProcess<#krate::Function> = #krate::__private::PerProcess::new();
        let __percache_path = #krate::__private::#path(&|| ());
        let __percache_function = __PERCACHE_FUNCTION.get_or_init(|| #rules);
        let __percache_key = #key;
        let __percache_cache: &#krate::Cache = #cache;
        let __percache_about = &#krate::__private::About::new();
        let __percache_keep = #keep;
    };
    let note = note(options, &function, &krate);
    let prepared = Prepared { function: &function, kind: &kind, unpacked: &unpacked, prologue, note, krate: &krate };
    if siblings::are_wanted(options) {
        let functions = siblings::expand(options, &prepared, &siblings::Whole { rules, path, cache });
        return Ok(quote!(#constant #functions));
    }
    let call = call(&prepared);
    function.block = parse_quote!({ #call });
    Ok(quote!(#constant #function))
}

/// What is known of a function when its body is about to be put somewhere.
pub struct Prepared<'a> {
    /// Attributes, signature with a name for every argument, and body.
    pub function: &'a ItemFn,
    /// The type of its results.
    pub kind: &'a Type,
    /// What takes apart the patterns that stood in the signature.
    pub unpacked: &'a [TokenStream],
    /// Statements that bind function, path, key, cache and what is kept.
    pub prologue: TokenStream,
    /// Notes the arguments when the body is about to run.
    pub note: TokenStream,
    /// Where percache is.
    pub krate: &'a Path,
}

impl Prepared<'_> {
    /// A method of the type of the results.
    pub fn method(&self) -> TokenStream {
        let Prepared { kind, krate, .. } = self;
        quote_spanned!(kind.span()=> <#kind as #krate::Kept<_>>)
    }

    /// The value that says all about a call but what to do with it.
    pub fn call(&self, keep: &TokenStream) -> TokenStream {
        let krate = self.krate;
        quote!(#krate::__private::Call {
            cache: __percache_cache,
            function: __percache_function,
            path: __percache_path,
            key: __percache_key,
            keep: #keep,
            about: __percache_about,
        })
    }

    /// The same for a future, whose type names nothing that depends on what is kept.
    pub fn async_call(&self) -> TokenStream {
        let method = self.method();
        self.call(&quote!(#method::codec(__percache_keep)))
    }

    /// The body as a block without braces.
    pub fn body(&self) -> TokenStream {
        let (unpacked, statements) = (self.unpacked, &self.function.block.stmts);
        quote!(#(#unpacked)* #(#statements)*)
    }
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
        let conditions = conditions(&typed.attrs);
        unpacked.push(quote!(#(#conditions)* let #pattern = #name;));
    }
    unpacked
}

/// The expression that makes the `Function`.
fn rules(options: &Options, function: &ItemFn, code: &TokenStream, digest: [u8; 20], krate: &Path) -> TokenStream {
    let identity = match &options.name {
        Some(given) => {
            let name = &given.value;
            quote!(#krate::Function::new(#name))
        }
        None => {
            let file = place::file();
            let folder = place::folder(file.as_deref());
            let ordinal = place::ordinal(file, function.sig.ident.to_string(), digest);
            let program = quote!(::std::option_env!("CARGO_BIN_NAME"));
            quote!(#krate::__private::placed(#krate::Function::by_path(), #program, #folder, #ordinal))
        }
    };
    let version = options.version.iter().map(|given| &given.value);
    let package = share::package(options.share.as_ref().map(|given| &given.value), krate).into_iter();
    let age = |given: &Option<Given<Age>>| given.as_ref().map(|given| given.value.duration(krate)).into_iter();
    let maxage = age(&options.maxage);
    let (refresh, stale) = (age(&options.refresh_after), age(&options.stale_if_error));
    quote! {
        #identity.code(#code)
            #(.version(#version))*
            #(.package(#package))*
            #(.maxage(#maxage))*
            #(.refresh_after(#refresh))*
            #(.stale_if_error(#stale))*
    }
}

/// A reference to the cache. If it is a part of an argument that the body takes, the reference is not.
fn cache(options: &Options, function: &ItemFn, krate: &Path) -> TokenStream {
    let Some(given) = &options.cache else { return quote!(#krate::__private::cache_of_no_name(())) };
    let cache = &given.value;
    let cache = quote_spanned!(cache.span()=> &(#cache));
    if uses_taken(&cache, function) { quote!(&#krate::__private::own(#cache)) } else { cache }
}

/// The type of the function's results.
fn result(function: &ItemFn) -> Type {
    match &function.sig.output {
        ReturnType::Type(_, kind) => (**kind).clone(),
        ReturnType::Default => parse_quote!(()),
    }
}

/// Notes the arguments when the body is about to run.
fn note(options: &Options, function: &ItemFn, krate: &Path) -> TokenStream {
    if options.describe.as_ref().is_some_and(|given| !given.value) {
        return TokenStream::new();
    }
    let shown = shown(options, function, krate);
    quote! {
        {
            #[allow(unused_imports)]
            use #krate::__private::{ShowNothing as _, ShowSerialized as _};
            __percache_about.note(__percache_cache, &#shown);
        }
    }
}

fn call(prepared: &Prepared) -> TokenStream {
    let Prepared { function, kind, prologue, note, krate, .. } = prepared;
    let (method, body) = (prepared.method(), prepared.body());
    if function.sig.asyncness.is_some() {
        let call = prepared.async_call();
        quote! { #prologue #krate::__private::call_async(#call, async move { #note #body }).await }
    } else {
        let call = prepared.call(&quote!(__percache_keep));
        quote! { #prologue #method::call(#call, move || -> #kind { #note #body }) }
    }
}

//! `#[tracked]`, and how functions tell each other the digests of their code.
//!
//! Beside a tracked function `f` stands a constant whose name no one would choose. `depends_on(f)` is a reference to that constant; if
//! it is missing, the compiler says that it cannot find it, and its name says what to do.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, Item, ItemFn, Path, Visibility};

use crate::crate_path::crate_path;
use crate::options::Options;
use crate::tokens::{Code, digest};

/// What follows the name of the function in the name of the constant.
const SUFFIX: &str = "needs_the_attribute_percache_tracked";

/// The item, and the constant with the digest of its code.
pub fn tracked(options: &Options, tokens: TokenStream) -> syn::Result<TokenStream> {
    if let Some(word) = options.not_for_tracked() {
        return Err(Error::new(
            word.span(),
            format!("`{word}` is an option of #[memoize]; #[tracked] has `depends_on`"),
        ));
    }
    let item: Item = syn::parse2(tokens.clone())?;
    let krate = crate_path(options)?;
    let code = |tokens: TokenStream| expression(&digest(tokens), options.dependencies(), &krate);
    let constant = |visibility, name, code| constant(visibility, name, code, &krate);
    let constant = match &item {
        // There, the constant comes from #[memoize].
        Item::Fn(function) if is_memoized(function) && !has_receiver(function) => TokenStream::new(),
        Item::Fn(function) => constant(&function.vis, &function.sig.ident, &code(function_code(function))),
        Item::Const(item) => {
            let (kind, value) = (&item.ty, &item.expr);
            constant(&item.vis, &item.ident, &code(quote!(#kind = #value)))
        }
        Item::Static(item) => {
            let (kind, value) = (&item.ty, &item.expr);
            constant(&item.vis, &item.ident, &code(quote!(#kind = #value)))
        }
        _ => return Err(Error::new(item.span(), "#[tracked] goes on a function, a constant or a static")),
    };
    Ok(quote!(#tokens #constant))
}

/// What counts of a function's code: what it takes, returns and does.
pub fn function_code(function: &ItemFn) -> TokenStream {
    let (signature, body) = (&function.sig, &function.block);
    quote!(#signature #body)
}

/// An expression of type `&'static Code`.
///
/// It depends on those parts of the code that are compiled, and on what the options name.
pub fn expression(code: &Code, dependencies: &[Path], krate: &Path) -> TokenStream {
    let bytes = &code.digest;
    let dependencies = dependencies.iter().map(reference);
    let parts = code.parts.iter().map(|part| {
        let (condition, code) = (&part.condition, expression(&part.code, &[], krate));
        quote!(#[cfg(#condition)] #code)
    });
    quote! { &#krate::Code { digest: [#(#bytes),*], depends_on: &[#(#parts,)* #(#dependencies),*] } }
}

/// The constant beside an item.
pub fn constant(visibility: &Visibility, name: &Ident, code: &TokenStream, krate: &Path) -> TokenStream {
    let constant = constant_name(name);
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, non_upper_case_globals, non_snake_case)]
        #visibility const #constant: &'static #krate::Code = #code;
    }
}

/// Methods have their constant only from `#[tracked]`: in the implementation of a trait there is no place for it.
pub fn has_receiver(function: &ItemFn) -> bool {
    matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_)))
}

/// Whether an attribute is called `name`, in whatever module.
pub fn is_attribute(attribute: &syn::Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}

fn is_memoized(function: &ItemFn) -> bool {
    function.attrs.iter().any(|attribute| is_attribute(attribute, "memoize"))
}

fn constant_name(name: &Ident) -> Ident {
    format_ident!("{}__{}", name, SUFFIX, span = name.span())
}

/// The path of the constant that belongs to the item at `path`.
fn reference(path: &Path) -> Path {
    let mut path = path.clone();
    if let Some(last) = path.segments.last_mut() {
        last.ident = constant_name(&last.ident);
    }
    path
}

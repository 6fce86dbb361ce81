//! How far the results of a function are shared: the option `share`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitStr, Path};

const LEVELS: [&str; 4] = ["source", "version", "package", "everyone"];

/// Checks what was written.
pub fn level(literal: LitStr) -> syn::Result<LitStr> {
    if LEVELS.contains(&literal.value().as_str()) {
        return Ok(literal);
    }
    let message = "`share` is \"source\" (the default), \"version\", \"package\" or \"everyone\": builds of the same source share \
                   results, builds of the same version, of the same package, or all";
    Err(syn::Error::new(literal.span(), message))
}

/// The package that a function belongs to, unless everyone shares its results.
pub fn package(level: Option<&LitStr>, krate: &Path) -> Option<TokenStream> {
    match level {
        None => Some(quote!(#krate::package!("source"))),
        Some(level) if level.value() == "everyone" => None,
        Some(level) => Some(quote!(#krate::package!(#level))),
    }
}

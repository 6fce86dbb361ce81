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
///
/// Computed when the program is compiled: the directory itself does not become a part of it.
pub fn package(level: Option<&LitStr>, krate: &Path) -> Option<TokenStream> {
    let level = level.map_or_else(|| LEVELS[0].to_owned(), LitStr::value);
    let known = |variable: &str| quote!(::std::option::Option::Some(::std::option_env!(#variable)));
    let none = || quote!(::std::option::Option::None);
    let (version, directory) = match level.as_str() {
        "source" => (known("CARGO_PKG_VERSION"), known("CARGO_MANIFEST_DIR")),
        "version" => (known("CARGO_PKG_VERSION"), none()),
        "package" => (none(), none()),
        _ => return None,
    };
    Some(quote!({
        const __PERCACHE_PACKAGE: #krate::Package =
            #krate::__private::package(::std::option_env!("CARGO_PKG_NAME"), #version, #directory);
        __PERCACHE_PACKAGE
    }))
}

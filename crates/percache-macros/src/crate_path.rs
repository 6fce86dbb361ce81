//! Where the expansion finds percache: under whatever name it is a dependency, or where the option `crate` says.

use proc_macro_crate::{Error, FoundCrate, crate_name};
use proc_macro2::Span;
use syn::{Ident, Path, parse_quote};

use crate::options::Options;

/// The path of the crate.
pub fn crate_path(options: &Options) -> syn::Result<Path> {
    if let Some(given) = &options.krate {
        return Ok(given.value.clone());
    }
    match crate_name("percache") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            Ok(parse_quote!(::#name))
        }
        Err(Error::CrateNotFound { .. }) => Err(syn::Error::new(
            Span::call_site(),
            "this package does not depend on `percache`; if it gets the attribute from another crate, say where that has percache: \
             `crate = other::percache`",
        )),
        // Its own tests; or a build without cargo.
        Ok(FoundCrate::Itself) | Err(_) => Ok(parse_quote!(::percache)),
    }
}

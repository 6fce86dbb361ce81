//! What is kept of a function's results: the options `cache_err`, `keep_none` and `keep_if`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

use crate::options::Options;

/// The expression that says what is kept. The type of the results decides; it fails to compile where an option does not fit the type.
pub fn keep(options: &Options, kind: &Type, krate: &Path) -> TokenStream {
    let mut keep = match &options.cache_err {
        Some(given) => {
            let duration = given.value.duration(krate);
            quote_spanned!(kind.span()=> <#kind as #krate::__private::Fallible>::errors_for(#duration))
        }
        None => quote!({
            use #krate::__private::Any as _;
            #krate::__private::Shape::<#kind>::default().keep()
        }),
    };
    if options.keep_none.as_ref().is_some_and(|given| !given.value) {
        keep = quote_spanned!(kind.span()=> <#kind as #krate::__private::Optional>::only_some(#keep));
    }
    if let Some(given) = &options.keep_if {
        let condition = &given.value;
        keep = quote!({
            let __percache_condition: fn(&#kind) -> bool = #condition;
            #krate::__private::If(#keep, __percache_condition)
        });
    }
    keep
}

//! The attributes of percache. Use them through the crate `percache`, whose documentation explains them.
//!
//! Knows tokens only: what is done with a memoized function is in `percache::memo`.

mod age;
mod ahead;
mod check;
mod conditional;
mod crate_path;
mod expand;
mod keep;
mod key;
mod options;
mod place;
mod share;
mod siblings;
mod tokens;
mod tracked;
mod waiting;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Keeps the results of a function across runs of the program.
///
/// ```ignore
/// #[percache::memoize]
/// fn longtask(a: u64, b: u64) -> u64 { a + b }
/// ```
///
/// A result is found again when the package and path of the function, its types, its arguments and its code (its tokens as far as they
/// are compiled; comments, formatting, attributes and visibility do not count) are the same. Goes on free functions, methods, generic
/// functions and `async fn`. Arguments must be `Serialize`, results `Serialize` and `DeserializeOwned`. Errors are not kept.
///
/// | option | meaning |
/// | --- | --- |
/// | `cache = CACHE` | a `Cache`, or what dereferences to one; without it, the default cache of the user |
/// | `name = "n"` | stands for module path and name: the function may move |
/// | `version = "2"` | part of the key, for what changes without the code changing |
/// | `share = "version"` | who shares its results: builds of the same `"source"` (unless told otherwise), of the same `"version"` or `"package"`, or `"everyone"` |
/// | `maxage = "7d"` | results that are older are computed again; units `ms`, `s`, `m`, `h`, `d`, `w`, or a constant `Duration` |
/// | `refresh_after = "1h"` | results that are older are returned, and computed again in the background |
/// | `stale_if_error = "1d"` | when computing again gives an error, the last result is returned, for this long after `maxage` |
/// | `cache_err = "30s"` | of a `Result`, errors are kept too, for this long |
/// | `keep_none = false` | of an `Option`, `None` is not kept |
/// | `keep_if = \|result\| …` | results for which this does not hold are not kept; a closure that captures nothing, or a path |
/// | `skip(a, b)` | these arguments do not count; `self` and what is borrowed by `&mut` can be skipped too |
/// | `key = EXPR` | calls are told apart by this expression over the arguments and by nothing else |
/// | `handle` | beside `f` stand `f_entry(…)`, a call to remove, refresh or compute beside the cache, and `f_cache()`, all results |
/// | `describe = false` | no summary of the arguments is kept for people |
/// | `depends_on(f, m::g)` | a change of their code counts as well; they need `#[tracked]` (or `#[memoize]`), and are named by the path where they are defined |
/// | `crate = other::percache` | where percache is, if this package does not depend on it; another name for the dependency is found without |
#[proc_macro_attribute]
pub fn memoize(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::Options);
    let function = match syn::parse::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => return check::not_a_function(item.into(), error).into_compile_error().into(),
    };
    let expanded = check::check(&options, &function).and_then(|()| expand::expand(&options, function));
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Lets memoized functions depend on the code of a function, a constant or a static: see `depends_on` of `#[memoize]`.
///
/// ```ignore
/// #[percache::tracked]
/// fn helper(n: u64) -> u64 { n + 1 }
///
/// #[percache::memoize(depends_on(helper))]
/// fn task(n: u64) -> u64 { helper(n) * 2 }
/// ```
///
/// It may itself `depends_on(…)` others.
#[proc_macro_attribute]
pub fn tracked(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::Options);
    tracked::tracked(&options, item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

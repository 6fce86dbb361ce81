//! What those get who wait for a call that fails: the same error, if its type can be cloned and borrows nothing.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, GenericParam, Generics, Path, PathArguments, Type, TypeParamBound, WherePredicate};

/// The rule `keep`, with errors for those who wait if the type has any.
pub fn with_errors(keep: TokenStream, kind: &Type, generics: &Generics, krate: &Path) -> TokenStream {
    // The compiler finds out whether an error can be cloned, but not whether it borrows.
    if may_borrow(kind, &borrowing(generics)) {
        return keep;
    }
    quote!({
        let __percache_keep = #keep;
        use #krate::__private::{AsItIs as _, ByClone as _};
        #krate::__private::Returned::<#kind>::new().keep(__percache_keep)
    })
}

/// Whether the error of a result may borrow, as far as its type tells.
fn may_borrow(kind: &Type, parameters: &[String]) -> bool {
    match kind {
        Type::Group(group) => may_borrow(&group.elem, parameters),
        Type::Paren(paren) => may_borrow(&paren.elem, parameters),
        Type::Path(path) => {
            let last = path.path.segments.last().map(|last| (last.ident.to_string(), type_arguments(&last.arguments)));
            match last.as_ref().map(|(name, arguments)| (name.as_str(), arguments.as_slice())) {
                Some(("Option", [inner])) => may_borrow(inner, parameters),
                Some((_, [_, error])) => names(error.to_token_stream(), parameters),
                // Aliases of `Result` leave out the error, and not the value.
                Some((_, [_])) => names(kind.to_token_stream(), &[]),
                _ => names(kind.to_token_stream(), parameters),
            }
        }
        _ => names(kind.to_token_stream(), parameters),
    }
}

/// The types in the brackets, if nothing else is there.
fn type_arguments(arguments: &PathArguments) -> Vec<&Type> {
    let PathArguments::AngleBracketed(list) = arguments else { return Vec::new() };
    let types = list.args.iter().map(|argument| match argument {
        GenericArgument::Type(kind) => Some(kind),
        _ => None,
    });
    types.collect::<Option<_>>().unwrap_or_default()
}

/// The names of the type parameters that stand for types which may borrow.
fn borrowing(generics: &Generics) -> Vec<String> {
    let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(to) if to.ident == "static");
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let owning: Vec<String> = predicates
        .filter_map(|predicate| match predicate {
            WherePredicate::Type(of) if of.bounds.iter().any(is_static) => {
                Some(of.bounded_ty.to_token_stream().to_string())
            }
            _ => None,
        })
        .collect();
    let parameters = generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(kind) if !kind.bounds.iter().any(is_static) => Some(kind.ident.to_string()),
        _ => None,
    });
    parameters.filter(|name| !owning.contains(name)).collect()
}

/// Whether these parameters, or lifetimes, are in it.
fn names(kind: TokenStream, parameters: &[String]) -> bool {
    let mut after_apostrophe = false;
    kind.into_iter().any(|token| match token {
        TokenTree::Group(group) => names(group.stream(), parameters),
        TokenTree::Ident(name) => {
            let is_lifetime = std::mem::take(&mut after_apostrophe);
            if is_lifetime { name != "static" } else { parameters.contains(&name.to_string()) }
        }
        TokenTree::Punct(punct) => {
            after_apostrophe = punct.as_char() == '\'';
            false
        }
        TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{ItemFn, ReturnType, parse_str};

    fn shares(signature: &str) -> bool {
        let function: ItemFn = parse_str(&format!("fn f{signature} {{}}")).unwrap();
        let ReturnType::Type(_, kind) = &function.sig.output else { panic!("it returns something") };
        let krate = parse_str("percache").unwrap();
        with_errors(quote!(rule), kind, &function.sig.generics, &krate).to_string().contains("Returned")
    }

    #[test]
    fn errors_that_may_borrow_are_not_for_others() {
        assert!(shares("() -> Result<u8, String>"));
        assert!(shares("() -> Alias"));
        assert!(shares("<T>() -> Alias<T>"));
        assert!(shares("<T>() -> Result<T, String>"));
        assert!(shares("<T>() -> Option<io::Result<T, Box<str>>>"));
        assert!(shares("<'a>() -> Result<Text<'a>, Error<'static>>"));
        assert!(!shares("<'a>() -> Result<u8, Text<'a>>"));
        assert!(!shares("() -> Option<Result<u8, (Text<'_>, u8)>>"));
        assert!(!shares("<'a>() -> Alias<'a, u8>"));
        assert!(!shares("() -> Alias<Text<'_>>"));
    }

    #[test]
    fn errors_of_generic_functions_are_for_others_if_they_are_static() {
        assert!(shares("<E: Clone + 'static>() -> Result<u8, E>"));
        assert!(shares("<E>() -> Result<u8, E> where E: 'static + Clone"));
        assert!(!shares("<E: Clone>() -> Result<u8, E>"));
        assert!(!shares("<T: FromStr>() -> Result<T, T::Err>"));
        assert!(!shares("<T>() -> T"));
    }
}

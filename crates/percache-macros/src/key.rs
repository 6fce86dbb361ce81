//! The key of a call: what of the arguments counts.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, Path};

use crate::check::name;
use crate::options::Options;

/// The expression of the key of a call, of type `Result<Key, EncodingError>`. Uses `__percache_function` and `__percache_path`.
///
/// Each argument is added by a statement of its own, so that the compiler complains once about one that cannot be, where it stands.
pub fn key(options: &Options, function: &ItemFn, krate: &Path) -> TokenStream {
    let parts = match &options.key {
        Some(key) => {
            let key = &key.value;
            quote_spanned!(key.span()=> #krate::Argument::add_to(&(#key), __percache_key);)
        }
        None => list(options, function, krate),
    };
    quote!(#krate::__private::key(__percache_function, __percache_path, |__percache_key| { #parts }))
}

fn list(options: &Options, function: &ItemFn, krate: &Path) -> TokenStream {
    let counted = function.sig.inputs.iter().filter(|argument| !options.skips(argument));
    let parts: Vec<TokenStream> = counted.map(|argument| part(argument, krate)).collect();
    if parts.is_empty() {
        return quote!(#krate::Argument::add_to(&(), __percache_key););
    }
    quote! {
        #krate::__private::begin_list(__percache_key);
        #(#parts)*
        #krate::__private::end_list(__percache_key);
    }
}

/// The arguments that count, for their summary: an expression of a type that can be serialised.
///
/// Not with the user's span: clippy would take the second `&` for the user's. The compiler has complained about what cannot be
/// serialised where the key is made, and does not do it again here.
pub fn shown(options: &Options, function: &ItemFn, krate: &Path) -> TokenStream {
    let show =
        |argument: &TokenStream| quote_spanned!(Span::mixed_site()=> (&#krate::__private::Shown(&#argument)).shown());
    if let Some(key) = &options.key {
        let key = &key.value;
        return show(&quote_spanned!(key.span()=> (#key)));
    }
    let counted = function.sig.inputs.iter().filter(|argument| !options.skips(argument));
    let parts = counted.map(|argument| {
        let (name, conditions) = (bound(argument), conditions(attributes(argument)));
        let shown = show(&quote!(#name));
        quote!(#(#conditions)* #shown)
    });
    quote!((#(#parts,)*))
}

/// The attributes of an argument.
pub fn attributes(argument: &FnArg) -> &[syn::Attribute] {
    match argument {
        FnArg::Receiver(receiver) => &receiver.attrs,
        FnArg::Typed(typed) => &typed.attrs,
    }
}

/// The name under which the function has an argument.
fn bound(argument: &FnArg) -> Ident {
    match argument {
        FnArg::Receiver(receiver) => Ident::new("self", receiver.self_token.span),
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            _ => Ident::new("_", Span::call_site()),
        },
    }
}

fn part(argument: &FnArg, krate: &Path) -> TokenStream {
    let (name, conditions) = (bound(argument), conditions(attributes(argument)));
    let span = match argument {
        FnArg::Receiver(receiver) => receiver.span(),
        FnArg::Typed(typed) => typed.ty.span(),
    };
    quote_spanned!(span=> #(#conditions)* #krate::Argument::add_to(&#name, __percache_key);)
}

/// The attributes that decide whether an argument is there.
pub fn conditions(attributes: &[syn::Attribute]) -> impl Iterator<Item = &syn::Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// Whether an argument is borrowed to be changed.
pub fn is_changed(argument: &FnArg) -> bool {
    use crate::check::is_changeable;
    use syn::ReceiverKind;
    match argument {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => true,
            ReceiverKind::Typed(_, kind) => is_changeable(kind),
            _ => false,
        },
        FnArg::Typed(typed) => is_changeable(&typed.ty),
    }
}

/// Whether an expression names an argument that the body takes for itself.
pub fn uses_taken(expression: &TokenStream, function: &ItemFn) -> bool {
    let taken: Vec<String> = function.sig.inputs.iter().filter(|a| is_taken(a)).filter_map(name).collect();
    names_any(expression.clone(), &taken)
}

fn is_taken(argument: &FnArg) -> bool {
    use syn::{ReceiverKind, Type};
    match argument {
        FnArg::Receiver(receiver) => !matches!(&receiver.kind, ReceiverKind::Reference(_, _, None)),
        FnArg::Typed(typed) => !matches!(&*typed.ty, Type::Reference(reference) if reference.mutability.is_none()),
    }
}

fn names_any(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Group(group) => names_any(group.stream(), names),
        proc_macro2::TokenTree::Ident(ident) => names.contains(&ident.to_string()),
        _ => false,
    })
}

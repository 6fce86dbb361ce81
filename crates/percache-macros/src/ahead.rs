//! What a memoized function with `refresh_after` does first: it returns what it finds, and sees to it that it is computed again in time.
//!
//! What is borrowed is made owned only when a result is found that is old enough; what is owned is at hand, because the body does not run.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, Pat, Path, Type};

use crate::expand::Prepared;
use crate::key::conditions;
use crate::options::Options;
use crate::siblings::{body_call, given, self_token};

/// The way of a function with `refresh_after`: what is found is returned, and computed again if it is time for that.
pub fn early(options: &Options, parts: &Prepared) -> TokenStream {
    let Prepared { function, prologue, krate, .. } = parts;
    let ahead = quote!(#krate::__private::Operation::refresh_ahead());
    let Lent { owned, lent, receiver } = lend(function, krate);
    let later = body_call(options, function, &receiver, &ahead, &lent);
    let refresh = if function.sig.asyncness.is_some() {
        let now = body_call(options, function, &self_token(function), &ahead, &given(function));
        quote! {
            if !__percache_ticket.can_spawn() {
                return #now.await.unwrap_or(__percache_value);
            }
            #owned
            __percache_ticket.spawn(async move {
                #later.await;
            });
        }
    } else {
        quote! {
            #owned
            __percache_ticket.run(move || drop(#later));
        }
    };
    let (method, call) = (parts.method(), parts.call(&quote!(__percache_keep)));
    quote! {
        {
            #prologue
            if let ::core::option::Option::Some((__percache_value, __percache_ticket)) = #method::peek(&#call) {
                if let ::core::option::Option::Some(__percache_ticket) = __percache_ticket {
                    #refresh
                }
                return __percache_value;
            }
        }
    }
}

/// Arguments for a later time: statements that make what is borrowed owned, and how it is lent then.
struct Lent {
    owned: TokenStream,
    lent: Vec<TokenStream>,
    receiver: TokenStream,
}

fn lend(function: &ItemFn, krate: &Path) -> Lent {
    let (mut owned, mut lent, mut receiver) = (TokenStream::new(), Vec::new(), TokenStream::new());
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Receiver(given) => {
                let this = self_token(function);
                receiver = quote!(__percache_self);
                let is_lent = matches!(given.kind, syn::ReceiverKind::Reference(..));
                owned.extend(match is_lent {
                    true => quote_spanned!(given.span()=> let __percache_self = #krate::__private::owned(#this);),
                    false => quote!(let __percache_self = #this;),
                });
            }
            FnArg::Typed(typed) => {
                let Pat::Ident(pattern) = &*typed.pat else { continue };
                let (name, conditions) = (&pattern.ident, conditions(&typed.attrs).collect::<Vec<_>>());
                match &*typed.ty {
                    Type::Reference(reference) => {
                        let kind = &reference.elem;
                        owned.extend(quote_spanned!(kind.span()=>
                            #(#conditions)* let #name = #krate::__private::owned::<#kind>(#name);
                        ));
                        lent.push(quote!(#(#conditions)* #krate::__private::lent::<#kind>(&#name)));
                    }
                    _ => lent.push(quote!(#(#conditions)* #name)),
                }
            }
        }
    }
    Lent { owned, lent, receiver }
}

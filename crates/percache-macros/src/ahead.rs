//! What a memoized function with `refresh_after` does first: it returns what it finds, and sees to it that it is computed again in time.
//!
//! What is borrowed is made owned only when a result is found that is old enough; what is owned is at hand, because the body does not run.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, Pat, Type};

use crate::options::Options;
use crate::siblings::{Parts, body_call, names, self_token};

/// The way of a function with `refresh_after`: what is found is returned, and computed again if it is time for that.
pub fn early(options: &Options, parts: &Parts) -> TokenStream {
    let (function, prologue) = (parts.function, parts.prologue);
    let ahead = quote!(::percache::__private::Operation::refresh_ahead());
    let Lent { owned, lent, receiver } = lend(function);
    let later = body_call(options, function, &receiver, &ahead, &lent);
    let refresh = if function.sig.asyncness.is_some() {
        let given: Vec<_> = names(function).iter().map(|name| quote!(#name)).collect();
        let now = body_call(options, function, &self_token(function), &ahead, &given);
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
    quote! {
        {
            #prologue
            if let Some((__percache_value, __percache_ticket)) = ::percache::__private::peek(
                __percache_cache,
                __percache_function,
                __percache_path,
                &__percache_key,
                &__percache_keep,
            ) {
                if let Some(__percache_ticket) = __percache_ticket {
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

fn lend(function: &ItemFn) -> Lent {
    let (mut owned, mut lent, mut receiver) = (TokenStream::new(), Vec::new(), TokenStream::new());
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Receiver(given) => {
                let this = self_token(function);
                receiver = quote!(__percache_self);
                let is_lent = matches!(given.kind, syn::ReceiverKind::Reference(..));
                owned.extend(match is_lent {
                    true => quote_spanned!(given.span()=> let __percache_self = ::percache::__private::owned(#this);),
                    false => quote!(let __percache_self = #this;),
                });
            }
            FnArg::Typed(typed) => {
                let Pat::Ident(pattern) = &*typed.pat else { continue };
                let name = &pattern.ident;
                match &*typed.ty {
                    Type::Reference(reference) => {
                        let kind = &reference.elem;
                        owned.extend(
                            quote_spanned!(kind.span()=> let #name = ::percache::__private::owned::<#kind>(#name);),
                        );
                        lent.push(quote!(::percache::__private::lent::<#kind>(&#name)));
                    }
                    _ => lent.push(quote!(#name)),
                }
            }
        }
    }
    Lent { owned, lent, receiver }
}

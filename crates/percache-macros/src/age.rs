//! Reads ages: `250ms`, `90s`, `30m`, `12h`, `30d`, `2w`; a bare number is seconds. Or a constant expression of type `Duration`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitStr, Path};

/// An age, as written.
pub enum Age {
    /// Milliseconds.
    Text(u64),
    /// An expression of type `Duration`.
    Constant(Expr),
}

impl Parse for Age {
    fn parse(input: ParseStream) -> syn::Result<Age> {
        match input.parse::<Expr>()? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(Age::Text(milliseconds(&text)?)),
            Expr::Lit(literal) => Err(not_an_age(literal.span())),
            expression => Ok(Age::Constant(expression)),
        }
    }
}

impl Age {
    /// Returns the expression that makes the `Duration`.
    pub fn duration(&self, krate: &Path) -> TokenStream {
        match self {
            Age::Text(milliseconds) => quote!(::std::time::Duration::from_millis(#milliseconds)),
            // As a function pointer it may name generics and `Self`, but no argument: the rules of a function are made once.
            // The closure is not the user's, so clippy does not ask them to leave it out.
            Age::Constant(expression) => quote!(#krate::__private::duration(|| #expression)),
        }
    }
}

fn milliseconds(literal: &LitStr) -> syn::Result<u64> {
    let text = literal.value();
    let (number, unit) = match text.find(|char: char| !char.is_ascii_digit()) {
        Some(place) => text.split_at(place),
        None => (text.as_str(), "s"),
    };
    let lengths = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
    let length = lengths.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
    let milliseconds = length.zip(number.parse::<u64>().ok()).and_then(|(length, number)| number.checked_mul(length));
    milliseconds.ok_or_else(|| not_an_age(literal.span()))
}

fn not_an_age(span: proc_macro2::Span) -> syn::Error {
    syn::Error::new(
        span,
        "not an age; write for example \"250ms\", \"90s\", \"30m\", \"12h\", \"7d\" or \"2w\", or a constant `Duration`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<u64> {
        milliseconds(&LitStr::new(text, proc_macro2::Span::call_site())).ok()
    }

    #[test]
    fn all_units_are_read() {
        let ages = [("250ms", 250), ("90", 90_000), ("90s", 90_000), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, milliseconds) in ages {
            assert_eq!(read(text), Some(milliseconds), "{text}");
        }
        assert_eq!((read("1d"), read("1w")), (Some(86_400_000), Some(604_800_000)));
    }

    #[test]
    fn what_is_no_age_is_refused() {
        for text in ["", "s", "1.5s", "-1s", "1 s", "1y", "1msx", "99999999999999999999s", "99999999999999999w"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

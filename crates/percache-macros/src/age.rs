//! Reads ages: `90s`, `30m`, `12h`, `30d`, `2w`; a bare number is seconds.

use syn::LitStr;

/// The age in seconds.
pub fn seconds(literal: &LitStr) -> syn::Result<u64> {
    let text = literal.value();
    let (number, unit) = match text.strip_suffix(|last: char| last.is_ascii_alphabetic()) {
        Some(number) => (number, &text[number.len()..]),
        None => (text.as_str(), "s"),
    };
    let length = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];
    let length = length.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    let seconds = length.zip(number.parse::<u64>().ok()).and_then(|(length, number)| number.checked_mul(length));
    seconds.ok_or_else(|| {
        syn::Error::new(literal.span(), "not an age; write for example \"90s\", \"30m\", \"12h\", \"7d\" or \"2w\"")
    })
}

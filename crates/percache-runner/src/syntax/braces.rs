//! The expansion of `{a,b}` in patterns.
//!
//! Knows of escapes and classes only where they end: a brace or comma inside of them is no special character.

use crate::syntax::glob::{GlobError, MAX_ALTERNATIVES, class_end};

/// The patterns without braces that `text` stands for, in order. Escapes and classes are left as they are.
pub(crate) fn expand_braces(text: &str) -> Result<Vec<String>, GlobError> {
    let mut expanded = Vec::new();
    if text.bytes().filter(|&byte| byte == b'{').count() > MAX_ALTERNATIVES {
        return Err(GlobError::TooManyAlternatives);
    }
    expand_into(String::new(), text, &mut expanded)?;
    Ok(expanded)
}

fn expand_into(mut done: String, text: &str, expanded: &mut Vec<String>) -> Result<(), GlobError> {
    let Some(open) = find_special(text, |byte| byte == b'{' || byte == b'}') else {
        if expanded.len() == MAX_ALTERNATIVES {
            return Err(GlobError::TooManyAlternatives);
        }
        done.push_str(text);
        expanded.push(done);
        return Ok(());
    };
    if text.as_bytes()[open] == b'}' {
        return Err(GlobError::UnopenedBrace);
    }
    done.push_str(&text[..open]);
    let (alternatives, rest) = split_group(&text[open + 1..])?;
    for alternative in alternatives {
        expand_into(done.clone(), &format!("{alternative}{rest}"), expanded)?;
    }
    Ok(())
}

/// Splits what follows a `{` at the commas of its own level; also gives what follows its `}`.
fn split_group(text: &str) -> Result<(Vec<&str>, &str), GlobError> {
    let (mut parts, mut start, mut depth, mut at) = (Vec::new(), 0, 0usize, 0);
    while let Some(offset) = find_special(&text[at..], |byte| matches!(byte, b'{' | b'}' | b',')) {
        let found = at + offset;
        at = found + 1;
        match text.as_bytes()[found] {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' => {
                parts.push(&text[start..found]);
                return Ok((parts, &text[at..]));
            }
            _ if depth == 0 => {
                parts.push(&text[start..found]);
                start = at;
            }
            _ => {}
        }
    }
    Err(GlobError::UnclosedBrace)
}

/// The first byte that is `wanted` and neither escaped nor inside of a class.
fn find_special(text: &str, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        if wanted(byte) {
            return Some(at);
        }
        at += match byte {
            b'\\' => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            b'[' => class_end(&text[at + 1..]).map_or(1, |end| end + 2),
            _ => 1,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::glob::escape;

    #[test]
    fn braces_stand_for_several_patterns() {
        assert_eq!(expand_braces("a{b,c{d,e}}f").unwrap(), ["abf", "acdf", "acef"]);
        assert_eq!(expand_braces("x{,.y}").unwrap(), ["x", "x.y"]);
        assert_eq!(expand_braces("{src/a,lib}/*").unwrap(), ["src/a/*", "lib/*"]);
        assert_eq!(expand_braces(r"\{a,b\}[{]").unwrap(), [r"\{a,b\}[{]"]);
        assert_eq!(expand_braces(r"{a\,b,c}").unwrap(), [r"a\,b", "c"]);
        assert_eq!(expand_braces(&"{a,b}".repeat(10)), Err(GlobError::TooManyAlternatives));
        assert_eq!(expand_braces(&"{".repeat(100_000)), Err(GlobError::TooManyAlternatives));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(expand_braces("{a,b"), Err(GlobError::UnclosedBrace));
        assert_eq!(expand_braces("a}"), Err(GlobError::UnopenedBrace));
    }

    #[test]
    fn an_escaped_text_stands_for_itself() {
        let text = escape(r"!a{b},[c]*?\");
        assert_eq!(expand_braces(&text).unwrap(), [text]);
    }
}

//! Wildcards within one component of a path.
//!
//! percache parses wildcards itself because two questions are asked of the same parsed form: does it match this name, and can two
//! of them match one name. The second decides which task feeds which, and no glob crate answers it. The language is the one of
//! the crate `globset` with literal separators, and a property test in `pattern` holds the two against each other; but `?` and
//! `[…]` stand for a character and not for a byte.
//!
//! Knows nothing of directories and braces: `/` and `**` belong to `pattern`, `{a,b}` to `braces`.

use thiserror::Error;

/// What is wrong with a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// `[` without `]` in the same component.
    #[error("`[` is not closed; write `\\[` for the character itself")]
    UnclosedClass,
    /// A range whose end is before its start.
    #[error("the range `{0}-{1}` is empty")]
    EmptyRange(char, char),
    /// `{` without `}`.
    #[error("`{{` is not closed; write `\\{{` for the character itself")]
    UnclosedBrace,
    /// `}` without `{`.
    #[error("`}}` closes nothing; write `\\}}` for the character itself")]
    UnopenedBrace,
    /// A backslash with nothing behind it in the component.
    #[error("`\\` stands before nothing")]
    DanglingEscape,
    /// Braces that stand for too many patterns.
    #[error("the braces stand for more than {MAX_ALTERNATIVES} patterns")]
    TooManyAlternatives,
}

/// The largest number of patterns that one pattern with braces may stand for.
pub const MAX_ALTERNATIVES: usize = 1000;

/// A glob for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameGlob(Vec<Atom>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Char(char),
    AnyChar,
    Star,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Whether `text` is free of everything that has a meaning in a glob.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'}' | b'\\'))
}

/// A glob that matches `text` and nothing else, wherever in a pattern it is put.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',' | '!') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

impl NameGlob {
    /// Matches every name.
    pub(crate) fn any() -> Self {
        NameGlob(vec![Atom::Star])
    }

    /// Reads one component without braces.
    pub(crate) fn parse(text: &str) -> Result<Self, GlobError> {
        let mut atoms = Vec::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            atoms.push(match char {
                '*' if atoms.last() == Some(&Atom::Star) => continue,
                '*' => Atom::Star,
                '?' => Atom::AnyChar,
                '\\' => Atom::Char(chars.next().ok_or(GlobError::DanglingEscape)?),
                '[' => {
                    let body = chars.as_str();
                    let end = class_end(body).ok_or(GlobError::UnclosedClass)?;
                    chars = body[end + 1..].chars();
                    class(&body[..end])?
                }
                other => Atom::Char(other),
            });
        }
        Ok(NameGlob(atoms))
    }

    /// The only name that it matches, when it has no wildcard.
    pub(crate) fn literal(&self) -> Option<String> {
        self.0.iter().map(|atom| if let Atom::Char(char) = atom { Some(*char) } else { None }).collect()
    }

    /// Whether `name` matches. Goes back to the last `*` only: an earlier one could not do better.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let (mut at, mut rest) = (0, name);
        let mut retry: Option<(usize, &[u8])> = None;
        loop {
            match self.0.get(at) {
                None if rest.is_empty() => return true,
                None => {}
                Some(Atom::Star) => {
                    at += 1;
                    retry = Some((at, rest));
                    continue;
                }
                Some(_) if rest.is_empty() => return false,
                Some(atom) => {
                    let (char, tail) = first_char(rest);
                    if atom.accepts(char) {
                        (at, rest) = (at + 1, tail);
                        continue;
                    }
                }
            }
            match &mut retry {
                Some((start, from)) if !from.is_empty() => {
                    *from = first_char(from).1;
                    (at, rest) = (*start, *from);
                }
                _ => return false,
            }
        }
    }

    /// Whether some name matches both.
    pub(crate) fn meets(&self, other: &NameGlob) -> bool {
        let (ours, theirs) = (&self.0, &other.0);
        let width = theirs.len() + 1;
        let mut reached = vec![false; (ours.len() + 1) * width];
        reached[0] = true;
        for i in 0..=ours.len() {
            for j in 0..=theirs.len() {
                if !reached[i * width + j] {
                    continue;
                }
                let (a, b) = (ours.get(i), theirs.get(j));
                let (a_star, b_star) = (a == Some(&Atom::Star), b == Some(&Atom::Star));
                // A star ends, or takes one more character of the other side.
                if a.is_some() && (a_star || b_star) {
                    reached[(i + 1) * width + j] = true;
                }
                if b.is_some() && (a_star || b_star) {
                    reached[i * width + j + 1] = true;
                }
                if let (Some(a), Some(b)) = (a, b)
                    && a.meets(b)
                {
                    reached[(i + 1) * width + j + 1] = true;
                }
            }
        }
        reached[reached.len() - 1]
    }
}

impl Atom {
    /// Whether it stands for this character; `None` is a byte that belongs to no UTF-8 character.
    fn accepts(&self, char: Option<char>) -> bool {
        match self {
            Atom::Char(own) => char == Some(*own),
            Atom::AnyChar | Atom::Star => true,
            Atom::Class { negated, ranges } => {
                char.is_some_and(|char| ranges.iter().any(|&(from, to)| from <= char && char <= to)) != *negated
            }
        }
    }

    /// Whether some character is accepted by both; may say yes wrongly where a class is negated.
    fn meets(&self, other: &Atom) -> bool {
        match (self, other) {
            (Atom::Char(char), atom) | (atom, Atom::Char(char)) => atom.accepts(Some(*char)),
            (Atom::Class { negated: false, ranges: a }, Atom::Class { negated: false, ranges: b }) => {
                a.iter().any(|a| b.iter().any(|b| a.0 <= b.1 && b.0 <= a.1))
            }
            _ => true,
        }
    }
}

/// The first character of `text`, which is not empty, and the rest. A byte that is not UTF-8 stands for itself.
fn first_char(text: &[u8]) -> (Option<char>, &[u8]) {
    let width = match text[0] {
        0..0x80 => return (Some(char::from(text[0])), &text[1..]),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let char = text.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.chars().next());
    (char, &text[if char.is_some() { width } else { 1 }..])
}

/// Where the `]` stands that ends a class, given what follows its `[`. A `]` that comes first belongs to the class.
pub(crate) fn class_end(body: &str) -> Option<usize> {
    let first = usize::from(body.starts_with(['!', '^']));
    let search = first + usize::from(body[first..].starts_with(']'));
    Some(search + body[search..].find(']')?)
}

fn class(body: &str) -> Result<Atom, GlobError> {
    let members = body.strip_prefix(['!', '^']);
    let mut ranges = Vec::new();
    let mut chars = members.unwrap_or(body).chars();
    while let Some(from) = chars.next() {
        let to = match chars.as_str().strip_prefix('-').and_then(|rest| rest.chars().next()) {
            Some(to) => {
                chars.nth(1);
                to
            }
            None => from,
        };
        if to < from {
            return Err(GlobError::EmptyRange(from, to));
        }
        ranges.push((from, to));
    }
    Ok(Atom::Class { negated: members.is_some(), ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> NameGlob {
        NameGlob::parse(text).unwrap()
    }

    #[test]
    fn wildcards_match_names() {
        for (text, yes, no) in [
            ("*.c", &["a.c", ".c", "a.b.c"][..], &["a.cc", "c", ""][..]),
            ("*", &["a", ".hidden", ""], &[]),
            ("a?c", &["abc", "a.c", "aéc"], &["ac", "abbc"]),
            ("[a-cx]*", &["a", "b1", "x"], &["d", "", "-"]),
            ("[!a-c]", &["d", "é"], &["a", "b", ""]),
            ("[]a-]", &["]", "a", "-"], &["b"]),
            ("*ab*ab", &["abab", "xabyab", "ababab"], &["ab", "aba"]),
            (r"\*\[", &["*["], &["a["]),
        ] {
            for name in yes {
                assert!(glob(text).matches(name.as_bytes()), "{text} {name}");
            }
            for name in no {
                assert!(!glob(text).matches(name.as_bytes()), "{text} {name}");
            }
        }
        assert!(glob("a?b").matches(b"a\xffb"), "a byte that is not UTF-8 counts as a character");
    }

    #[test]
    fn two_globs_meet_when_a_name_matches_both() {
        let meets = |a: &str, b: &str| {
            assert_eq!(glob(a).meets(&glob(b)), glob(b).meets(&glob(a)));
            glob(a).meets(&glob(b))
        };
        assert!(meets("*.c", "a*"));
        assert!(meets("*a*", "*b*"));
        assert!(meets("[a-c].o", "[c-e].o"));
        assert!(meets("*", "*"));
        assert!(!meets("*.c", "*.h"));
        assert!(!meets("a*", "b*"));
        assert!(!meets("[a-c].o", "[d-e].o"));
        assert!(!meets("?", "??"));
        assert!(NameGlob::any().meets(&glob("x")));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(NameGlob::parse("[a"), Err(GlobError::UnclosedClass));
        assert_eq!(NameGlob::parse("[z-a]"), Err(GlobError::EmptyRange('z', 'a')));
        assert_eq!(NameGlob::parse("a\\"), Err(GlobError::DanglingEscape));
    }

    #[test]
    fn an_escaped_text_matches_itself() {
        let text = r"!a{b},[c]*?\";
        assert_eq!(glob(&escape(text)).literal().as_deref(), Some(text));
    }
}

//! From the text of a pattern to its parsed form, and what can be wrong with it.

use thiserror::Error;

use super::{Pattern, Segment};
use crate::model::path::{PathError, RelPath};
use crate::syntax::braces::expand_braces;
use crate::syntax::glob::{GlobError, NameGlob, is_plain};

/// A mistake in one of several patterns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pattern `{pattern}`: {kind}")]
pub struct PatternError {
    /// Which of the patterns, from 0.
    pub index: usize,
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong.
    pub kind: PatternErrorKind,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternErrorKind {
    /// Nothing is left of it.
    #[error("the pattern is empty")]
    Empty,
    /// It does not stay in the workspace.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `..` where the directory it leaves is not known.
    #[error("`..` cannot stand behind a wildcard")]
    ParentBehindWildcard,
    /// A mistake in a wildcard.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

impl PatternErrorKind {
    /// What to do about it, if the message does not say so.
    pub fn hint(&self) -> Option<String> {
        match self {
            PatternErrorKind::Empty => Some("`.` is everything in the directory".to_owned()),
            PatternErrorKind::Path(error) => Some(error.hint()),
            PatternErrorKind::ParentBehindWildcard => Some("write the directories without `..`".to_owned()),
            PatternErrorKind::Glob(GlobError::EmptyRange(first, last)) => Some(format!("write `{last}-{first}`")),
            PatternErrorKind::Glob(GlobError::DanglingEscape) => {
                Some("directories are separated by `/`; `\\\\` is the character itself".to_owned())
            }
            PatternErrorKind::Glob(GlobError::TooManyAlternatives) => {
                Some("use a wildcard instead of braces".to_owned())
            }
            // These say what to write.
            PatternErrorKind::Glob(_) => None,
        }
    }
}

/// Appends what `written` stands for: one pattern, or several when it has braces.
pub(super) fn parse_written(
    base: &RelPath,
    index: usize,
    written: &str,
    set: &mut Vec<Pattern>,
) -> Result<(), PatternErrorKind> {
    let (negated, text) = written.strip_prefix('!').map_or((false, written), |text| (true, text));
    if is_plain(text) {
        set.push(parse_one(base, index, negated, text)?);
        return Ok(());
    }
    for text in expand_braces(text)? {
        set.push(parse_one(base, index, negated, &text)?);
    }
    Ok(())
}

fn parse_one(base: &RelPath, index: usize, negated: bool, text: &str) -> Result<Pattern, PatternErrorKind> {
    if text.is_empty() {
        return Err(PatternErrorKind::Empty);
    }
    let directory = matches!(text.rsplit('/').next(), Some("" | "." | ".." | "**"));
    if is_plain(text) {
        let prefix = base.join(text)?;
        return Ok(Pattern { negated, index, directory, prefix, rest: Vec::new(), rest_text: String::new() });
    }
    if text.starts_with('/') {
        return Err(PathError::Absolute.into());
    }
    let (mut prefix, mut rest, mut rest_parts) = (String::new(), Vec::new(), Vec::new());
    for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let segment = match part {
            ".." if rest.is_empty() => {
                prefix.push_str("../");
                continue;
            }
            ".." => return Err(PatternErrorKind::ParentBehindWildcard),
            "**" if rest.last() == Some(&Segment::Deep) => continue,
            "**" => Segment::Deep,
            _ => Segment::Name(NameGlob::parse(part)?),
        };
        if rest.is_empty()
            && let Segment::Name(glob) = &segment
            && let Some(name) = glob.literal()
        {
            prefix.push_str(&name);
            prefix.push('/');
            continue;
        }
        rest.push(segment);
        rest_parts.push(part);
    }
    close(&mut rest);
    let prefix = base.join(prefix)?;
    // `\.` is the root, too.
    let directory = directory || prefix.is_root() && rest.is_empty();
    Ok(Pattern { negated, index, directory, prefix, rest, rest_text: rest_parts.join("/") })
}

/// `src/**` is what lies below `src`, without `src` itself: one name, and everything below it as always.
fn close(rest: &mut [Segment]) {
    if let Some(last) = rest.last_mut().filter(|last| **last == Segment::Deep) {
        *last = Segment::Name(NameGlob::any());
    }
}

/// The components of [`Pattern::rest`] as written there.
pub(super) fn parse_rest(text: &str) -> Result<Vec<Segment>, GlobError> {
    let segment = |part| if part == "**" { Ok(Segment::Deep) } else { NameGlob::parse(part).map(Segment::Name) };
    let mut rest = text.split('/').filter(|part| !part.is_empty()).map(segment).collect::<Result<Vec<_>, _>>()?;
    close(&mut rest);
    Ok(rest)
}

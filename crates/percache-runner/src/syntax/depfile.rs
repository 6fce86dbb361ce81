//! Make-style depfiles, as gcc, clang, rustc and wrappers of cl write them: which files a command read.
//!
//! The escapes are those of GNU make as compilers use them: `\ ` is a space, with backslashes right before it doubled (gcc,
//! libcpp/mkdeps.cc); `\#` and `\:` are the character; `$$` is a dollar sign; any other backslash stands for itself, so Windows
//! paths pass. A colon ends the targets only before white space, so drive letters pass. A line that begins with `#` is a
//! comment (rustc).
//!
//! Knows nothing of the file system: names are given as written.

use std::collections::HashSet;

use thiserror::Error;

/// A depfile that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {kind}")]
pub struct DepfileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub kind: DepfileErrorKind,
}

/// What is wrong with a depfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DepfileErrorKind {
    /// A rule that ends before its colon.
    #[error("the rule has no `:` before white space")]
    NoColon,
    /// Not a text: what an interrupted write may leave.
    #[error("there is a NUL byte")]
    Nul,
}

/// The prerequisites of all rules, in order, each once. Targets are left out; so a rule without prerequisites, as `-MP` writes them,
/// gives nothing.
///
/// # Errors
/// A rule without a colon, or a NUL byte.
pub fn parse(text: &[u8]) -> Result<Vec<Vec<u8>>, DepfileError> {
    if let Some(nul) = memchr::memchr(0, text) {
        let line = 1 + memchr::memchr_iter(b'\n', &text[..nul]).count();
        return Err(DepfileError { line, kind: DepfileErrorKind::Nul });
    }
    let mut lexer = Lexer { rest: text, line: 1 };
    let (mut prerequisites, mut seen) = (Vec::new(), HashSet::new());
    let (mut in_targets, mut rule_begun) = (true, false);
    loop {
        let line = lexer.line;
        match lexer.next(in_targets, !rule_begun) {
            Token::Name(_) if in_targets => {}
            Token::Name(name) => {
                if seen.insert(name.clone()) {
                    prerequisites.push(name);
                }
            }
            Token::Colon => in_targets = false,
            Token::Newline | Token::End if in_targets && rule_begun => {
                return Err(DepfileError { line, kind: DepfileErrorKind::NoColon });
            }
            Token::Newline => {
                (in_targets, rule_begun) = (true, false);
                continue;
            }
            Token::End => return Ok(prerequisites),
        }
        rule_begun = true;
    }
}

enum Token {
    Name(Vec<u8>),
    Colon,
    Newline,
    End,
}

struct Lexer<'a> {
    rest: &'a [u8],
    line: usize,
}

impl Lexer<'_> {
    /// The next token. `in_targets`: a colon before white space ends a name. `at_start`: a `#` begins a comment.
    fn next(&mut self, in_targets: bool, at_start: bool) -> Token {
        loop {
            match self.rest {
                [] => return Token::End,
                [b'\n', ..] => {
                    self.skip(1);
                    self.line += 1;
                    return Token::Newline;
                }
                [b'\\', b'\n', ..] => self.skip_continuation(2),
                [b'\\', b'\r', b'\n', ..] => self.skip_continuation(3),
                [b'\\'] => self.skip(1),
                [b' ' | b'\t' | b'\r', ..] => self.skip(1),
                [b'#', ..] if at_start => self.skip(memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len())),
                [b':', after @ ..] if in_targets && ends_name(after) => {
                    self.skip(1);
                    return Token::Colon;
                }
                _ => return Token::Name(self.name(in_targets)),
            }
        }
    }

    fn name(&mut self, in_targets: bool) -> Vec<u8> {
        let mut name = Vec::new();
        loop {
            match self.rest {
                [] | [b' ' | b'\t' | b'\n', ..] | [b'\r', b'\n', ..] | [b'\r'] => return name,
                [b':', after @ ..] if in_targets && ends_name(after) => return name,
                [b'$', b'$', ..] => self.skip(1),
                [b'\\', ..] => {
                    if !self.backslashes(&mut name) {
                        return name;
                    }
                    continue;
                }
                _ => {}
            }
            name.push(self.rest[0]);
            self.skip(1);
        }
    }

    /// Reads a run of backslashes and what they escape; whether the name goes on.
    fn backslashes(&mut self, name: &mut Vec<u8>) -> bool {
        let run = self.rest.iter().take_while(|&&byte| byte == b'\\').count();
        match &self.rest[run..] {
            [b' ' | b'\t', ..] => {
                name.extend(std::iter::repeat_n(b'\\', run / 2));
                if run % 2 == 0 {
                    self.skip(run);
                    return false;
                }
                name.push(self.rest[run]);
                self.skip(run + 1);
            }
            [b'#', ..] => self.unescape(name, run),
            [b':', after @ ..] if !ends_name(after) && run == 1 && !name.is_empty() => self.unescape(name, run),
            // The last one continues the line, or ends the file: the caller skips it.
            [] | [b'\n', ..] | [b'\r', b'\n', ..] => {
                name.extend(std::iter::repeat_n(b'\\', run - 1));
                self.skip(run - 1);
                return false;
            }
            _ => {
                name.extend(std::iter::repeat_n(b'\\', run));
                self.skip(run);
            }
        }
        true
    }

    /// A run of backslashes whose last one escapes the byte behind it.
    fn unescape(&mut self, name: &mut Vec<u8>, run: usize) {
        name.extend(std::iter::repeat_n(b'\\', run - 1));
        name.push(self.rest[run]);
        self.skip(run + 1);
    }

    fn skip(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    fn skip_continuation(&mut self, count: usize) {
        self.skip(count);
        self.line += 1;
    }
}

/// Whether a colon with this behind it ends the targets.
fn ends_name(after: &[u8]) -> bool {
    matches!(after, [] | [b' ' | b'\t' | b'\r' | b'\n', ..] | [b'\\', b'\n', ..] | [b'\\', b'\r', b'\n', ..])
}

#[cfg(test)]
mod tests;

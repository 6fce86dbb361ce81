//! Reads a shell command character by character and knows in which part of the grammar the next one stands.
//!
//! Follows POSIX (Shell Command Language) and what bash adds to it. Where shells differ, or where the text alone does
//! not tell how it is read, the scanner says so from there on ([`Place::Unsafe`]) instead of guessing. Does not know
//! how values are quoted.

use super::list::{List, Opened};

/// Where the next character stands, as far as quoting is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a word outside of quotes.
    Word,
    /// In double quotes.
    Double,
    /// In single quotes.
    Single,
    /// In a comment.
    Comment,
    /// In a here-document, on a line that begins like this.
    HereDocument { delimiter: String, line: String, expands: bool },
    /// Where only harmless values can stand.
    Unsafe(Unsafe),
}

/// Why a value cannot be quoted in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Unsafe {
    Backquotes,
    Parameter,
    Arithmetic,
    AnsiQuotes,
    Delimiter,
    DelimiterLine,
    /// An argument of `eval` and its like.
    Evaluated,
    /// The script that is given to another shell by `-c`.
    Script,
    /// Behind something that shells read differently.
    Unclear,
}

/// A construct that has begun and not ended.
#[derive(Debug)]
enum Frame {
    List(List),
    Single,
    Double,
    /// `$'…'`
    Ansi,
    Backquotes,
    /// `${…}`, inside of double quotes or not.
    Parameter {
        double: bool,
        begun: bool,
    },
    /// `$((…))` with the number of parentheses that are open.
    Arithmetic(usize),
    /// The word behind `<<`.
    Delimiter(Delimiter),
    HereDocument {
        delimiter: Delimiter,
        line: String,
    },
}

/// The end of a here-document.
#[derive(Clone, Debug, Default)]
pub(super) struct Delimiter {
    text: String,
    strips_tabs: bool,
    quoted: bool,
    quote: Option<char>,
}

impl Frame {
    /// Why nothing inside of it can be quoted.
    fn is_unsafe(&self) -> Option<Unsafe> {
        match self {
            Frame::Backquotes => Some(Unsafe::Backquotes),
            Frame::Parameter { .. } => Some(Unsafe::Parameter),
            Frame::Arithmetic(_) => Some(Unsafe::Arithmetic),
            Frame::Ansi => Some(Unsafe::AnsiQuotes),
            Frame::Delimiter(_) => Some(Unsafe::Delimiter),
            Frame::List(list) => match list.place(Place::Word) {
                Place::Unsafe(reason) => Some(reason),
                _ => None,
            },
            Frame::Single | Frame::Double | Frame::HereDocument { .. } => None,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The first one is the list of commands that the text as a whole is.
    frames: Vec<Frame>,
    /// The last character was a backslash that escapes the next one.
    escaped: bool,
    /// The last character was a `$` that may begin an expansion.
    dollar: bool,
    /// So far, the text has only words and quotes.
    plain: bool,
    unclear: bool,
}

impl Scanner {
    pub fn new() -> Self {
        let frames = vec![Frame::List(List::outermost())];
        Scanner { frames, escaped: false, dollar: false, plain: true, unclear: false }
    }

    /// Whether the text so far has only words and quotes, so that there can be no doubt about the place.
    pub fn is_plain(&self) -> bool {
        self.plain && !self.unclear && self.frames.len() <= 2
    }

    /// Whether the last character was a backslash that escapes the next one. It does not any more.
    pub fn take_escape(&mut self) -> bool {
        std::mem::take(&mut self.escaped)
    }

    /// Where the next character stands.
    pub fn place(&self) -> Place {
        if let Some(reason) = self.frames.iter().find_map(Frame::is_unsafe) {
            return Place::Unsafe(reason);
        }
        if self.unclear {
            return Place::Unsafe(Unsafe::Unclear);
        }
        match &self.frames[..] {
            [.., Frame::HereDocument { delimiter, line }] => {
                let line = if delimiter.strips_tabs { line.trim_start_matches('\t') } else { line };
                let (delimiter, expands) = (delimiter.text.clone(), !delimiter.quoted);
                Place::HereDocument { delimiter, line: line.to_owned(), expands }
            }
            [.., Frame::List(list)] => list.place(Place::Word),
            [.., Frame::List(list), Frame::Single] => list.place(Place::Single),
            [.., Frame::List(list), Frame::Double] => list.place(Place::Double),
            _ => Place::Double,
        }
    }

    /// Has a value put into the text that ends nothing and begins nothing: `text` is what the shell sees in its place.
    pub fn pass_value(&mut self, text: &str, quoted: bool) {
        self.escaped = false;
        self.dollar = false;
        match self.frames.last_mut() {
            Some(Frame::List(list)) => list.add_value(text, quoted),
            Some(Frame::HereDocument { line, .. }) => line.push_str(text),
            _ => {}
        }
    }

    /// Reads on.
    pub fn step(&mut self, char: char) {
        if std::mem::take(&mut self.escaped) {
            return self.step_escaped(char);
        }
        let dollar = std::mem::take(&mut self.dollar);
        match self.frames.last_mut() {
            Some(Frame::Single) if char == '\'' => self.close(),
            Some(Frame::Single) | None => {}
            Some(Frame::Ansi) => match char {
                '\\' => self.escaped = true,
                '\'' => self.close(),
                _ => {}
            },
            Some(Frame::Backquotes) => match char {
                '\\' => self.escaped = true,
                '`' => self.close(),
                _ => {}
            },
            Some(Frame::Double) if char == '"' => self.close(),
            Some(Frame::Double) => self.step_expanding(char, dollar),
            Some(Frame::Parameter { double, begun }) => {
                let (double, first) = (*double, !std::mem::replace(begun, true));
                self.step_parameter(char, dollar, double, first);
            }
            Some(Frame::Arithmetic(_)) => self.step_arithmetic(char, dollar),
            Some(Frame::Delimiter(_)) => self.step_delimiter(char),
            Some(Frame::HereDocument { .. }) => self.step_document(char, dollar),
            Some(Frame::List(_)) => self.step_list(char, dollar),
        }
    }

    fn step_escaped(&mut self, char: char) {
        match self.frames.last_mut() {
            // `$'\''` ends here for one shell, and later for another.
            Some(Frame::Ansi) => self.unclear |= char == '\'',
            Some(Frame::List(list)) => match char {
                // The line goes on, maybe in the middle of an operator.
                '\n' => self.unclear |= list.is_in_operator(),
                _ => list.add_quoted(char),
            },
            // Lines that are joined may be the delimiter, or not.
            Some(Frame::HereDocument { line, .. }) => {
                self.unclear |= char == '\n';
                line.extend(['\\', char]);
            }
            _ => {}
        }
    }

    /// What begins an expansion in double quotes, and wherever else text is expanded.
    fn step_expanding(&mut self, char: char, dollar: bool) {
        match char {
            '\\' => self.escaped = true,
            '$' => self.dollar = !dollar,
            '`' => self.open(Frame::Backquotes),
            '(' if dollar => self.open(Frame::List(List::substitution())),
            '{' if dollar => self.open_parameter(),
            _ => {}
        }
    }

    fn step_parameter(&mut self, char: char, dollar: bool, double: bool, first: bool) {
        let name = char.is_ascii_alphanumeric() || char == '_';
        self.plain &= name || char == '}';
        // `${ command; }` of newer shells.
        self.unclear |= first && (char.is_whitespace() || char == '|');
        match char {
            '}' => self.close(),
            // It quotes or it does not, which depends on what stands before it and on the shell.
            '\'' if double => self.unclear = true,
            '\'' => self.open(if dollar { Frame::Ansi } else { Frame::Single }),
            '"' => {
                self.unclear |= double;
                self.open(Frame::Double);
            }
            _ => self.step_expanding(char, dollar),
        }
    }

    fn step_arithmetic(&mut self, char: char, dollar: bool) {
        let Some(Frame::Arithmetic(depth)) = self.frames.last_mut() else { return };
        match char {
            '(' if !dollar && *depth > 1 => *depth += 1,
            ')' => {
                *depth -= 1;
                if *depth == 0 {
                    self.close();
                }
            }
            // With one parenthesis closed, this was a command and no arithmetic.
            _ if *depth < 2 => self.unclear = true,
            '\'' | '"' | '#' => self.unclear = true,
            _ => self.step_expanding(char, dollar),
        }
    }

    fn step_delimiter(&mut self, char: char) {
        let Some(Frame::Delimiter(delimiter)) = self.frames.last_mut() else { return };
        match (delimiter.quote, char) {
            (Some(quote), _) if quote == char => delimiter.quote = None,
            (Some(_), '\n') => self.unclear = true,
            (Some('"'), '\\' | '$' | '`') | (None, '$' | '`' | '(' | '{') => self.unclear = true,
            (Some(_), _) => delimiter.text.push(char),
            (None, '\'' | '"') => (delimiter.quote, delimiter.quoted) = (Some(char), true),
            (None, '\\') => {
                // What it escapes is not looked at any closer.
                (self.unclear, delimiter.quoted) = (true, true);
            }
            (None, ' ' | '\t') if delimiter.text.is_empty() && !delimiter.quoted => {}
            (None, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | ')') => self.end_delimiter(char),
            (None, _) => delimiter.text.push(char),
        }
    }

    fn end_delimiter(&mut self, next: char) {
        let Some(Frame::Delimiter(delimiter)) = self.frames.pop() else { return };
        self.unclear |= delimiter.text.is_empty();
        if let Some(Frame::List(list)) = self.frames.last_mut() {
            list.documents.push(delimiter);
        }
        self.step(next);
    }

    fn step_document(&mut self, char: char, dollar: bool) {
        let Some(Frame::HereDocument { delimiter, line }) = self.frames.last_mut() else { return };
        if char == '\n' {
            let stripped = if delimiter.strips_tabs { line.trim_start_matches('\t') } else { &line[..] };
            if stripped == delimiter.text {
                self.frames.pop();
            } else {
                line.clear();
            }
        } else if delimiter.quoted {
            line.push(char);
        } else {
            line.push(char);
            self.step_expanding(char, dollar);
        }
    }

    fn step_list(&mut self, char: char, dollar: bool) {
        let Some(Frame::List(list)) = self.frames.last_mut() else { return };
        let opened = list.step(char, dollar);
        self.plain &= list.is_plain();
        self.unclear |= list.is_unclear();
        match opened {
            Opened::Nothing => {}
            Opened::Escape => self.escaped = true,
            Opened::Dollar => self.dollar = true,
            Opened::Single if dollar => self.open(Frame::Ansi),
            Opened::Single => self.frames.push(Frame::Single),
            Opened::Double => self.frames.push(Frame::Double),
            Opened::Backquotes => self.open(Frame::Backquotes),
            Opened::Parameter => self.open_parameter(),
            Opened::Substitution => self.open(Frame::List(List::substitution())),
            Opened::Subshell => self.open(Frame::List(List::subshell())),
            Opened::Arithmetic => {
                self.frames.pop();
                self.open(Frame::Arithmetic(2));
            }
            Opened::Delimiter => {
                let delimiter = Delimiter { strips_tabs: char == '-', ..Delimiter::default() };
                self.open(Frame::Delimiter(delimiter));
                if char != '-' {
                    self.step(char);
                }
            }
            Opened::Documents(documents) => {
                let documents = documents.into_iter().rev();
                let frames = documents.map(|delimiter| Frame::HereDocument { delimiter, line: String::new() });
                self.frames.extend(frames);
            }
            Opened::End { subshell } => {
                self.frames.pop();
                if let Some(Frame::List(list)) = self.frames.last_mut()
                    && subshell
                {
                    list.end_of_subshell();
                }
            }
        }
        // Shells look for the end of a document before they look for what is in it, or after.
        let document = self.frames.iter().any(|frame| matches!(frame, Frame::HereDocument { .. }));
        self.unclear |= char == '\n' && document && !matches!(self.frames.last(), Some(Frame::HereDocument { .. }));
    }

    fn open_parameter(&mut self) {
        let double = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::List(_) => Some(false),
            Frame::Double | Frame::HereDocument { .. } | Frame::Arithmetic(_) => Some(true),
            _ => None,
        });
        // Whether `${NAME}` is all of it turns out later.
        self.frames.push(Frame::Parameter { double: double.unwrap_or(false), begun: false });
    }

    fn open(&mut self, frame: Frame) {
        self.plain = false;
        self.frames.push(frame);
    }

    fn close(&mut self) {
        self.frames.pop();
    }
}

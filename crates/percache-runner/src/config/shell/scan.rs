//! Reads a shell command character by character and tracks the place of the next one in the grammar.
//!
//! Follows POSIX (Shell Command Language) and the additions of bash. Where shells differ, or where the text alone does
//! not determine how it is parsed, everything from there on is [`Place::Unsafe`] instead of a guess. Does not know how
//! values are quoted.

use super::list::{List, Opened};

/// The place of the next character, as far as quoting is concerned.
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
    /// In a place where only harmless values are allowed.
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
    /// An argument of `eval` or a similar command.
    Evaluated,
    /// A script that is passed to another shell by `-c`.
    Script,
    /// After something that shells parse differently.
    Unclear,
}

/// An unfinished construct.
#[derive(Debug)]
enum Frame {
    List(List),
    Single,
    Double,
    /// `$'…'`
    Ansi,
    Backquotes,
    /// `${…}`, inside double quotes or not.
    Parameter {
        double: bool,
        begun: bool,
    },
    /// `$((…))` with the number of open parentheses.
    Arithmetic(usize),
    /// The word after `<<`.
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
    /// Returns why nothing inside it can be quoted.
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

/// The state of the scanner.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The open constructs; the first is the list of commands that the whole text is.
    frames: Vec<Frame>,
    /// The last character was a backslash that escapes the next one.
    escaped: bool,
    /// The last character was a `$` that may begin an expansion.
    dollar: bool,
    /// The text so far has only words and quotes.
    plain: bool,
    unclear: bool,
}

impl Scanner {
    pub fn new() -> Self {
        let frames = vec![Frame::List(List::outermost())];
        Scanner { frames, escaped: false, dollar: false, plain: true, unclear: false }
    }

    /// Returns whether the text so far has only words and quotes, so that the place is certain.
    pub fn is_plain(&self) -> bool {
        self.plain && !self.unclear && self.frames.len() <= 2
    }

    /// Returns whether the last character was a backslash that escapes the next one, and cancels the escape.
    pub fn take_escape(&mut self) -> bool {
        std::mem::take(&mut self.escaped)
    }

    /// Returns the place of the next character.
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

    /// Skips a value that ends nothing and begins nothing; `text` is what the shell sees in its place.
    pub fn pass_value(&mut self, text: &str, quoted: bool) {
        self.escaped = false;
        self.dollar = false;
        match self.frames.last_mut() {
            Some(Frame::List(list)) => list.add_value(text, quoted),
            Some(Frame::HereDocument { line, .. }) => line.push_str(text),
            _ => {}
        }
    }

    /// Reads the next character.
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
            // `$'\''` ends here in one shell, and later in another.
            Some(Frame::Ansi) => self.unclear |= char == '\'',
            Some(Frame::List(list)) => match char {
                // The line continues, perhaps in the middle of an operator.
                '\n' => self.unclear |= list.is_in_operator(),
                _ => list.add_quoted(char),
            },
            // Joined lines may be the delimiter, or not.
            Some(Frame::HereDocument { line, .. }) => {
                self.unclear |= char == '\n';
                line.extend(['\\', char]);
            }
            _ => {}
        }
    }

    /// Reads a character in double quotes, or wherever else text is expanded, and opens expansions.
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
            // Whether it quotes depends on what precedes it and on the shell.
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
            // After the first closing parenthesis, anything but the second means that this was a command and not
            // arithmetic.
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
                // The escaped character is not examined.
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
        // Shells look for the end of a document before they look at its content, or at what follows.
        let document = self.frames.iter().any(|frame| matches!(frame, Frame::HereDocument { .. }));
        self.unclear |= char == '\n' && document && !matches!(self.frames.last(), Some(Frame::HereDocument { .. }));
    }

    fn open_parameter(&mut self) {
        let double = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::List(_) => Some(false),
            Frame::Double | Frame::HereDocument { .. } | Frame::Arithmetic(_) => Some(true),
            _ => None,
        });
        // Whether it is a mere `${NAME}` turns out later.
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

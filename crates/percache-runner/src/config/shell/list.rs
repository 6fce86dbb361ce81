//! A parser of shell command lists, limited to where a list ends and what its words are for.

use super::scan::{Delimiter, Place, Unsafe};
use super::words::{Takes, is_function_name, is_name, is_reserved, is_shell};

/// What a character in a list begins or ends.
#[derive(Debug)]
pub(super) enum Opened {
    Nothing,
    Escape,
    Dollar,
    Single,
    Double,
    Backquotes,
    Parameter,
    /// `$(`
    Substitution,
    /// `(`
    Subshell,
    /// `$((`, whose first half is this list.
    Arithmetic,
    /// `<<` and one more character.
    Delimiter,
    /// The end of the line after which these here-documents begin.
    Documents(Vec<Delimiter>),
    /// The `)` of the list itself.
    End {
        subshell: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Outermost,
    Substitution,
    Subshell,
}

/// The part of a `case` that the parser is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Word,
    In,
    Pattern,
    Commands,
}

/// Whether a word is the script of another shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Script {
    #[default]
    No,
    /// A shell was named.
    Shell,
    /// The next word that is not an option is the script.
    Next,
}

/// The state of the parser.
#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    /// Nothing of the list was read yet.
    fresh: bool,
    word: Option<Word>,
    /// The next word is a reserved word or the name of a command.
    is_first: bool,
    /// The next word is the target of a redirection.
    redirects: bool,
    comment: bool,
    previous: Option<char>,
    less: usize,
    cases: Vec<Case>,
    /// In `[[ … ]]`.
    conditional: bool,
    takes: Takes,
    behind_v: bool,
    script: Script,
    plain: bool,
    unclear: bool,
    /// Here-documents that begin on the next line.
    pub documents: Vec<Delimiter>,
}

/// An unfinished word.
#[derive(Debug, Default)]
struct Word {
    /// Its text without quotes, as far as it is known.
    text: String,
    quoted: bool,
}

impl List {
    pub fn outermost() -> List {
        List::new(Kind::Outermost)
    }

    pub fn substitution() -> List {
        List::new(Kind::Substitution)
    }

    pub fn subshell() -> List {
        List::new(Kind::Subshell)
    }

    fn new(kind: Kind) -> List {
        List {
            kind,
            fresh: true,
            word: None,
            is_first: true,
            redirects: false,
            comment: false,
            previous: None,
            less: 0,
            cases: Vec::new(),
            conditional: false,
            takes: Takes::Data,
            behind_v: false,
            script: Script::No,
            plain: true,
            unclear: false,
            documents: Vec::new(),
        }
    }

    /// Returns whether there were only words, operators and quotes.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Returns whether there was something that shells parse differently.
    pub fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Returns whether the next character may continue an operator.
    pub fn is_in_operator(&self) -> bool {
        self.word.is_none() && self.previous.is_some_and(|char| "<>&|;($".contains(char))
    }

    /// Returns the place of the next character; `quotes` is the kind of quotes around it.
    pub fn place(&self, quotes: Place) -> Place {
        if self.comment {
            return Place::Comment;
        }
        let text = self.word.as_ref().map_or("", |word| &word.text);
        let assigns = text.split_once('=').is_some_and(|(name, _)| is_name(name));
        let subscript = text.split_once('[').is_some_and(|(name, _)| is_name(name));
        let evaluated = match self.takes {
            Takes::Data => false,
            Takes::Code => true,
            Takes::Names => !assigns,
            Takes::NameBehindV => self.behind_v,
        };
        match () {
            () if self.less == 2 => Place::Unsafe(Unsafe::Delimiter),
            () if self.script == Script::Next => Place::Unsafe(Unsafe::Script),
            () if evaluated || self.conditional || subscript => Place::Unsafe(Unsafe::Evaluated),
            () => quotes,
        }
    }

    /// Appends a value to the current word.
    pub fn add_value(&mut self, text: &str, quoted: bool) {
        self.fresh = false;
        self.less = 0;
        self.previous = None;
        if !self.comment {
            let word = self.word.get_or_insert_default();
            word.text.push_str(text);
            word.quoted |= quoted;
        }
    }

    /// Appends a character that was quoted by a backslash.
    pub fn add_quoted(&mut self, char: char) {
        self.add_value(char.encode_utf8(&mut [0; 4]), true);
    }

    /// Continues after a subshell in this list.
    pub fn end_of_subshell(&mut self) {
        self.is_first = true;
    }

    /// Reads the next character; `dollar` says whether a `$` precedes it.
    pub fn step(&mut self, char: char, dollar: bool) -> Opened {
        if self.comment && char != '\n' {
            return Opened::Nothing;
        }
        self.comment = false;
        let fresh = std::mem::take(&mut self.fresh);
        let previous = self.previous.replace(char);
        if char == '<' {
            if self.less == 0 {
                self.end_word_before_redirection();
            }
            (self.less, self.redirects) = (self.less + 1, true);
            return Opened::Nothing;
        }
        if std::mem::take(&mut self.less) == 2 {
            self.redirects = false;
            return Opened::Delimiter;
        }
        match char {
            '\\' => Opened::Escape,
            '$' => {
                self.word.get_or_insert_default().quoted = true;
                if dollar { Opened::Nothing } else { Opened::Dollar }
            }
            '\'' | '"' | '`' => {
                self.word.get_or_insert_default().quoted = true;
                match char {
                    '\'' => Opened::Single,
                    '"' => Opened::Double,
                    _ => Opened::Backquotes,
                }
            }
            '{' if dollar => Opened::Parameter,
            '(' if dollar => Opened::Substitution,
            '(' if fresh && self.kind == Kind::Substitution => Opened::Arithmetic,
            '(' => self.open_parenthesis(fresh, previous),
            ')' => self.close_parenthesis(),
            '#' if self.word.is_none() => {
                (self.comment, self.plain) = (true, false);
                Opened::Nothing
            }
            ' ' | '\t' => {
                self.end_word();
                Opened::Nothing
            }
            '>' => {
                self.end_word_before_redirection();
                self.redirects = true;
                Opened::Nothing
            }
            '\n' | ';' | '&' | '|' => self.end_command(char, previous),
            _ => {
                self.word.get_or_insert_default().text.push(char);
                Opened::Nothing
            }
        }
    }

    fn open_parenthesis(&mut self, fresh: bool, previous: Option<char>) -> Opened {
        // `((` is arithmetic in some shells, and two subshells in others.
        self.unclear |= fresh && self.kind == Kind::Subshell || previous == Some('(');
        let redirects = self.redirects && self.word.is_none();
        let optional = self.cases.last() == Some(&Case::Pattern) && self.word.is_none();
        // `a=(…)` and `@(…)` of bash.
        self.unclear |= self.word.as_ref().is_some_and(|word| word.quoted || !is_function_name(&word.text));
        self.plain = false;
        self.end_word();
        if optional {
            return Opened::Nothing;
        }
        self.end_simple();
        // `<(…)`
        self.redirects = redirects;
        Opened::Subshell
    }

    fn close_parenthesis(&mut self) -> Opened {
        self.end_word();
        self.end_simple();
        match self.cases.last_mut() {
            Some(case @ Case::Pattern) => {
                *case = Case::Commands;
                Opened::Nothing
            }
            _ if self.kind == Kind::Outermost => Opened::Nothing,
            open => {
                self.unclear |= open.is_some();
                self.unclear |= !self.documents.is_empty();
                Opened::End { subshell: self.kind == Kind::Subshell }
            }
        }
    }

    fn end_command(&mut self, char: char, previous: Option<char>) -> Opened {
        self.end_word();
        // `2>&1`, `>|file`
        if matches!((previous, char), (Some('>' | '<'), '&' | '|')) {
            self.redirects = true;
            return Opened::Nothing;
        }
        let ends_commands = previous == Some(';') && matches!(char, ';' | '&');
        self.end_simple();
        if ends_commands && let Some(case @ Case::Commands) = self.cases.last_mut() {
            *case = Case::Pattern;
        }
        match char {
            '\n' if !self.documents.is_empty() => Opened::Documents(std::mem::take(&mut self.documents)),
            _ => Opened::Nothing,
        }
    }

    fn end_simple(&mut self) {
        self.is_first = true;
        self.redirects = false;
        self.takes = Takes::Data;
        self.behind_v = false;
        self.script = Script::No;
    }

    /// Ends the word before a redirection; a number there is that of a file descriptor.
    fn end_word_before_redirection(&mut self) {
        let is_number = |word: &Word| !word.quoted && word.text.bytes().all(|byte| byte.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.redirects) {
            return;
        }
        self.script = match self.script {
            Script::Next if word.text.starts_with('-') => Script::Next,
            Script::Shell if word.text.starts_with('-') && word.text.ends_with('c') => Script::Next,
            Script::Shell => Script::Shell,
            _ if is_shell(&word.text) => Script::Shell,
            _ => Script::No,
        };
        self.behind_v = word.text == "-v";
        if self.end_word_of_case(&word) {
            return;
        }
        if word.text == "]]" {
            self.conditional = false;
        }
        if self.is_first && (word.quoted || !self.reserved(&word.text)) {
            self.end_name(&word.text);
        }
    }

    /// Handles a word in the head of a `case`. Returns whether it was one.
    fn end_word_of_case(&mut self, word: &Word) -> bool {
        let is = |text: &str| !word.quoted && word.text == text;
        match self.cases.last_mut() {
            Some(case @ Case::Word) => *case = Case::In,
            Some(case @ Case::In) if is("in") => *case = Case::Pattern,
            Some(Case::In) => self.unclear = true,
            Some(Case::Pattern) if is("esac") => {
                self.cases.pop();
                self.is_first = true;
            }
            Some(Case::Pattern) => {}
            Some(Case::Commands) | None => return false,
        }
        true
    }

    /// Handles a reserved word that the next command follows. Returns whether it was one.
    fn reserved(&mut self, text: &str) -> bool {
        match text {
            "case" => {
                (self.plain, self.is_first) = (false, false);
                self.cases.push(Case::Word);
            }
            "esac" if self.cases.last() == Some(&Case::Commands) => {
                self.cases.pop();
            }
            "[[" => (self.plain, self.is_first, self.conditional) = (false, false, true),
            "for" | "select" | "function" => self.is_first = false,
            _ => return is_reserved(text),
        }
        true
    }

    /// Handles the name of a command, or an assignment before it.
    fn end_name(&mut self, text: &str) {
        let assigns = text.split_once('=').is_some_and(|(name, _)| is_name(name));
        self.is_first = assigns || matches!(text, "command" | "builtin" | "exec");
        self.takes = Takes::of(text);
    }
}

//! Words that are special to the shell: reserved words, and names of commands that do more with their words than pass
//! them on.

/// What a simple command does with its words, apart from passing them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Takes {
    #[default]
    Data,
    /// Evaluates all of them as code: `eval`.
    Code,
    /// Takes names of variables, whose subscripts bash evaluates: `unset`.
    Names,
    /// Takes such a name after `-v`: `test`.
    NameBehindV,
}

impl Takes {
    /// Returns what the command of this name does.
    pub fn of(text: &str) -> Takes {
        match text {
            "eval" | "trap" | "alias" | "let" => Takes::Code,
            "declare" | "typeset" | "local" | "readonly" | "export" | "unset" | "read" | "mapfile" | "readarray" => {
                Takes::Names
            }
            "test" | "[" | "printf" => Takes::NameBehindV,
            _ => Takes::Data,
        }
    }
}

/// Returns whether a word is reserved in the place of a command, so that the next word is also in such a place.
pub(super) fn is_reserved(text: &str) -> bool {
    let words = ["if", "then", "else", "elif", "fi", "do", "done", "while", "until", "{", "}", "!", "time", "coproc"];
    words.contains(&text)
}

/// Returns whether a word is special somewhere, although none of its characters is.
pub(super) fn is_keyword(text: &str) -> bool {
    is_reserved(text) || ["case", "esac", "for", "select", "function", "in"].contains(&text)
}

pub(in crate::config) fn is_shell(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "yash", "busybox"].contains(&name)
}

/// Returns which word of a command is a script for a shell: the one after `-c`. Words with placeholders are `None`.
pub(in crate::config) fn script_of(words: &[Option<&str>]) -> Option<usize> {
    let shell = words.iter().position(|word| word.is_some_and(is_shell))?;
    let is_option = |word: &Option<&str>| word.is_some_and(|word| word.starts_with('-'));
    let takes_script = |word: &Option<&str>| word.is_some_and(|word| word.starts_with('-') && word.ends_with('c'));
    let option = shell + 1 + words[shell + 1..].iter().position(takes_script)?;
    words[option..].iter().position(|word| !is_option(word)).map(|behind| option + behind)
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_') && is_function_name(text)
}

pub(super) fn is_function_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

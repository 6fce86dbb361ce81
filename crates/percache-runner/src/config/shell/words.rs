//! Words that mean something to the shell: reserved ones, and names of commands that do more with their words than to
//! pass them on.

/// What a simple command does with its words, apart from passing them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Takes {
    #[default]
    Data,
    /// All of them as code: `eval`.
    Code,
    /// Names of variables, whose subscripts bash evaluates: `unset`.
    Names,
    /// Such a name behind `-v`: `test`.
    NameBehindV,
}

impl Takes {
    /// What the command of this name does.
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

/// Whether a word is reserved in the place of a command, and the next word is in such a place, too.
pub(super) fn is_reserved(text: &str) -> bool {
    let words = ["if", "then", "else", "elif", "fi", "do", "done", "while", "until", "{", "}", "!", "time", "coproc"];
    words.contains(&text)
}

/// Whether a word means something else than itself somewhere, although no character of it is special.
pub(super) fn is_keyword(text: &str) -> bool {
    is_reserved(text) || ["case", "esac", "for", "select", "function", "in"].contains(&text)
}

pub(in crate::config) fn is_shell(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "yash", "busybox"].contains(&name)
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_') && is_function_name(text)
}

pub(super) fn is_function_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

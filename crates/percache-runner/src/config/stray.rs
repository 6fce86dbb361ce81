//! Finds words in braces that were meant as placeholders and are none: `{stem}` in a task without `foreach`, `{inputs}`
//! anywhere. In a path they have no other meaning; in a command they are reported only where no shell and no program
//! would interpret them.
//!
//! Knows nothing of what placeholders stand for.

use super::placeholder::{Names, lone_words, names_of_file};

/// The kind of text around a word in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A path or a pattern.
    Path,
    /// A command for the shell.
    Shell,
    /// An argument of a command.
    Argument,
    /// Any text, in which braces are of no concern.
    Text,
}

/// A word in braces that is not a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub word: String,
    /// Whether a task with `foreach` has a placeholder of this name.
    pub of_file: bool,
}

/// The names that other tools use for what a task reads and writes.
const OF_OTHERS: [&str; 4] = ["input", "inputs", "output", "outputs"];

/// Finds the words in braces that are not placeholders, without duplicates.
pub(super) fn strays(text: &str, names: &Names, form: Form) -> Vec<Stray> {
    let mut strays: Vec<Stray> = Vec::new();
    for (at, word) in lone_words(text) {
        let of_file = names_of_file().any(|name| name == word);
        let is_list = names.lists.is_some() && ["inputs", "outputs"].contains(&word);
        let suspect = (of_file || OF_OTHERS.contains(&word)) && !names.has(word) && !is_list;
        if suspect && is_meant(form, text, at, word) && !strays.iter().any(|stray| stray.word == word) {
            strays.push(Stray { word: word.to_owned(), of_file });
        }
    }
    strays
}

/// Returns whether `{word}` at a position of a text can only be meant as a placeholder.
pub(super) fn is_meant(form: Form, text: &str, at: usize, word: &str) -> bool {
    match form {
        Form::Path => true,
        Form::Shell => is_bare(text, at) && !is_of_xargs(text, word),
        Form::Argument => is_plain(text),
        Form::Text => false,
    }
}

/// Returns whether a position in a command is outside quotes, or in double quotes that contain no more than a path.
fn is_bare(text: &str, at: usize) -> bool {
    let (mut quote, mut escaped) = (None, false);
    for (position, char) in text[..at].char_indices() {
        match (quote, char) {
            _ if escaped => escaped = false,
            (None | Some(('"', _)), '\\') => escaped = true,
            (None, '"' | '\'') => quote = Some((char, position)),
            (Some((open, _)), char) if open == char => quote = None,
            _ => {}
        }
    }
    let is_format = text[..at].ends_with(['%', '#', '@']);
    !is_format
        && match quote {
            None => true,
            Some(('"', open)) => {
                let rest = &text[open + 1..];
                is_plain(&rest[..rest.find('"').unwrap_or(rest.len())])
            }
            Some(_) => false,
        }
}

/// Returns whether a text may be a path with a placeholder and is not a piece of a program.
fn is_plain(text: &str) -> bool {
    !text.contains(|char: char| char.is_whitespace() || "\"'()%;$`".contains(char))
}

/// Returns whether the command itself defines a replacement for the word: `xargs -I{file}`.
fn is_of_xargs(text: &str, word: &str) -> bool {
    [format!("-I{{{word}}}"), format!("-I {{{word}}}")].iter().any(|option| text.contains(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, form: Form) -> Vec<String> {
        strays(text, &Names::default(), form).into_iter().map(|stray| stray.word).collect()
    }

    #[test]
    fn in_a_path_every_such_word_is_a_mistake() {
        assert_eq!(words("o/{stem}.{ext}", Form::Path), ["stem", "ext"]);
        assert_eq!(words("{inputs}/{stem}{stem}", Form::Path), ["inputs", "stem"]);
        assert_eq!(words("{a,b}/{other}/\\{stem\\}", Form::Path), [""; 0]);
        let names = Names { foreach: true, axes: vec!["inputs".into()], lists: None };
        assert_eq!(strays("{stem}{inputs}", &names, Form::Path), [], "these are placeholders");
    }

    #[test]
    fn in_a_command_only_where_nobody_else_makes_something_of_it() {
        assert_eq!(
            words("cat a > o/{stem}.txt; echo {inputs} \"{outputs}\"", Form::Shell),
            ["stem", "inputs", "outputs"]
        );
        for text in [
            "python3 -c 'print(f\"{name}\")'",
            "python3 -c \"print(f'{name}')\"",
            "xargs -I{file} cp {file} out",
            "xargs -I {file} cp {file} out",
            "curl -w %{name} x",
            "echo ${file} {{file}} {other}",
        ] {
            assert_eq!(words(text, Form::Shell), [""; 0], "{text}");
        }
        assert_eq!(words("echo it\\'s {file}", Form::Shell), ["file"]);
    }

    #[test]
    fn an_argument_that_is_a_program_is_left_alone() {
        assert_eq!(words("out/{stem}.o", Form::Argument), ["stem"]);
        assert_eq!(words("print(f'{name}')", Form::Argument), [""; 0]);
        assert_eq!(words("{file}", Form::Text), [""; 0]);
    }
}

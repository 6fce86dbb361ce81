//! Completions for bash. Readline splits words at `:` and `=`, which occur in names of tasks. So percache is given the
//! whole line, splits it at spaces, and answers with what is missing after the last place where readline splits.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine;
use clap_complete::env::EnvCompleter;

/// The prefix that distinguishes the line from words.
const MARK: &str = "line:";

const SCRIPT: &str = r#"
_percache() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(VARIABLE=bash COMPLETER -- "MARK${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _percache NAME
"#;

/// bash.
pub struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        _: &str,
        name: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let script = SCRIPT.replace("VARIABLE", variable).replace("COMPLETER", completer).replace("MARK", MARK);
        out.write_all(script.replace("NAME", name).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        arguments: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let [line, rest] = &arguments[..] else { return Ok(()) };
        let Some(words) = unpacked(line) else { return Ok(()) };
        let (line, rest) = (line.to_string_lossy(), rest.to_string_lossy());
        // The part of the line's last word that readline does not count as part of its word.
        let written = &line[last_word(&line)..];
        let kept = written.strip_suffix(&*rest).map(|before| split(before).concat()).unwrap_or_default();
        let index = words.len() - 1;
        for candidate in engine::complete(command, words, index, directory)? {
            let value = candidate.get_value().to_string_lossy();
            if let Some(value) = value.strip_prefix(&kept) {
                writeln!(out, "{}", if rest.starts_with(['"', '\'']) { value.to_owned() } else { escaped(value) })?;
            }
        }
        Ok(())
    }
}

/// Splits a line that the script passed into words as the shell does; `None` for any other text.
pub fn unpacked(line: &OsStr) -> Option<Vec<OsString>> {
    let line = line.to_str()?.strip_prefix(MARK)?;
    Some(split(line).into_iter().map(OsString::from).collect())
}

/// Splits a line into words and removes quotes. The last word may be empty or have an open quote.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut characters) = (vec![String::new()], None, line.chars());
    while let Some(character) = characters.next() {
        let last = words.len() - 1;
        match (quote, character) {
            (None, ' ' | '\t') if words[last].is_empty() => {}
            (None, ' ' | '\t') => words.push(String::new()),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '\\') => words[last].extend(characters.next()),
            _ => words[last].push(character),
        }
    }
    words
}

/// Returns where the last word of a line begins.
fn last_word(line: &str) -> usize {
    let (mut start, mut quote, mut escape) = (0, None, false);
    for (at, character) in line.char_indices() {
        match (quote, character) {
            _ if escape => escape = false,
            (None | Some('"'), '\\') => escape = true,
            (None, ' ' | '\t') => start = at + 1,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    start
}

/// Escapes a value for use without quotes.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if " \t\\'\"$`&|;<>()*?#!{}".contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_the_shell_does() {
        assert_eq!(split("percache  build "), ["percache", "build", ""]);
        assert_eq!(split(r#"percache why a\ b 'c d' "e\"f"#), ["percache", "why", "a b", "c d", "e\"f"]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn the_last_word_begins_behind_the_last_blank_outside_of_quotes() {
        for (line, word) in [("a b", "b"), ("a b ", ""), (r"a b\ c", r"b\ c"), ("a 'b c", "'b c")] {
            assert_eq!(&line[last_word(line)..], word);
        }
    }
}

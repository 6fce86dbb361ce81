//! Recognises commands that run a compiler of the C family, in an array or in a simple shell script.
//!
//! Only what can be read without a shell is recognised: words, quotes, and commands joined by `&&` and `;`.

use std::path::Path;

/// One run of a compiler on one source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compile {
    /// The command, word by word, without a compiler cache in front.
    pub arguments: Vec<String>,
    /// The source file.
    pub source: String,
    /// The argument of `-o`.
    pub output: Option<String>,
}

/// A compiler seems to run, but its command line depends on what a shell makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

const COMPILERS: [&str; 15] = [
    "cc", "gcc", "clang", "tcc", "icc", "icx", "emcc", "nvcc", "hipcc", "c++", "g++", "clang++", "icpc", "icpx", "em++",
];
const WRAPPERS: [&str; 4] = ["ccache", "sccache", "distcc", "icecc"];
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];
const SOURCES: [&str; 13] = ["c", "cc", "cp", "cxx", "cpp", "c++", "C", "CPP", "m", "mm", "M", "cu", "hip"];
/// The options whose argument is the next word, and could be taken for a source.
const WITH_ARGUMENT: [&str; 12] =
    ["-o", "-MF", "-MT", "-MQ", "-I", "-include", "-isystem", "-iquote", "-x", "-D", "-U", "-Xclang"];

/// Returns the compilations of a command that runs without a shell.
pub fn of_words(words: &[String]) -> Result<Vec<Compile>, Unclear> {
    match words {
        [shell, options @ .., script] if SHELLS.contains(&name(shell)) && is_script(options) => of_shell(script),
        words => Ok(of_command(words)),
    }
}

fn is_script(options: &[String]) -> bool {
    options.last().is_some_and(|option| option.starts_with('-') && !option.starts_with("--") && option.ends_with('c'))
}

/// Returns the compilations of a shell script.
pub fn of_shell(script: &str) -> Result<Vec<Compile>, Unclear> {
    let plain = if has_expansions(script) { None } else { shell_words::split(&apart(script)).ok() };
    let Some(words) = plain else {
        let mentions = script.split(|c: char| c.is_whitespace() || ";&|()".contains(c)).any(is_compiler);
        return if mentions { Err(Unclear) } else { Ok(Vec::new()) };
    };
    Ok(words.split(|word| word == "&&" || word == ";").flat_map(of_command).collect())
}

/// Returns whether a shell would do more with the script than to split it into words and commands.
fn has_expansions(script: &str) -> bool {
    let mut quote = None;
    let mut chars = script.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => drop(chars.next()),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '$' | '`') => return true,
            (None, '*' | '?' | '[' | '{' | '~' | '|' | '<' | '>' | '(' | '#') => return true,
            _ => {}
        }
    }
    false
}

/// Sets unquoted semicolons, ampersands and line ends apart, so that they become words of their own.
fn apart(script: &str) -> String {
    let (mut text, mut quote) = (String::new(), None);
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                text.push(c);
                text.extend(chars.next());
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ';' | '\n') => {
                text += " ; ";
                continue;
            }
            (None, '&') => {
                chars.next_if_eq(&'&');
                text += " && ";
                continue;
            }
            _ => {}
        }
        text.push(c);
    }
    text
}

/// Returns the compilations of one command: one for each of its sources.
fn of_command(words: &[String]) -> Vec<Compile> {
    // Variables that are set for the command, and programs in front of the compiler.
    let is_before = |word: &&String| is_assignment(word) || WRAPPERS.contains(&name(word));
    let words = &words[words.iter().take_while(is_before).count()..];
    if !words.first().is_some_and(|word| is_compiler(word)) {
        return Vec::new();
    }
    let (mut sources, mut output) = (Vec::new(), None);
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        if WITH_ARGUMENT.contains(&word.as_str()) {
            let argument = rest.next();
            if word == "-o" {
                output = argument.cloned();
            }
        } else if let Some(joined) = word.strip_prefix("-o") {
            output = Some(joined.to_owned());
        } else if !word.starts_with('-') && is_source(word) {
            sources.push(word.clone());
        }
    }
    let compile = |source| Compile { arguments: words.to_vec(), source, output: output.clone() };
    sources.into_iter().map(compile).collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()))
}

fn is_source(word: &str) -> bool {
    Path::new(word).extension().and_then(|extension| extension.to_str()).is_some_and(|e| SOURCES.contains(&e))
}

/// Recognises `cc`, `/usr/bin/clang-17`, `aarch64-linux-gnu-g++-12`.
fn is_compiler(word: &str) -> bool {
    let name = name(word);
    let versioned = name.rsplit_once('-').filter(|(_, end)| end.starts_with(|c: char| c.is_ascii_digit()));
    let name = versioned.map_or(name, |(name, _)| name);
    COMPILERS
        .iter()
        .any(|compiler| name.strip_suffix(compiler).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-')))
}

fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn sources(compiles: Result<Vec<Compile>, Unclear>) -> Vec<(String, Option<String>)> {
        compiles.unwrap().into_iter().map(|compile| (compile.source, compile.output)).collect()
    }

    #[test]
    fn a_compiler_is_told_by_its_name() {
        for compiler in ["cc", "/usr/bin/gcc", "clang-17", "x86_64-linux-gnu-g++-12", "c++"] {
            assert!(is_compiler(compiler), "{compiler}");
        }
        for other in ["occ", "cpp", "gcc-ar", "clang-tidy", "make", ""] {
            assert!(!is_compiler(other), "{other}");
        }
    }

    #[test]
    fn the_source_and_the_output_are_found() {
        let one = [("a.c".to_owned(), Some("a.o".to_owned()))];
        assert_eq!(sources(of_words(&words("cc -MD -MF x.c -c a.c -o a.o"))), one);
        assert_eq!(sources(of_words(&words("cc -c a.c -oa.o"))), one);
        assert_eq!(sources(of_words(&words("gcc a.o b.o -o app"))), []);
        assert_eq!(sources(of_words(&words("cc a.c b.c -o app"))).len(), 2);
        assert_eq!(sources(of_words(&words("python3 gen.py a.c"))), []);
    }

    #[test]
    fn what_stands_before_the_compiler_is_left_out() {
        let compiles = of_shell("LANG=C ccache cc -c 'a b.c'").unwrap();
        assert_eq!(compiles[0].arguments, ["cc", "-c", "a b.c"]);
    }

    #[test]
    fn a_script_may_have_several_commands() {
        let text = "mkdir -p out; cc -DX=\"a;b\" -c a.c -o out/a.o && cc -c b.c\ntouch done";
        assert_eq!(sources(of_shell(text)), [("a.c".into(), Some("out/a.o".into())), ("b.c".into(), None)]);
        assert_eq!(of_shell(text).unwrap()[0].arguments[1], "-DX=a;b");
        let script = [words("bash -euc"), vec![text.to_owned()]].concat();
        assert_eq!(of_words(&script), of_shell(text));
    }

    #[test]
    fn what_a_shell_expands_is_unclear() {
        assert_eq!(of_shell("cc $CFLAGS -c a.c"), Err(Unclear));
        assert_eq!(of_shell("cc \"$CFLAGS\" -c a.c"), Err(Unclear));
        assert_eq!(of_shell("cc -c src/*.c"), Err(Unclear));
        assert_eq!(of_shell("echo $HOME > log"), Ok(Vec::new()));
        assert_eq!(sources(of_shell("cc -D'X=$Y' -c a.c")), [("a.c".into(), None)]);
        assert_eq!(of_shell("cc 'unclosed"), Err(Unclear));
    }
}

//! Fills in the placeholders of one instance in texts, paths, patterns and commands.
//!
//! Values are inserted as data: escaped in patterns, quoted in shell commands. Does not know which instances exist.

use std::borrow::Cow;

use super::keys::RawCommand;
use super::placeholder::{Piece, Slot, is_word};
use super::report::Report;
use super::shell::{ShellText, Unsafe, script_of};
use super::stated::Text;
use crate::model::TaskCommand;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::syntax::glob::escape;

/// The values of one instance's placeholders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bindings<'b> {
    /// The directory of the file that defines the task.
    pub base: &'b RelPath,
    /// The file of a `foreach` instance.
    pub file: Option<&'b RelPath>,
    /// The values of the axes, in order of the axes' names.
    pub axes: &'b [&'b str],
    /// The arguments after `--` on the command line.
    pub args: &'b [String],
}

impl<'b> Bindings<'b> {
    /// Returns the value of a placeholder, with paths as seen from `from`.
    fn value(&self, slot: Slot, from: &RelPath) -> Cow<'b, str> {
        let part = |part: &'b [u8]| String::from_utf8_lossy(part);
        let seen = |path: &RelPath| Cow::Owned(String::from_utf8_lossy(&path.relative_to(from)).into_owned());
        match (slot, self.file) {
            (Slot::Axis(axis), _) => Cow::Borrowed(self.axes.get(axis).copied().unwrap_or_default()),
            (Slot::Args, _) => Cow::Owned(self.args.join(" ")),
            // Filled in when the task is about to run.
            (Slot::List(list), _) => Cow::Owned(format!("{{{}}}", list.name())),
            (_, None) => Cow::Borrowed(""),
            (Slot::File, Some(file)) => seen(file),
            (Slot::Dir, Some(file)) => seen(&file.parent().unwrap_or_else(RelPath::root)),
            (Slot::Name, Some(file)) => part(file.file_name()),
            (Slot::Stem, Some(file)) => part(file.stem()),
            (Slot::Ext, Some(file)) => part(file.extension()),
        }
    }

    /// Fills in the text, with values unchanged.
    pub fn text(&self, text: &Text) -> String {
        text.template.render(|slot| self.value(slot, self.base))
    }

    /// Fills in the text for a command that runs in `cwd`: paths are as seen from there.
    pub fn text_for(&self, text: &Text, cwd: &RelPath) -> String {
        text.template.render(|slot| self.value(slot, cwd))
    }

    pub fn texts(&self, texts: &[Text]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    /// Fills in a path, relative to the file that contains it. Reports mistakes.
    pub fn path(&self, text: &Text, report: &mut Report) -> Option<RelPath> {
        let written = self.text(text);
        match self.base.join(&written) {
            Ok(path) => Some(path),
            Err(error) => {
                let title = format!("`{written}` is not a path in the workspace");
                report.error(title, text.at.clone(), error.to_string()).hint(error.hint());
                None
            }
        }
    }

    /// Fills in patterns, relative to the file that contains them. Reports mistakes, each at its pattern.
    pub fn patterns<'t>(&self, texts: impl IntoIterator<Item = &'t Text>, report: &mut Report) -> PatternSet {
        self.parse(texts.into_iter().map(|text| (text, self.pattern(text))), report)
    }

    /// Parses patterns, each of which comes from a text. Reports mistakes, each at its text.
    pub fn parse<'t>(&self, patterns: impl IntoIterator<Item = (&'t Text, String)>, report: &mut Report) -> PatternSet {
        let (texts, written): (Vec<&Text>, Vec<String>) = patterns.into_iter().unzip();
        PatternSet::parse(self.base, &written).unwrap_or_else(|_| {
            for (text, written) in texts.iter().zip(&written) {
                if let Err(error) = PatternSet::parse(self.base, &[written]) {
                    let title = format!("`{written}` is not a valid pattern");
                    report.error(title, text.at.clone(), error.kind.to_string()).hint(error.kind.hint());
                }
            }
            PatternSet::default()
        })
    }

    /// Fills in a pattern, with the values as plain text.
    pub fn pattern(&self, text: &Text) -> String {
        text.template.render(|slot| {
            let value = self.value(slot, self.base);
            if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte)) {
                value
            } else {
                escape(&value).into()
            }
        })
    }

    /// Fills in a command that runs in `cwd`: paths are as seen from there. Reports a value in a place where it would
    /// not be data.
    pub fn command(&self, command: &RawCommand<Text>, cwd: &RelPath, report: &mut Report) -> TaskCommand {
        match command {
            RawCommand::Shell(text) => TaskCommand::Shell(self.shell(text, cwd, report)),
            RawCommand::Argv(items) => {
                let script = script(items);
                let words = items.iter().enumerate().flat_map(|(i, item)| match script == Some(i) {
                    true => vec![self.shell(item, cwd, report)],
                    false => self.words(item, cwd),
                });
                TaskCommand::Argv(words.collect())
            }
        }
    }

    /// Fills in a shell command that runs in `cwd`, quoting the values. Reports a value that cannot be quoted.
    pub fn shell(&self, text: &Text, cwd: &RelPath, report: &mut Report) -> String {
        let mut shell = ShellText::new();
        let mut slots = 0;
        for piece in text.template.pieces() {
            let put = match piece {
                Piece::Text(written) => {
                    shell.push_written(written);
                    continue;
                }
                Piece::Slot(Slot::Args) => shell.push_values(self.args),
                Piece::Slot(slot @ Slot::List(_)) => {
                    shell.push_written(&self.value(*slot, cwd));
                    slots += 1;
                    continue;
                }
                Piece::Slot(slot) => shell.push_value(&self.argument(*slot, cwd)),
            };
            if let Err(reason) = put {
                let (label, hint) = unsafe_place(reason);
                let value = match piece {
                    Piece::Slot(slot) => self.value(*slot, cwd),
                    Piece::Text(_) => Cow::Borrowed(""),
                };
                let title = format!("the shell would not take `{value}` for data here");
                let at = text.slot_place(slots, report);
                let hint =
                    hint.replace("{file}", Some(report.text(&at)).filter(|word| is_slot(word)).unwrap_or("{file}"));
                report.error(title, at, label).hint(hint);
            }
            slots += 1;
        }
        shell.finish()
    }

    /// Returns the words that one element of an argument vector becomes; `{args}` alone becomes any number of words.
    fn words(&self, text: &Text, cwd: &RelPath) -> Vec<String> {
        match text.template.pieces() {
            [Piece::Slot(Slot::Args)] => self.args.to_vec(),
            [Piece::Slot(slot)] => vec![self.argument(*slot, cwd).into_owned()],
            _ => vec![self.text_for(text, cwd)],
        }
    }

    /// Returns a value that may begin a word of a command: a file `-x` must not look like an option.
    pub fn argument(&self, slot: Slot, cwd: &RelPath) -> Cow<'b, str> {
        let value = self.value(slot, cwd);
        let is_path = matches!(slot, Slot::File | Slot::Dir);
        if is_path && value.starts_with('-') { format!("./{value}").into() } else { value }
    }
}

/// Returns which element of an argument vector is a shell script: the one after `-c`.
pub(super) fn script(items: &[Text]) -> Option<usize> {
    script_of(&items.iter().map(|item| item.template.fixed()).collect::<Vec<_>>())
}

/// Returns whether a text is a placeholder and nothing else.
fn is_slot(text: &str) -> bool {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).is_some_and(is_word)
}

/// Returns the text of the label and the remedy for a place where a value would not be data.
fn unsafe_place(reason: Unsafe) -> (&'static str, &'static str) {
    let first = "assign it to a variable before: `f={file}; …`, and use \"$f\" here";
    match reason {
        Unsafe::Backquotes => ("stands in backquotes", "write `$(…)` instead of backquotes"),
        Unsafe::Parameter => ("stands inside of `${…}`", first),
        Unsafe::Arithmetic => ("stands in arithmetic, where it is evaluated", "only numbers and names can stand here"),
        Unsafe::AnsiQuotes => ("stands in `$'…'`", "close the quotes before it: `$'…'{file}$'…'`"),
        Unsafe::Delimiter => ("stands in the delimiter of a here-document", "write a fixed word behind `<<`"),
        Unsafe::DelimiterLine => {
            ("may end the here-document", "without quotes around the word behind `<<`, any value can stand here")
        }
        Unsafe::Evaluated => ("is evaluated by the command, as code or as the name of a variable", first),
        Unsafe::Script => {
            ("stands in the script of another shell", "hand it over as an argument: `sh -c '… \"$1\" …' sh {file}`")
        }
        Unsafe::Unclear => ("stands behind something that shells read differently", first),
    }
}

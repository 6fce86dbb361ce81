//! One `[task.NAME]` with its placeholders located, ready to be filled in for every instance.
//!
//! Knows which keys may hold which placeholders. Does not know which instances exist.

use super::keys::{Axis, RawCommand, RawTask, TaskKeys};
use super::placeholder::{Names, Piece, Slot, Template, lone_words};
use super::report::{At, Place, Report};
use super::shell::script_of;
use super::stray::{Form, Stray, strays};
use crate::graph::full_name;
use crate::model::path::RelPath;
use crate::syntax::suggest::nearest;

/// A text with placeholders, and its place in the file.
#[derive(Debug)]
pub(super) struct Text {
    pub template: Template,
    pub at: Place,
}

impl Text {
    /// Returns the place of its placeholder of this number, or of the whole text if escapes or other braces make that
    /// ambiguous.
    pub fn slot_place(&self, number: usize, report: &Report) -> Place {
        let slots = self.template.pieces().iter().filter(|piece| matches!(piece, Piece::Slot(_))).count();
        let words: Vec<(usize, &str)> = lone_words(report.text(&self.at)).collect();
        let Some((offset, word)) = words.get(number).filter(|_| words.len() == slots) else { return self.at.clone() };
        let start = self.at.span.start + offset;
        Place { file: self.at.file, span: start..start + word.len() + 2 }
    }
}

/// One task as written, before expansion: a template.
#[derive(Debug)]
pub(super) struct Stated {
    /// The full name without an instance: `pkgs/app:objects`.
    pub name: String,
    /// The place of the name.
    pub at: Place,
    /// The directory of its file.
    pub dir: RelPath,
    pub keys: TaskKeys<Text>,
    /// How many of the first `inputs` are those of `[workspace]`.
    pub shared_inputs: usize,
}

impl Stated {
    /// Returns whether `{args}` occurs in the command or in `env`.
    pub fn takes_args(&self) -> bool {
        let in_command = match &self.keys.command {
            Some(RawCommand::Shell(text)) => text.template.uses(Slot::Args),
            Some(RawCommand::Argv(items)) => items.iter().any(|item| item.template.uses(Slot::Args)),
            None => false,
        };
        in_command
            || self.keys.env.iter().flatten().any(|(_, value)| value.iter().any(|text| text.template.uses(Slot::Args)))
    }

    /// Returns the axes of `matrix`, sorted by name.
    pub fn axes(&self) -> &[Axis] {
        self.keys.matrix.as_deref().unwrap_or_default()
    }

    /// Returns the texts of `outputs`.
    pub fn outputs(&self) -> &[Text] {
        self.keys.outputs.as_deref().unwrap_or_default()
    }

    /// Returns the texts of `deps`.
    pub fn deps(&self) -> &[Text] {
        self.keys.deps.as_deref().unwrap_or_default()
    }
}

/// Locates the placeholders of a task, and reports words that resemble one.
pub(super) fn state(report: &mut Report, dir: &RelPath, raw: RawTask) -> Stated {
    let axes: Vec<String> = raw.keys.matrix.iter().flatten().map(|axis| axis.name.value.clone()).collect();
    // In `foreach`, the placeholders of an instance's file have no value, and are taken for text.
    let axes_only = Names { foreach: false, axes: axes.clone(), lists: None };
    let names = Names { foreach: raw.keys.foreach.is_some(), axes, lists: None };
    let with_lists = |form| Names { lists: Some(form), ..names.clone() };
    let (in_script, in_argument) = (with_lists(Form::Shell), with_lists(Form::Argument));
    let script = script(&raw.keys);
    let keys = raw.keys.map(|traits, text| {
        let names = match traits.form {
            _ if !traits.of_file => &axes_only,
            _ if traits.lists && script.as_ref() == Some(&text.at) => &in_script,
            _ if traits.lists => &in_argument,
            _ => &names,
        };
        Reader { report, names, args: traits.args, form: traits.form }.text(text)
    });
    let name = full_name(dir.to_str().unwrap_or_default(), &raw.name.value);
    Stated { name, at: raw.name.at, dir: dir.clone(), keys, shared_inputs: raw.shared_inputs }
}

/// Returns the place of the script in a task's command.
fn script(keys: &TaskKeys<At<String>>) -> Option<Place> {
    let at = match keys.command.as_ref()? {
        RawCommand::Shell(text) => &text.at,
        RawCommand::Argv(items) => {
            let words: Vec<Option<&str>> = items.iter().map(|item| Some(&item.value[..])).collect();
            &items[script_of(&words)?].at
        }
    };
    Some(at.clone())
}

/// Parses the texts of one task to templates.
struct Reader<'r> {
    report: &'r mut Report,
    names: &'r Names,
    /// Whether `{args}` may stand here.
    args: bool,
    form: Form,
}

impl Reader<'_> {
    fn text(&mut self, written: At<String>) -> Text {
        let (template, typos) = Template::parse(&written.value, self.names);
        for typo in typos {
            let at = self.within(&written, &format!("{{{}}}", typo.word));
            let title = format!("unknown placeholder `{{{}}}`", typo.word);
            let hint = format!("did you mean `{{{}}}`?", typo.meant);
            self.report.error(title, at, "is not a placeholder of this task").hint(hint);
        }
        for stray in strays(&written.value, self.names, self.form) {
            self.tell_stray(&written, &stray);
        }
        if !self.args && template.uses(Slot::Args) {
            let at = self.within(&written, "{args}");
            let hint = "only `command` and `env` can take the arguments of the command line".to_owned();
            self.report.error("`{args}` cannot be used here", at, "has no value here").hint(hint);
            return Text { template: Template::plain(&written.value), at: written.at };
        }
        Text { template, at: written.at }
    }

    fn tell_stray(&mut self, written: &At<String>, stray: &Stray) {
        let braces = format!("{{{}}}", stray.word);
        let at = self.within(written, &braces);
        let literally = if self.form == Form::Path { "" } else { "; in single quotes, it is left alone" };
        if stray.of_file {
            let hint = format!("state the files in `foreach`, or write the path itself{literally}");
            let title = format!("`{braces}` has no value here");
            self.report.error(title, at, "is a placeholder of tasks with `foreach`").hint(hint);
        } else {
            let list = self.names.lists.and_then(|_| nearest(&stray.word, ["inputs", "outputs"]));
            let hint = match list {
                Some(list) => format!("did you mean `{{{list}}}`?"),
                None => format!("write the paths themselves, or `{{file}}` in a task with `foreach`{literally}"),
            };
            self.report.error(format!("unknown placeholder `{braces}`"), at, "stands for nothing").hint(hint);
        }
    }

    /// Returns the place of `part` in a value, or of the whole value if escapes hide it.
    fn within(&self, written: &At<String>, part: &str) -> Place {
        let whole = &written.at;
        match self.report.text(whole).find(part) {
            Some(offset) => {
                let start = whole.span.start + offset;
                Place { file: whole.file, span: start..start + part.len() }
            }
            None => whole.clone(),
        }
    }
}

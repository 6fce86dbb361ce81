//! One `[task.NAME]` with its placeholders found, ready to be filled in for every instance.
//!
//! Knows which keys may hold which placeholders. Does not know which instances there are.

use super::placeholder::{Names, Piece, Slot, Template, lone_words};
use super::raw_task::{Axis, RawCommand, RawTask};
use super::report::{At, Place, Report};
use super::stray::{Form, Stray, strays};
use crate::graph::full_name;
use crate::model::path::RelPath;

/// A text with placeholders, and where it stands.
#[derive(Debug)]
pub(super) struct Text {
    pub template: Template,
    pub at: Place,
}

impl Text {
    /// Where its placeholder of this number stands; the whole text where escapes or other braces leave that open.
    pub fn slot_place(&self, number: usize, report: &Report) -> Place {
        let slots = self.template.pieces().iter().filter(|piece| matches!(piece, Piece::Slot(_))).count();
        let words: Vec<(usize, &str)> = lone_words(report.text(&self.at)).collect();
        let Some((offset, word)) = words.get(number).filter(|_| words.len() == slots) else { return self.at.clone() };
        let start = self.at.span.start + offset;
        Place { file: self.at.file, span: start..start + word.len() + 2 }
    }
}

/// `command`, with placeholders.
#[derive(Debug)]
pub(super) enum Command {
    Shell(Text),
    Argv(Vec<Text>),
}

/// One task as stated.
#[derive(Debug)]
pub(super) struct Stated {
    /// Full name without instance: `pkgs/app:objects`.
    pub name: String,
    /// Where the name stands.
    pub at: Place,
    /// The directory of its file.
    pub dir: RelPath,
    pub foreach: Option<Vec<Text>>,
    /// Sorted by name.
    pub matrix: Vec<Axis>,
    pub description: Option<Text>,
    pub command: Option<Command>,
    pub inputs: Option<Vec<Text>>,
    pub outputs: Vec<Text>,
    pub deps: Vec<Text>,
    pub depfile: Option<Text>,
    pub tools: Vec<Text>,
    /// What `[workspace]` sets, without placeholders, and then what the task sets.
    pub env: Vec<(String, Text)>,
    pub env_from: Vec<Text>,
    pub env_pass: Vec<Text>,
    pub env_file: Vec<Text>,
    pub timeout: Option<Text>,
    pub valid_for: Option<Text>,
    pub cwd: Option<Text>,
    pub pool: Option<Text>,
    pub retries: u32,
    pub cache: bool,
    pub interactive: bool,
}

impl Stated {
    /// Returns whether the arguments of the command line have a place in it.
    pub fn takes_args(&self) -> bool {
        let in_command = match &self.command {
            Some(Command::Shell(text)) => text.template.uses(Slot::Args),
            Some(Command::Argv(items)) => items.iter().any(|item| item.template.uses(Slot::Args)),
            None => false,
        };
        in_command || self.env.iter().any(|(_, value)| value.template.uses(Slot::Args))
    }
}

/// Finds the placeholders of a task and reports what looks like one.
pub(super) fn state(report: &mut Report, file: usize, dir: &RelPath, raw: RawTask) -> Stated {
    let axes = raw.matrix.iter().map(|axis| axis.name.value.clone()).collect();
    let names = Names { foreach: raw.foreach.is_some(), axes };
    let axes_only = Names { foreach: false, axes: names.axes.clone() };
    let command = raw.command.map(|command| match command.value {
        RawCommand::Shell(text) => {
            let mut reader = Reader { report, file, names: &names, args: true, form: Form::Shell };
            Command::Shell(reader.text(At { value: text, span: command.span }))
        }
        RawCommand::Argv(items) => {
            let mut reader = Reader { report, file, names: &names, args: true, form: Form::Argument };
            Command::Argv(reader.texts(items))
        }
    });
    let foreach = raw.foreach.map(|items| {
        // What names the file of an instance has no value here, and is taken for text.
        Reader { report, file, names: &axes_only, args: false, form: Form::Text }.texts(items)
    });
    let env = {
        let mut reader = Reader { report, file, names: &names, args: true, form: Form::Argument };
        raw.env.into_iter().map(|(name, value)| (checked_variable(&mut reader, name), reader.text(value))).collect()
    };
    let mut reader = Reader { report, file, names: &names, args: false, form: Form::Path };
    let (inputs, outputs) = (raw.inputs.map(|items| reader.texts(items)), reader.texts(raw.outputs));
    let (depfile, cwd, env_file) = (reader.optional(raw.depfile), reader.optional(raw.cwd), reader.texts(raw.env_file));
    reader.form = Form::Shell;
    let tools = reader.texts(raw.tools);
    reader.form = Form::Text;
    Stated {
        name: full_name(dir.to_str().unwrap_or_default(), &raw.name.value),
        at: Place { file, span: raw.name.span },
        dir: dir.clone(),
        foreach,
        command,
        env,
        description: reader.optional(raw.description),
        inputs,
        outputs,
        deps: reader.texts(raw.deps),
        depfile,
        tools,
        env_from: reader.texts(raw.env_from),
        env_pass: reader.texts(raw.env_pass),
        env_file,
        timeout: reader.optional(raw.timeout),
        valid_for: reader.optional(raw.valid_for),
        cwd,
        pool: reader.optional(raw.pool),
        matrix: raw.matrix,
        retries: raw.retries,
        cache: raw.cache,
        interactive: raw.interactive,
    }
}

/// Turns written texts of one task into templates.
struct Reader<'r> {
    report: &'r mut Report,
    file: usize,
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
            return Text {
                template: Template::plain(&written.value),
                at: Place { file: self.file, span: written.span },
            };
        }
        Text { template, at: Place { file: self.file, span: written.span } }
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
            let hint = format!("write the paths themselves, or `{{file}}` in a task with `foreach`{literally}");
            self.report.error(format!("unknown placeholder `{braces}`"), at, "stands for nothing").hint(hint);
        }
    }

    fn texts(&mut self, written: Vec<At<String>>) -> Vec<Text> {
        written.into_iter().map(|item| self.text(item)).collect()
    }

    fn optional(&mut self, written: Option<At<String>>) -> Option<Text> {
        written.map(|item| self.text(item))
    }

    /// The place of `part` in a value; the whole value where escapes hide it.
    fn within(&self, written: &At<String>, part: &str) -> Place {
        let whole = Place { file: self.file, span: written.span.clone() };
        match self.report.text(&whole).find(part) {
            Some(offset) => {
                let start = whole.span.start + offset;
                Place { file: self.file, span: start..start + part.len() }
            }
            None => whole,
        }
    }
}

fn checked_variable(reader: &mut Reader<'_>, name: At<String>) -> String {
    check_variable(reader.report, reader.file, &name);
    name.value
}

/// What the operating system takes as the name of a variable.
pub(super) fn check_variable(report: &mut Report, file: usize, name: &At<String>) {
    if name.value.is_empty() || name.value.contains(['=', '\0']) {
        let at = Place { file, span: name.span.clone() };
        let hint = "write the name alone; a value is set by `env = { NAME = \"value\" }`".to_owned();
        report.error(format!("`{}` cannot be a variable", name.value), at, "is empty or has a `=`").hint(hint);
    }
}

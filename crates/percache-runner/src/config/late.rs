//! Commands with `{inputs}`, `{outputs}` and `{deps}`: the paths are known only when the task is about to run.
//!
//! Knows how they are put into a command, not which paths they are.

use super::bind::Bindings;
use super::keys::RawCommand;
use super::placeholder::{Piece, Slot};
use super::report::Report;
use super::shell::ShellText;
use super::stated::{Stated, Text};
use crate::model::path::RelPath;
use crate::model::{Inputs, LateCommand, LatePiece, LateWord, List, Task, TaskCommand};

/// A value that any shell would take apart if it were not quoted.
const AWKWARD: &str = "a b'\"$(c)";

/// Returns the command with its placeholders for lists, if it has any. `before` are the words of the task's shell.
/// Reports places where paths cannot be quoted.
pub(super) fn late(
    stated: &Stated,
    bind: &Bindings<'_>,
    before: Option<&[String]>,
    cwd: &RelPath,
    report: &mut Report,
) -> Option<LateCommand> {
    let command = stated.keys.command.as_ref()?;
    let texts: Vec<&Text> = match command {
        RawCommand::Shell(text) => vec![text],
        RawCommand::Argv(items) => items.iter().collect(),
    };
    texts.iter().find(|text| lists(text).next().is_some())?;
    let mut words = Vec::new();
    for word in before.into_iter().flatten() {
        words.push(LateWord::Word(vec![LatePiece::Written(word.clone())]));
    }
    let script = match command {
        RawCommand::Shell(_) => Some(0),
        RawCommand::Argv(items) => super::bind::script(items),
    };
    for (position, text) in texts.into_iter().enumerate() {
        let pieces = pieces(text, bind, cwd);
        if script == Some(position) {
            check_places(text, report);
            words.push(LateWord::Script(pieces));
        } else if let [Piece::Slot(Slot::Args)] = text.template.pieces() {
            words.extend(bind.args.iter().map(|arg| LateWord::Word(vec![LatePiece::Value(arg.clone())])));
        } else {
            words.push(LateWord::Word(pieces));
        }
    }
    Some(LateCommand { words, shell: before.is_none() && matches!(command, RawCommand::Shell(_)) })
}

/// Yields the lists that a text names.
fn lists(text: &Text) -> impl Iterator<Item = List> {
    text.template.pieces().iter().filter_map(|piece| match piece {
        Piece::Slot(Slot::List(list)) => Some(*list),
        _ => None,
    })
}

fn pieces(text: &Text, bind: &Bindings<'_>, cwd: &RelPath) -> Vec<LatePiece> {
    let mut pieces = Vec::new();
    for piece in text.template.pieces() {
        match piece {
            Piece::Text(written) => pieces.push(LatePiece::Written(written.clone())),
            Piece::Slot(Slot::List(list)) => pieces.push(LatePiece::List(*list)),
            Piece::Slot(Slot::Args) => {
                for (position, arg) in bind.args.iter().enumerate() {
                    if position > 0 {
                        pieces.push(LatePiece::Written(" ".to_owned()));
                    }
                    pieces.push(LatePiece::Value(arg.clone()));
                }
            }
            Piece::Slot(slot) => pieces.push(LatePiece::Value(bind.argument(*slot, cwd).into_owned())),
        }
    }
    pieces
}

/// Reports a list in a place of a script where a path would not be data.
fn check_places(text: &Text, report: &mut Report) {
    let mut shell = ShellText::new();
    let mut slots = 0;
    for piece in text.template.pieces() {
        let Piece::Slot(slot) = piece else {
            if let Piece::Text(written) = piece {
                shell.push_written(written);
            }
            continue;
        };
        if shell.push_value(AWKWARD).is_err() && matches!(slot, Slot::List(_)) {
            let hint = "let it stand by itself, between blanks, outside of quotes".to_owned();
            let title = "paths cannot be put here as data";
            report.error(title, text.slot_place(slots, report), "the shell would not take a path for data").hint(hint);
        }
        slots += 1;
    }
}

/// Reports lists in the command that are empty whatever happens.
pub(super) fn check_lists(stated: &Stated, task: &Task, report: &mut Report) {
    let texts: Vec<&Text> = match &stated.keys.command {
        Some(RawCommand::Shell(text)) => vec![text],
        Some(RawCommand::Argv(items)) => items.iter().collect(),
        None => return,
    };
    for text in texts {
        let slots = text.template.pieces().iter().filter(|piece| matches!(piece, Piece::Slot(_)));
        for (number, slot) in slots.enumerate() {
            let Piece::Slot(Slot::List(list)) = slot else { continue };
            let (name, label, hint) = match list {
                List::Inputs if is_unstated(&task.inputs) => {
                    ("{inputs}", "the task names no inputs", "list the files in `inputs`")
                }
                List::Outputs if task.outputs.literals().next().is_none() => (
                    "{outputs}",
                    "the task names no output without wildcards",
                    "name the files in `outputs`, or write the paths here",
                ),
                List::Deps if stated.deps().is_empty() => {
                    ("{deps}", "the task has no `deps`", "name the tasks in `deps`, or write `{inputs}`")
                }
                _ => continue,
            };
            let title = format!("`{name}` stands for nothing here");
            report.error(title, text.slot_place(number, report), label).hint(hint.to_owned());
        }
    }
}

fn is_unstated(inputs: &Inputs) -> bool {
    let own = |index: usize| index >= inputs.shared;
    let patterns = inputs.patterns.patterns().iter().chain(inputs.partial.patterns());
    !patterns.filter(|pattern| !pattern.negated).any(|pattern| own(pattern.index))
}

/// Puts paths into a command: quoted in a script, as elements of their own where a placeholder is a whole element.
///
/// # Errors
/// Returns the list with a path that cannot be quoted where it stands.
pub fn fill_in(command: &LateCommand, paths: impl Fn(List) -> Vec<String>) -> Result<TaskCommand, List> {
    let mut words = Vec::with_capacity(command.words.len());
    for word in &command.words {
        match word {
            LateWord::Script(pieces) => words.push(script(pieces, &paths)?),
            LateWord::Word(pieces) => match &pieces[..] {
                [LatePiece::List(list)] => words.extend(paths(*list)),
                pieces => words.push(pieces.iter().map(|piece| plain(piece, &paths)).collect()),
            },
        }
    }
    Ok(match words.pop() {
        Some(text) if command.shell => TaskCommand::Shell(text),
        last => TaskCommand::Argv(words.into_iter().chain(last).collect()),
    })
}

fn plain(piece: &LatePiece, paths: &impl Fn(List) -> Vec<String>) -> String {
    match piece {
        LatePiece::Written(text) | LatePiece::Value(text) => text.clone(),
        LatePiece::List(list) => paths(*list).join(" "),
    }
}

fn script(pieces: &[LatePiece], paths: &impl Fn(List) -> Vec<String>) -> Result<String, List> {
    let mut shell = ShellText::new();
    for piece in pieces {
        match piece {
            LatePiece::Written(text) => shell.push_written(text),
            // Checked when the configuration was read.
            LatePiece::Value(value) => drop(shell.push_value(value)),
            LatePiece::List(list) => shell.push_values(&paths(*list)).map_err(|_| *list)?,
        }
    }
    Ok(shell.finish())
}

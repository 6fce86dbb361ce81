//! `percache init`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use percache_runner::Project;
use percache_runner::configuration::{FILE_NAME, File, InitError, Proposal, Source, propose};

use crate::args::{Cli, From, Init};
use crate::commands::gc::count;
use crate::error::{CliError, SUCCESS};

use crate::terminal::style::{Paint, Style};

/// Writes a first configuration. Never changes an existing file.
pub fn run(cli: &Cli, args: &Init) -> Result<u8, CliError> {
    let dir = cli.directory.as_deref().unwrap_or(Path::new("."));
    let dir = dir.canonicalize().map_err(|e| CliError::directory(dir, &e))?;
    let Proposal { files, others } = propose(&dir, args.from.map(source)).map_err(refused)?;
    if args.dry_run {
        for file in &files {
            if !file.dir.is_empty() {
                crate::say!("\n# ---- {}/{FILE_NAME}", file.dir);
            }
            crate::say!("{}", file.text.trim_end());
        }
        return Ok(SUCCESS);
    }
    let paint = Paint::stdout(cli.color);
    let mut root = true;
    for file in &files {
        match write(&dir, file) {
            Ok(()) => say_written(file, paint),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && !root => {
                crate::say!("{} {}/{FILE_NAME}: it is there already", paint.apply(Style::Faint, "kept   "), file.dir);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let hint = "`percache init -n` shows what would be written";
                return Err(CliError::usage(format!("there is a {FILE_NAME} here already")).hint(Some(hint)));
            }
            Err(e) => return Err(CliError::failure(format!("cannot write `{}`: {e}", path(file)))),
        }
        root = false;
    }
    for other in others {
        crate::say!("{} {other}", paint.apply(Style::Hint, "or     "));
    }
    // What was written must be valid; if it is not, the mistake is shown with its place.
    let project = Project::load(&dir, &[])?;
    let tasks = project.workspace.tasks.len();
    let all = if tasks == 1 { "it" } else { "them all" };
    let tasks = count(tasks as u64, "task");
    crate::say!("\n{tasks}; `percache list` shows {all}, `percache build` builds");
    Ok(SUCCESS)
}

fn source(from: From) -> Source {
    match from {
        From::Make => Source::Make,
        From::C => Source::C,
        From::Npm => Source::Npm,
        From::Turbo => Source::Turbo,
        From::Nx => Source::Nx,
        From::Cargo => Source::Cargo,
        From::Python => Source::Python,
        From::Taskfile => Source::Taskfile,
        From::Justfile => Source::Justfile,
        From::Dvc => Source::Dvc,
    }
}

fn refused(error: InitError) -> CliError {
    let correct = "correct that file; init reads it to propose tasks";
    match &error {
        InitError::NotThere(_) => {
            CliError::usage(error).hint(Some("without `--from`, init proposes tasks for whatever it finds"))
        }
        InitError::Broken(_) => CliError::usage(error).hint(Some(correct)),
        InitError::Malformed(excerpt) => {
            let title = format!("{} cannot be read", excerpt.file);
            CliError::mistakes(excerpt.diagnostics(title, correct))
        }
    }
}

fn path(file: &File) -> String {
    if file.dir.is_empty() { FILE_NAME.to_owned() } else { format!("{}/{FILE_NAME}", file.dir) }
}

fn write(dir: &Path, file: &File) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).open(dir.join(path(file)))?;
    new.write_all(file.text.as_bytes())
}

fn say_written(file: &File, paint: Paint) {
    let found = if file.found.is_empty() { "nothing known was found".to_owned() } else { file.found.join(", ") };
    crate::say!("{} {} ({found})", paint.apply(Style::Good, "written"), path(file));
}

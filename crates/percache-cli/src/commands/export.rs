//! `percache export` and `percache import`: results move between stores in a file, without any server.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use percache::base::clock::Time;
use percache::store::Store;
use percache_runner::text::{format_size, parse_age, shown};
use percache_runner::{Project, Stop, store};

use crate::args::{Cli, Export, Import};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::remote::archive::{self, ArchiveError, ExportError, Imported, Uses, Wanted, Written};
use crate::remote::{Notary, notary};
use crate::setup::{load, open_store};
use crate::terminal::output::Stdout;
use crate::terminal::style::{Paint, Style};

/// The name of a file that stands for standard input or output.
const STREAM: &str = "-";

/// Runs `percache export`.
pub fn export(cli: &Cli, args: &Export) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let store = open_store(&project.store_dir, Paint::stderr(cli.color));
    let names = match args.tasks.is_empty() {
        true => None,
        false => Some(project.select(&args.tasks)?),
    };
    let names = names.map(|ids| ids.into_iter().map(|id| &*project.workspace.task(id).name).collect::<HashSet<_>>());
    let tasks = |name: &str| names.as_ref().is_none_or(|names| names.contains(name));
    let wanted = Wanted { tasks: &tasks, used: used(args, &store, &project)? };
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let notary = notary(&project.workspace)?;
    let failed = |error| match error {
        ExportError::Store(error) => Err(CliError::store(&error, &project.store_dir)),
        ExportError::File(error) => {
            let hint = "look at the permissions and the free space";
            Err(CliError::failure(format!("`{}` cannot be written: {error}", shown(&args.file))).hint(Some(hint)))
        }
        ExportError::Stopped => Ok(INTERRUPTED),
    };
    let from = Source { store: &store, notary: &notary, wanted: &wanted, stop: &stop };
    let written = match args.file == Path::new(STREAM) {
        true => from.to_stream(),
        false => from.to_file(&args.file),
    };
    let written = match written {
        Ok(written) => written,
        Err(error) => return failed(error),
    };
    tell_written(cli, &args.file, &written);
    Ok(SUCCESS)
}

/// What is exported.
struct Source<'a> {
    store: &'a Store,
    notary: &'a Notary,
    wanted: &'a Wanted<'a>,
    stop: &'a Stop,
}

impl Source<'_> {
    fn to_stream(&self) -> Result<Written, ExportError> {
        let (written, mut to) = self.write(BufWriter::new(Stdout))?;
        to.flush()?;
        Ok(written)
    }

    /// Writes the file, which is there when it is complete, and not before.
    fn to_file(&self, path: &Path) -> Result<Written, ExportError> {
        let half = Half::beside(path)?;
        let (written, to) = self.write(BufWriter::new(half.file.try_clone()?))?;
        to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        half.complete(path)?;
        Ok(written)
    }

    fn write<W: Write>(&self, to: W) -> Result<(Written, W), ExportError> {
        archive::export(self.store, self.notary, self.wanted, to, self.stop)
    }
}

/// Tells what was written, on standard error: standard output may be the file.
fn tell_written(cli: &Cli, file: &Path, written: &Written) {
    if !cli.quiet {
        let (results, bytes) = (count(written.results, "result"), format_size(written.bytes));
        let contents = count(written.contents, "content");
        let place = if file == Path::new(STREAM) { String::new() } else { format!(" to `{}`", shown(file)) };
        crate::aside!("exported {results}{place} ({contents}, {bytes})");
    }
    if written.incomplete > 0 {
        let left_out = count(written.incomplete, "result");
        let hint = "`percache verify` shows what is damaged";
        warn(cli, &format!("{left_out} left out, because the store does not have all of their contents"), hint);
    }
}

/// Returns when results were used and since when they must have been, if that matters.
fn used(args: &Export, store: &Store, project: &Project) -> Result<Option<Uses>, CliError> {
    let Some(age) = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)? else { return Ok(None) };
    let uses = store::last_uses(store, &project.store_dir);
    let uses = uses.map_err(|e| CliError::maintenance(&e, &project.store_dir))?;
    Ok(Some(Uses { last: uses, since: Time::now().saturating_sub(age) }))
}

/// A file that is not complete yet. Dropped, it is gone.
struct Half {
    path: PathBuf,
    file: File,
    complete: bool,
}

impl Half {
    fn beside(path: &Path) -> io::Result<Half> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        Ok(Half { path, file, complete: false })
    }

    fn complete(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if !self.complete {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Runs `percache import`.
pub fn import(cli: &Cli, args: &Import) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let store = open_store(&project.store_dir, Paint::stderr(cli.color));
    let notary = notary(&project.workspace)?;
    let mut status = SUCCESS;
    for path in &args.files {
        let from: Box<dyn Read> = match path == Path::new(STREAM) {
            true => Box::new(io::stdin().lock()),
            false => Box::new(File::open(path).map_err(|e| unreadable(path, &e))?),
        };
        let name = shown(path);
        let imported = archive::import(&project, &store, &notary, from, &name);
        let imported = imported.map_err(|e| CliError::store(&e, &project.store_dir))?;
        if !tell(cli, &name, &imported) {
            status = FAILURE;
        }
    }
    Ok(status)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let hint = "`percache export FILE` writes such a file";
    CliError::usage(format!("`{}` cannot be read: {error}", shown(path))).hint(Some(hint))
}

/// Tells what became of a file. Returns whether all of it was as it should be.
fn tell(cli: &Cli, name: &str, imported: &Imported) -> bool {
    let Imported { new, known, tied, refused, why, bytes, error } = imported;
    if !cli.quiet {
        let mut line = format!("imported {} from `{name}` ({})", count(*new, "result"), format_size(*bytes));
        let others = [(known, "here already"), (tied, "tied to another directory"), (refused, "not used")];
        others.iter().filter(|(count, _)| **count > 0).for_each(|(count, words)| {
            line.push_str(&format!(", {count} {words}"));
        });
        crate::say!("{line}");
    }
    if let Some(error) = error {
        warn(cli, &format!("`{name}`: {error}"), way_out(error));
    }
    if let Some(why) = why {
        let hint = "`trust` of [remote] says whose results are used; the others are taken nevertheless";
        warn(cli, &format!("`{name}`: {refused} not used: {why}"), hint);
    }
    error.is_none() && *refused == 0
}

fn way_out(error: &ArchiveError) -> &'static str {
    match error {
        ArchiveError::Foreign => "`percache export FILE` writes such a file",
        ArchiveError::Version => "export it with the version of percache that imports it",
        ArchiveError::Store(_) => "what came before that was taken; look at the free space, and import it again",
        ArchiveError::Short | ArchiveError::Damaged(_) | ArchiveError::Read(_) => {
            "what came before that was taken; import it once more when it is whole"
        }
    }
}

fn warn(cli: &Cli, message: &str, hint: &str) {
    let paint = Paint::stderr(cli.color);
    crate::aside!("{} {message}", paint.apply(Style::Warning, "warning:"));
    crate::aside!("{} {hint}", paint.apply(Style::Hint, "hint:"));
}

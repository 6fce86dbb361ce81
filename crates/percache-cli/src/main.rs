//! The command `percache`: parses the command line, prints what happens, and returns the exit status.

/// Prints a line. Removes everything but text and colours, because file names in it could control the terminal. Errors
/// of writing are reported at the end, see [`output`].
macro_rules! say {
    () => {
        crate::say!("")
    };
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let line = crate::report::text::clean_message(&format!($($text)*)) + "\n";
        let _ = crate::terminal::output::Stdout.write_all(line.as_bytes());
    }};
}
pub(crate) use say;

/// Prints a line to stderr, cleaned like one to stdout. Errors of writing are ignored.
macro_rules! aside {
    () => {
        crate::aside!("")
    };
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let line = crate::report::text::clean_message(&format!($($text)*)) + "\n";
        let _ = crate::terminal::output::Stderr.write_all(line.as_bytes());
    }};
}
pub(crate) use aside;

mod args;
mod commands;
mod completion;
mod diagnostic;
mod error;
mod messages;
mod registry;
#[cfg(feature = "remote")]
mod remote;
mod report;
mod setup;
mod terminal;
mod topics;
mod usage;

use std::process::ExitCode;

use crate::args::{ColorWhen, Command};
use crate::error::{CliError, SUCCESS};
use crate::terminal::style::Paint;

fn main() -> ExitCode {
    if let Some(answered) = completion::answer() {
        return end(answered, Paint::stderr(ColorWhen::Auto));
    }
    let cli = match usage::parse() {
        Ok(Some(cli)) => cli,
        Ok(None) => return end(Ok(SUCCESS), Paint::stderr(ColorWhen::Auto)),
        Err((error, paint)) => return end(Err(error), paint),
    };
    let done = match &cli.command {
        _ if commands::functions::is_meant(&cli) => commands::functions::run(&cli),
        Command::Build(args) => commands::build::run(&cli, args),
        Command::Accept(args) => commands::accept::run(&cli, args),
        Command::Exec(args) => commands::exec::run(&cli, args),
        Command::Compdb(args) => commands::compdb::run(&cli, args),
        Command::Completions(args) => commands::completions::run(args),
        Command::Schema => commands::schema::run(),
        Command::Help(args) => commands::help::run(&cli, args),
        Command::Man(args) => commands::man::run(args),
        Command::Watch(args) => commands::watch::run(&cli, args),
        Command::Why(args) => commands::why::run(&cli, args),
        Command::Init(args) => commands::init::run(&cli, args),
        Command::List(args) => commands::list::run(&cli, args),
        Command::Graph(args) => commands::graph::run(&cli, args),
        Command::Report(args) => commands::report::run(&cli, args),
        Command::Log(args) => commands::log::run(&cli, args),
        Command::Gc(args) => commands::gc::run(&cli, args),
        Command::Clear(args) => commands::clear::run(&cli, args),
        Command::Clean(args) => commands::clean::run(&cli, args),
        Command::Stats(args) => commands::stats::run(&cli, args),
        Command::Verify(args) => commands::verify::run(&cli, args),
        #[cfg(feature = "remote")]
        Command::Remote(args) => commands::remote::run(&cli, args),
        #[cfg(feature = "remote")]
        Command::Export(args) => commands::export::export(&cli, args),
        #[cfg(feature = "remote")]
        Command::Import(args) => commands::export::import(&cli, args),
        Command::Displaced(args) => commands::displaced::run(&cli, args),
    };
    let paint = Paint::stderr(cli.color);
    match done {
        Ok(status) if matches!(cli.command, Command::Build(_)) => leave(terminal::output::status(status, paint)),
        done => end(done, paint),
    }
}

/// Reports the error that ended the command, if any, and errors of writing.
fn end(done: Result<u8, CliError>, paint: Paint) -> ExitCode {
    let status = done.unwrap_or_else(|error| error.report(paint));
    ExitCode::from(terminal::output::status(status, paint))
}

/// Ends the process without running destructors. RocksDB has hundreds of static objects, and destroying them takes half
/// a millisecond: a tenth of a build that has few files to examine and nothing to do.
fn leave(status: u8) -> ExitCode {
    signal_hook::low_level::exit(status.into())
}

//! The command `percache`: what is written on the command line, what is said in return, and the exit status.

/// Prints a line; what names of files may have in them besides text and colours is left out, it would control the terminal. Who closed the other end (`percache list | head`) does not want to read on, and that is no error.
macro_rules! say {
    () => {
        crate::say!("")
    };
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), "{}", crate::report::text::clean_message(&format!($($text)*)));
    }};
}
pub(crate) use say;

/// Prints a line to stderr, cleaned like one to stdout. That it cannot be written changes nothing about what it is said of.
macro_rules! aside {
    () => {
        crate::aside!("")
    };
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{}", crate::report::text::clean_message(&format!($($text)*)));
    }};
}
pub(crate) use aside;

mod args;
mod commands;
mod completion;
mod diagnostic;
mod error;
mod markdown;
mod pager;
mod report;
mod setup;
mod style;
mod topics;
mod usage;

use std::process::ExitCode;

use crate::args::Command;
use crate::style::Paint;

fn main() -> ExitCode {
    completion::answer();
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err((error, paint)) => return error.report(paint),
    };
    let done = match &cli.command {
        _ if commands::functions::is_meant(&cli) => commands::functions::run(&cli),
        Command::Build(args) => commands::build::run(&cli, args),
        Command::Exec(args) => commands::exec::run(&cli, args),
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
        Command::Stats(args) => commands::stats::run(&cli, args),
        Command::Verify(args) => commands::verify::run(&cli, args),
    };
    match done {
        Ok(status) if matches!(cli.command, Command::Build(_)) => leave(status),
        Ok(status) => ExitCode::from(status),
        Err(error) => error.report(Paint::stderr(cli.color)),
    }
}

/// Ends the process at once. RocksDB has hundreds of static objects, and to take them down takes half a millisecond: a tenth of a build
/// that has few files to look at and nothing to do.
fn leave(status: u8) -> ExitCode {
    use std::io::Write as _;
    // Who does not read on has no use for the rest.
    let _ = std::io::stdout().flush();
    signal_hook::low_level::exit(status.into())
}

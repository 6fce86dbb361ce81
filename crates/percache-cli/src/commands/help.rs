//! `percache help`: shows the help of commands, from clap, and topics, from the documentation.

use clap::CommandFactory;

use crate::args::{Cli, Help};
use crate::error::{CliError, SUCCESS};
use crate::terminal::style::Paint;
use crate::terminal::{markdown, pager};
use crate::topics;

/// Explains a command or a topic.
pub fn run(cli: &Cli, args: &Help) -> Result<u8, CliError> {
    let paint = Paint::stdout(cli.color);
    let command = Cli::command();
    let text = match &args.subject {
        None => asked(&["percache", "--help"], paint),
        Some(name) => match (command.find_subcommand(name), topics::find(name)) {
            (Some(_), _) => asked(&["percache", name, "--help"], paint),
            (None, Some(topic)) => markdown::render(&topic.text(), pager::width(), paint),
            (None, None) => return Err(unknown(&command, name)),
        },
    };
    pager::show(&text);
    Ok(SUCCESS)
}

/// Returns clap's answer to these words.
fn asked(words: &[&str], paint: Paint) -> String {
    let help = Cli::command().try_get_matches_from(words).map_or_else(|help| help.render(), |_| Default::default());
    if paint.is_on() { help.ansi().to_string() } else { help.to_string() }
}

fn unknown(command: &clap::Command, name: &str) -> CliError {
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| command.get_name());
    let known: Vec<&str> = commands.chain(topics::TOPICS.iter().map(|topic| topic.name)).collect();
    let hint = match percache_runner::text::nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`percache help` lists all commands and topics".to_owned(),
    };
    CliError::usage(format!("there is no command and no topic `{name}`")).hint(Some(hint))
}

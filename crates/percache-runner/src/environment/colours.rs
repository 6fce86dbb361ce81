//! What a command is told of colours: to write them, unless they could end up in what it makes.
//!
//! Commands write into a pipe, and most would leave colours out. Whoever builds wants them in the log, where percache keeps them as
//! written and takes them out when they are shown to somebody who wants none. The variables for that hold for whatever a program
//! writes: under FORCE_COLOR, `node -p 1+1 > out` leaves escape sequences in a file. So a command is told only if its text passes
//! nothing that it prints on to somebody else, and it is told the same on a terminal, in a pipe and in CI: what it makes must not
//! depend on who looked, under one key.

use crate::environment::Environment;
use crate::model::{Task, TaskCommand};

/// For programs that follow <https://bixense.com/clicolors/>; Node.js, pytest, Python and most of what runs on them
/// (<https://force-color.org>); cargo, which passes it on to rustc.
const TOLD: [(&str, &str); 3] = [("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1"), ("CARGO_TERM_COLOR", "always")];
/// Whoever sets one of these decides alone.
const DECIDES: [&str; 6] =
    ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "CARGO_TERM_COLOR", "NODE_DISABLE_COLORS"];
/// By what a shell passes on what a command prints: to a file, another command, or a variable.
const PASSES_ON: [&str; 4] = [">", "|", "`", "$("];

/// The variables that tell `command`, the one of `task` with all arguments; it sees `environment` besides.
pub fn told(task: &Task, command: &TaskCommand, environment: &Environment) -> &'static [(&'static str, &'static str)] {
    // Apart, stdout is given to whoever waits for it byte by byte. What owns the terminal sees for itself.
    let log_only = !task.interactive && !task.apart && prints_into_the_log(command);
    let decided = || DECIDES.iter().any(|name| environment.variables.keys().any(|known| known == name));
    if log_only && !decided() { &TOLD } else { &[] }
}

fn prints_into_the_log(command: &TaskCommand) -> bool {
    let alone = |text: &String| !PASSES_ON.iter().any(|sign| text.contains(sign));
    match command {
        TaskCommand::Shell(text) => alone(text),
        // One of the arguments may be a text for a shell.
        TaskCommand::Argv(arguments) => arguments.iter().all(alone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> bool {
        prints_into_the_log(&TaskCommand::Shell(text.to_owned()))
    }

    #[test]
    fn what_is_passed_on_is_not_coloured() {
        assert!(shell("cargo test") && shell("cd app && npm test; echo ${HOME}"));
        assert!(!shell("node -p 1+1 > out") && !shell("tool 2>&1 | tee log") && !shell("x=$(node -p 1)"));
        assert!(!shell("x=`node -p 1`") && !shell("sh -c 'tool >out'"));
        let argv = |arguments: &[&str]| {
            prints_into_the_log(&TaskCommand::Argv(arguments.iter().map(|&argument| argument.to_owned()).collect()))
        };
        assert!(argv(&["cargo", "test"]) && !argv(&["sh", "-c", "tool > out"]));
    }
}

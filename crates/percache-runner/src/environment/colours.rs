//! Tells commands to write colours, unless these could end up in their outputs.
//!
//! Commands write to a pipe, and most would leave colours out. The user wants them in the log, where percache keeps
//! them as written and removes them when the log is shown where colours are not wanted. But the variables for that
//! apply to everything a program writes: under FORCE_COLOR, `node -p 1+1 > out` leaves escape sequences in a file. So a
//! command gets them only if its text does not redirect or pipe what it prints, and it gets the same ones on a
//! terminal, in a pipe and in CI: under one key, its outputs must not depend on who looked.

use crate::environment::Environment;
use crate::model::{Task, TaskCommand};

/// The first is for programs that follow <https://bixense.com/clicolors/>; the second for Node.js, pytest, Python and
/// most of what runs on them (<https://force-color.org>); the third for cargo, which passes it on to rustc.
const TOLD: [(&str, &str); 3] = [("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1"), ("CARGO_TERM_COLOR", "always")];
/// If the user sets one of these, percache adds none.
const DECIDES: [&str; 6] =
    ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "CARGO_TERM_COLOR", "NODE_DISABLE_COLORS"];
/// How a shell passes on the output of a command: to a file, another command, or a variable.
const PASSES_ON: [&str; 4] = [">", "|", "`", "$("];

/// Returns the variables to add for `command`, which is that of `task` with all arguments filled in and runs in
/// `environment`.
pub fn told(task: &Task, command: &TaskCommand, environment: &Environment) -> &'static [(&'static str, &'static str)] {
    // With streams apart, stdout goes unchanged to whoever waits for it. A command that owns the terminal detects it
    // itself.
    let log_only = !task.interactive && !task.apart && prints_into_the_log(command);
    let decided = || DECIDES.iter().any(|name| environment.variables.keys().any(|known| known == name));
    if log_only && !decided() { &TOLD } else { &[] }
}

fn prints_into_the_log(command: &TaskCommand) -> bool {
    let alone = |text: &String| !PASSES_ON.iter().any(|sign| text.contains(sign));
    match command {
        TaskCommand::Shell(text) => alone(text),
        // One of the arguments may be a script for a shell.
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

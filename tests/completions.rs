//! `completions`: scripts that their shells understand.

use crate::sandbox::Sandbox;

#[test]
fn bash_completes_commands_and_options() {
    let ws = Sandbox::empty();
    let script = ws.percache(["completions", "bash"]).succeeds().stdout;
    ws.write("percache.bash", script);
    let complete = |words: &str, count: usize| {
        let ask = format!(
            "bash -c '. ./percache.bash; COMP_WORDS=({words}); COMP_CWORD={count}; _percache percache \"${{COMP_WORDS[{count}]}}\" x; echo \"${{COMPREPLY[@]}}\"'"
        );
        ws.shell(&ask)
    };
    assert_eq!(complete("percache buil", 1).trim(), "build");
    assert_eq!(complete("percache build --keep", 2).trim(), "--keep-going");
}

#[test]
fn every_shell_has_a_script_and_others_are_refused() {
    let ws = Sandbox::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        ws.percache(["completions", shell]).succeeds().says(["percache", "keep-going"]);
    }
    ws.percache(["completions", "csh"]).exits(2);
}

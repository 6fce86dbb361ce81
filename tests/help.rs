//! `help`: commands and topics; manual pages.

use crate::sandbox::Sandbox;

#[test]
fn help_lists_commands_and_topics() {
    let ws = Sandbox::empty();
    for arguments in [["help"], ["--help"]] {
        ws.percache(arguments).succeeds().says(["build", "Topics of `percache help`", "fingerprint", "patterns"]);
    }
}

#[test]
fn help_explains_commands_as_they_do_themselves() {
    let ws = Sandbox::empty();
    for command in ["build", "gc", "exec"] {
        let own = ws.percache([command, "--help"]).succeeds().stdout;
        let help = ws.percache(["help", command]).succeeds().stdout;
        assert_eq!(help.trim_end(), own.trim_end());
    }
}

#[test]
fn help_explains_every_topic_that_it_lists() {
    let ws = Sandbox::empty();
    let overview = ws.percache(["help"]).succeeds().stdout;
    let topics = overview.split("Topics of `percache help`:\n").nth(1).expect("a list of topics");
    let names: Vec<&str> = topics.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let text = ws.percache(["help", name]).succeeds().does_not_say("\x1b").stdout;
        assert!(text.lines().count() > 5, "{name}: {text}");
        assert!(!text.lines().any(|line| line.starts_with("| ")), "a table of `{name}` is not laid out: {text}");
    }
    ws.percache(["--color", "always", "help", "gc"]).succeeds().says(["\x1b[1m"]);
}

#[test]
fn an_unknown_subject_finds_the_nearest() {
    let ws = Sandbox::empty();
    ws.percache(["help", "fingerprnt"]).exits(2).says(["no topic `fingerprnt`", "did you mean `fingerprint`?"]);
    ws.percache(["help", "xyzzy"]).exits(2).says(["`percache help` lists"]);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let ws = Sandbox::empty();
    ws.percache(["man", "man/man1"]).succeeds();
    for page in ["percache", "percache-build", "percache-gc", "percache-schema"] {
        let text = ws.read(&format!("man/man1/{page}.1"));
        assert!(text.contains(".TH") && text.contains(&page.replace('-', "\\-")), "{page}: {text}");
    }
    assert!(!ws.exists("man/man1/percache-man.1"));
}

//! The guides say what is true: every command in them is run, and answers as shown.

use crate::documents;
use crate::sandbox::Sandbox;

/// Runs a guide, where the programs are there that it asks for.
fn guide(name: &str, programs: &[&str]) {
    let ws = Sandbox::empty();
    for program in programs {
        if ws.shell(&format!("command -v {program} || true")).is_empty() {
            eprintln!("{name} is not run: there is no {program}");
            return;
        }
    }
    documents::run(&format!("docs/guide/{name}.md"));
}

#[test]
fn first_steps() {
    guide("start", &[]);
}

#[test]
fn a_c_project() {
    guide("c-project", &["cc", "git"]);
}

#[test]
fn a_javascript_monorepo() {
    guide("javascript-monorepo", &["node"]);
}

#[test]
fn a_data_pipeline_in_python() {
    guide("python-pipeline", &["python3"]);
}

#[test]
fn continuous_integration() {
    guide("ci", &[]);
}

#[test]
fn a_remote() {
    guide("remote", &[]);
}

#[test]
fn worktrees() {
    guide("worktrees", &["git"]);
}

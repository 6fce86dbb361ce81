//! Servers, and what shows that they are ready.

use std::time::Duration;

use super::workspace;
use crate::model::TaskId;
use crate::process::{Address, Ready, Sign};

fn ready(text: &str) -> Ready {
    let workspace = workspace(&format!("[task.a]\ncommand = 'x'\npersistent = true\nready = {text}\n"), &[]);
    workspace.tasks[0].server.as_ref().unwrap().ready.clone().unwrap()
}

fn address(host: &str, port: u16) -> Address {
    Address { host: host.to_owned(), port }
}

#[test]
fn a_sign_is_what_it_says() {
    for (text, sign) in [
        ("{ tcp = 3000 }", Sign::Tcp(address("localhost", 3000))),
        ("{ tcp = '[::1]:80' }", Sign::Tcp(address("::1", 80))),
        (
            "{ http = 'http://localhost:3000/health?a=1#b' }",
            Sign::Http(address("localhost", 3000), "/health?a=1".into()),
        ),
        ("{ http = 'http://127.0.0.1' }", Sign::Http(address("127.0.0.1", 80), "/".into())),
        ("{ http = 'http://[::1]:8080?x' }", Sign::Http(address("::1", 8080), "/?x".into())),
        ("{ log = 'listening' }", Sign::Log("listening".into())),
        ("{ command = 'test -e \"$a\"' }", Sign::Command("test -e \"$a\"".into())),
    ] {
        assert_eq!(ready(text), Ready { sign, timeout: Duration::from_secs(60) }, "{text}");
    }
    assert_eq!(ready("{ tcp = 1, timeout = '2m' }").timeout, Duration::from_secs(120));
}

#[test]
fn instances_have_ports_of_their_own() {
    let text = "[task.a]\ncommand = 'serve {port}'\npersistent = true\nmatrix = { port = [3000, 3001] }\n\
                ready = { http = 'http://localhost:{port}/' }\n";
    let workspace = workspace(text, &[]);
    let of = |position: usize| workspace.tasks[position].server.clone().unwrap().ready.unwrap().sign;
    assert_eq!(of(0), Sign::Http(address("localhost", 3000), "/".into()));
    assert_eq!(of(1), Sign::Http(address("localhost", 3001), "/".into()));
}

#[test]
fn what_is_stated_for_other_tasks_means_nothing_for_a_server() {
    let text = "[pools]\np = 1\n[template.t]\ntimeout = '1m'\nretries = 3\npool = 'p'\n\
                [task.a]\nextends = ['t']\ncommand = 'x'\npersistent = true\n";
    let task = &workspace(text, &[]).tasks[0];
    assert_eq!((task.timeout, task.retries, task.uses.len(), task.cache), (None, 0, 0, false));
}

#[test]
fn a_bare_build_comes_to_an_end() {
    let tasks = "[task.server]\ncommand = 'x'\npersistent = true\n[task.group]\ndeps = ['server', 'test']\n\
                 [task.test]\ncommand = 'x'\ndeps = ['server']\n";
    let default = |text: &str| {
        let workspace = workspace(text, &[]);
        workspace.default.iter().map(|TaskId(id)| workspace.tasks[*id as usize].name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(default(tasks), ["test"]);
    assert_eq!(default(&format!("[workspace]\ndefault = ['group']\n{tasks}")), ["group"]);
}

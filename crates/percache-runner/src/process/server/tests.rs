//! Tests of servers with little shell scripts.

use std::ffi::OsString;
use std::path::PathBuf;

use super::*;
use crate::process::Stdio;

fn spec(script: &str) -> Spec {
    Spec {
        program: "sh".into(),
        args: ["-e", "-c", script].map(OsString::from).to_vec(),
        cwd: PathBuf::from("/"),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        timeout: None,
        stdio: Stdio::Captured,
    }
}

fn ready(sign: Sign) -> Option<Ready> {
    Some(Ready { sign, timeout: Duration::from_secs(10) })
}

fn start(script: &str, ready: Option<Ready>) -> Server {
    Server::start(spec(script), ready, &mut |_| ()).unwrap()
}

#[test]
fn it_is_ready_when_it_says_so_and_ends_when_it_is_told_to() {
    let server = start(
        "sleep 0.2; printf 'now lis'; sleep 0.1; printf '\\033[32mtening\\n'; sleep 100",
        ready(Sign::Log("listening".into())),
    );
    assert_eq!(server.progress(), Progress::Starting);
    let Progress::Ready(took) = server.wait(&|| false) else { panic!("{:?}", server.progress()) };
    assert!(took >= Duration::from_millis(250), "{took:?}");
    assert!(String::from_utf8(server.take_output()).unwrap().ends_with("tening\n"));
    assert_eq!(server.take_output(), b"");
    server.end();
    let end = loop {
        if let Progress::Ended(end) = server.progress() {
            break end;
        }
    };
    assert_eq!((end.status, end.ready, end.late), (Status::Interrupted, Some(took), None));
}

#[test]
fn one_that_dies_before_it_is_ready_is_not_ready() {
    let server = start("echo no; exit 3", ready(Sign::Command("false".into())));
    let Progress::Ended(end) = server.wait(&|| false) else { panic!("{:?}", server.progress()) };
    assert_eq!((end.status, end.ready), (Status::Exit(3), None));
    assert_eq!(server.log(), (b"no\n".to_vec(), 0));
}

#[test]
fn one_that_is_not_ready_in_time_is_ended_with_what_there_was_instead() {
    let sign = Sign::Command("echo not yet; exit 7".into());
    let ready = Ready { sign, timeout: Duration::from_millis(200) };
    let server = start("sleep 100", Some(ready));
    let Progress::Ended(end) = server.wait(&|| false) else { panic!("{:?}", server.progress()) };
    assert_eq!(end.late.as_deref(), Some("it exits with status 7: not yet"));
}

#[test]
fn a_port_that_somebody_else_has_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let port = address.port;
    let error = Server::start(spec("sleep 100"), ready(Sign::Tcp(address)), &mut |_| ()).err().unwrap();
    assert!(error.to_string().starts_with(&format!("port {port} is in use already")), "{error}");
}

#[test]
fn output_that_nobody_takes_does_not_collect() {
    let server = start("while :; do echo 0123456789012345678901234567890123456789; done", None);
    std::thread::sleep(Duration::from_millis(300));
    let taken = server.take_output().len();
    assert!(taken < 2 * PENDING, "{taken}");
    // It goes on once there is room.
    while server.take_output().is_empty() {}
}

#[test]
fn colours_do_not_hide_a_text() {
    assert_eq!(plain(b"\x1b[1;32mready\x1b[0m in 3 ms"), "ready in 3 ms");
    assert_eq!(plain("größe\x1b[".as_bytes()), "größe");
}

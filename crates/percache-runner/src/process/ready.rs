//! What shows that a server is ready, and looking for it: a connection, an answer over HTTP, a text in its output, a
//! command that succeeds.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Spec, Status, Stdio, Stop, run};

/// How long a connection may take, and each answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a server may take for an answer over HTTP, in which it may compile something.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest status line that is read.
const STATUS_LINE: u64 = 4096;

/// When a server is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What shows it.
    pub sign: Sign,
    /// The time after which a server that is not ready has failed.
    pub timeout: Duration,
}

/// What shows that a server is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    /// It accepts connections.
    Tcp(Address),
    /// It answers a GET of this path with a status from 200 to 399.
    Http(Address, String),
    /// It prints this text.
    Log(String),
    /// This shell command succeeds.
    Command(String),
}

/// A TCP port on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Sign {
    /// Returns the address that the server listens on, if that is known.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Sign::Tcp(address) | Sign::Http(address, _) => Some(address),
            Sign::Log(_) | Sign::Command(_) => None,
        }
    }

    /// Returns the text that shows it in the output of the server.
    pub fn text(&self) -> Option<&str> {
        match self {
            Sign::Log(text) => Some(text),
            _ => None,
        }
    }

    /// Looks for the sign, in at most the time `left`; the error says what there is instead. `server` is the server's
    /// own command, whose directory and environment a command shares. A text is not looked for here.
    pub(super) fn look(&self, server: &Spec, left: Duration, stop: &Stop) -> Result<(), String> {
        match self {
            Sign::Tcp(address) => connect(address, left).map(drop),
            Sign::Http(address, path) => match status(address, path, left.min(ANSWER))? {
                200..400 => Ok(()),
                status => Err(format!("it answers with status {status}")),
            },
            Sign::Log(_) => Err("it has not printed that".to_owned()),
            Sign::Command(command) => try_command(command, server, left, stop),
        }
    }
}

/// `localhost:3000`, `[::1]:3000`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Names the sign: `http://localhost:3000/health`.
impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::Tcp(address) => write!(f, "{address}"),
            Sign::Http(address, path) => write!(f, "http://{address}{path}"),
            Sign::Log(text) => write!(f, "`{text}` in its output"),
            Sign::Command(command) => write!(f, "`{command}`"),
        }
    }
}

impl Address {
    /// Returns the addresses that the host has. `localhost` has two, and servers differ in which of them they take.
    pub(super) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }
}

/// Connects to one of the host's addresses.
fn connect(address: &Address, left: Duration) -> Result<TcpStream, String> {
    let patience = left.min(PATIENCE).max(Duration::from_millis(1));
    let mut last = "it has no address".to_owned();
    for socket in address.resolve().map_err(|e| format!("{} is not known: {e}", address.host))? {
        match TcpStream::connect_timeout(&socket, patience) {
            Ok(stream) => return Ok(stream),
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => last = "nothing listens there".to_owned(),
            Err(e) => last = e.to_string(),
        }
    }
    Err(last)
}

/// Asks for a path over HTTP, and returns the status of the answer.
fn status(address: &Address, path: &str, left: Duration) -> Result<u16, String> {
    let mut stream = connect(address, left)?;
    let unanswered = |e: io::Error| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it accepts connections, but does not answer".to_owned(),
        _ => format!("it does not answer: {e}"),
    };
    let left = left.max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left))).map_err(unanswered)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: percache\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(unanswered)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(STATUS_LINE)).read_until(b'\n', &mut line).map_err(unanswered)?;
    parse_status(&line).ok_or_else(|| "what listens there does not speak HTTP".to_owned())
}

/// Parses `HTTP/1.1 200 OK`.
fn parse_status(line: &[u8]) -> Option<u16> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok()
}

fn try_command(command: &str, server: &Spec, left: Duration, stop: &Stop) -> Result<(), String> {
    let spec = Spec {
        program: "sh".into(),
        args: vec!["-e".into(), "-c".into(), command.into()],
        timeout: Some(left.max(Duration::from_millis(1))),
        stdio: Stdio::Captured,
        ..server.clone()
    };
    let (start, mut output) = (Instant::now(), Vec::new());
    let finished = run(&spec, stop, &mut |_, bytes| output.extend_from_slice(bytes)).map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output);
    let said = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
    let said = said.unwrap_or_default();
    match finished.status {
        Status::Exit(0) => Ok(()),
        Status::Exit(code) => Err(format!("it exits with status {code}{said}")),
        Status::TimedOut => Err(format!("it runs for {}s{said}", start.elapsed().as_secs())),
        Status::Signal(signal) => Err(format!("signal {signal} ends it{said}")),
        Status::Interrupted => Err("it was interrupted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection.
    fn serve(answer: &'static str) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            assert_eq!(request.next().unwrap().unwrap(), "GET /health?a=1 HTTP/1.1");
            assert!(request.any(|line| line.unwrap().starts_with("Host: 127.0.0.1:")));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        Address { host: "127.0.0.1".into(), port }
    }

    #[test]
    fn an_answer_is_known_by_its_status() {
        let ask = |answer| status(&serve(answer), "/health?a=1", ANSWER);
        assert_eq!(ask("HTTP/1.1 200 OK\r\n\r\nfine"), Ok(200));
        assert_eq!(ask("HTTP/1.0 503 Service Unavailable\r\n\r\n"), Ok(503));
        assert_eq!(ask("SSH-2.0-OpenSSH_9.2\r\n"), Err("what listens there does not speak HTTP".into()));
    }

    #[test]
    fn where_nothing_listens_nobody_is_ready() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address { host: "127.0.0.1".into(), port };
        assert_eq!(connect(&address, ANSWER).unwrap_err(), "nothing listens there");
        assert_eq!(address.to_string(), format!("127.0.0.1:{port}"));
        assert_eq!(Address { host: "::1".into(), port: 80 }.to_string(), "[::1]:80");
    }
}

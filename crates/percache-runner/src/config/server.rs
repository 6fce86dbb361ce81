//! `persistent` and `ready`: a server, and what shows that it is ready.

use std::time::Duration;

use super::bind::Bindings;
use super::keys::{RawReady, RawSign, expect_age};
use super::report::{At, Report};
use super::stated::{Stated, Text};
use crate::model::path::RelPath;
use crate::model::server::Server;
use crate::process::{Address, Ready, Sign};

/// How long a server may take to become ready if nothing else is stated. A development server that compiles first takes
/// some ten seconds; who waits in vain should not have to wait for longer than a minute.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server listens if only a port is stated.
const LOCALHOST: &str = "localhost";

/// Returns what makes the task a server; `None` if it ends by itself. Reports mistakes.
pub(super) fn server(stated: &Stated, bind: &Bindings<'_>, cwd: &RelPath, report: &mut Report) -> Option<Server> {
    let keys = &stated.keys;
    keys.persistent.as_ref().filter(|persistent| persistent.value)?;
    Some(Server { ready: keys.ready.as_ref().and_then(|ready| self::ready(ready, bind, cwd, report)) })
}

fn ready(raw: &RawReady<Text>, bind: &Bindings<'_>, cwd: &RelPath, report: &mut Report) -> Option<Ready> {
    let (sign, text) = raw.signs.first()?;
    let sign = match sign {
        RawSign::Tcp => Sign::Tcp(tcp(text, bind, report)?),
        RawSign::Http => http(text, bind, report)?,
        RawSign::Log => Sign::Log(not_empty(bind.text(text), text, report)?),
        RawSign::Command => Sign::Command(not_empty(bind.shell(text, cwd, report), text, report)?),
    };
    let timeout = raw
        .timeout
        .as_ref()
        .and_then(|text| expect_age(report, "ready.timeout", &At { value: bind.text(text), at: text.at.clone() }));
    Some(Ready { sign, timeout: timeout.unwrap_or(PATIENCE) })
}

fn not_empty(value: String, text: &Text, report: &mut Report) -> Option<String> {
    if value.trim().is_empty() {
        let hint = "leave `ready` out if it is ready as soon as it runs".to_owned();
        report.error("the sign of `ready` is empty", text.at.clone(), "says nothing").hint(hint);
        return None;
    }
    Some(value)
}

/// Parses `3000` or `host:3000`.
fn tcp(text: &Text, bind: &Bindings<'_>, report: &mut Report) -> Option<Address> {
    let value = bind.text(text);
    let address = match value.contains(':') {
        true => address(&value, None),
        false => port(&value).map(|port| Address { host: LOCALHOST.to_owned(), port }),
    };
    if address.is_none() {
        let hint = "write a port from 1 to 65535, or a host and a port: `3000`, `\"127.0.0.1:3000\"`".to_owned();
        report.error(format!("`{value}` is not a port"), text.at.clone(), "is not a port").hint(hint);
    }
    address
}

/// Parses `http://host:3000/path`.
fn http(text: &Text, bind: &Bindings<'_>, report: &mut Report) -> Option<Sign> {
    let value = bind.text(text);
    if value.starts_with("https://") {
        let title = "`ready` does not speak https".to_owned();
        let hint = "a server on this machine can be asked by http; or use `command = \"curl --fail …\"`".to_owned();
        report.error(title, text.at.clone(), "takes certificates").hint(hint);
        return None;
    }
    let parsed = value.strip_prefix("http://").and_then(|rest| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let fits = value.chars().all(|c| c.is_ascii_graphic());
        address(host, Some(80)).filter(|_| fits).map(|address| Sign::Http(address, path))
    });
    if parsed.is_none() {
        let hint = "write it in full: `http://localhost:3000/health`".to_owned();
        report.error(format!("`{value}` is not an address for http"), text.at.clone(), "cannot be asked").hint(hint);
    }
    parsed
}

/// Parses a host and a port. An IPv6 address is in brackets.
fn address(text: &str, default: Option<u16>) -> Option<Address> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(text) => port(text)?,
        None if rest.is_empty() => default?,
        None => return None,
    };
    let fits = !host.is_empty() && !host.contains(['@', ' ', '[']);
    fits.then(|| Address { host: host.to_owned(), port })
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

//! What goes wrong between here and a remote, and what is at the bottom of it.

use std::error::Error;
use std::{fmt, io};

use rustls::CertificateError;

/// What kind of failure it is, which decides what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// There is nobody, or nobody answers: the remote is given up.
    Unreachable,
    /// There is no encrypted connection that both ends agree to: the remote is given up.
    Tls,
    /// One call makes no progress, though the remote is there.
    Slow,
    /// A call failed that may succeed the next time.
    Transient,
    /// The caller lacks the right.
    Denied,
    /// The server does not do this.
    Unsupported,
    /// What came is not what was asked for.
    Damaged,
    /// What was asked for is not there.
    Missing,
    /// The reason is on this machine.
    Local,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// What happened, for people; without secrets.
    pub message: String,
}

impl Fault {
    /// Creates one.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }

    /// Creates one for what did not come within the patience for it.
    pub fn timeout(what: &str, patience: std::time::Duration) -> Fault {
        let message = format!("{what}: no answer within {} s", patience.as_secs_f32());
        Fault::new(FaultKind::Slow, message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {}

/// Returns this error and those that lie below it, the deepest last.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| below(*error)).collect()
}

fn below<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // An error of input and output speaks with the words of the error within it, and skips it as its source.
        Some(within) => Some(within),
        None => error.source(),
    }
}

/// An encrypted connection that ended before the server had answered anything: the server has said why only to those
/// who were still listening.
#[derive(Debug, thiserror::Error)]
#[error(
    "the server ended the encrypted connection without an answer; it may want a client certificate, or another one"
)]
pub(crate) struct ClosedEarly;

impl ClosedEarly {
    /// Returns whether the connection was closed, whatever for.
    pub fn is(error: &(dyn Error + 'static)) -> bool {
        causes(error).iter().any(|cause| cause.to_string().contains("connection closed"))
    }
}

/// Returns what is wrong with the encrypted connection, if that is why a call failed.
pub(crate) fn tls(error: &(dyn Error + 'static)) -> Option<String> {
    let all = causes(error);
    if let Some(closed) = all.iter().find_map(|cause| cause.downcast_ref::<ClosedEarly>()) {
        return Some(closed.to_string());
    }
    let Some(error) = all.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) else {
        // HTTP/2 keeps only the words of what breaks its connection.
        let said = all.iter().map(|cause| cause.to_string()).find_map(|text| {
            let (_, alert) = text.split_once("received fatal alert: ")?;
            Some(alert.split(|c: char| !c.is_ascii_alphanumeric()).next()?.to_owned())
        });
        return said.map(|alert| refused(&alert));
    };
    Some(match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "the server's certificate is not signed by a trusted authority".into(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the server's certificate is that of another host: {why}")
            }
            other => format!("the server's certificate is not accepted: {other}"),
        },
        rustls::Error::AlertReceived(alert) => refused(&format!("{alert:?}")),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".into(),
        other => format!("the encrypted connection failed: {other}"),
    })
}

/// Says what an alert of the server's means.
fn refused(alert: &str) -> String {
    match alert {
        "CertificateRequired" => "the server wants a client certificate".to_owned(),
        "BadCertificate"
        | "UnsupportedCertificate"
        | "CertificateRevoked"
        | "CertificateExpired"
        | "CertificateUnknown"
        | "UnknownCA"
        | "AccessDenied" => {
            format!("the server does not accept the client certificate ({alert})")
        }
        alert => format!("the server refused the encrypted connection ({alert})"),
    }
}

/// Returns what the deepest cause of an error says, unless that could have an address with secrets in it.
pub(crate) fn root(error: &(dyn Error + 'static)) -> Option<String> {
    let all = causes(error);
    let text = all.last().filter(|_| all.len() > 1)?.to_string();
    (!text.contains("://")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("send")]
    struct Send(#[source] io::Error);

    #[test]
    fn what_is_at_the_bottom_is_found_within_errors_of_input_and_output() {
        let tls_error = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let error = Send(io::Error::other(io::Error::other(tls_error)));
        assert!(tls(&error).unwrap().contains("has expired"));
        let refused = Send(io::Error::from_raw_os_error(111));
        assert_eq!(tls(&refused), None);
        assert!(root(&refused).unwrap().contains("os error 111"));
        assert_eq!(root(&Send(io::Error::other("get http://me:pw@host/"))), None);
    }
}

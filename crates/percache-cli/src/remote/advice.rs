//! What to check when a server cannot be used: the address, the certificates or the rights.

use percache_remote::FaultKind;

/// Returns what to check; `table` is the one of percache.toml that names the server.
pub fn check(kind: FaultKind, table: &str) -> String {
    match kind {
        FaultKind::Tls => format!(
            "check `tls` of {table} (`ca` is who has signed the server's certificate, `cert` and `key` are shown to it), \
             and the host name in `url`"
        ),
        FaultKind::Denied => format!(
            "check the credentials: `headers` and `tls` of {table}, or the variables of the store's own tools, and \
             what they allow"
        ),
        FaultKind::Local => "it is this machine's".to_owned(),
        _ => format!("check `url` of {table}, and the network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_failure_decides_what_to_check() {
        let table = "[remote]";
        assert!(check(FaultKind::Tls, table).contains("`tls` of [remote]"));
        assert!(check(FaultKind::Denied, table).contains("credentials"));
        for kind in [FaultKind::Unreachable, FaultKind::Transient, FaultKind::Slow] {
            assert!(check(kind, table).contains("`url` of [remote], and the network"));
        }
    }
}

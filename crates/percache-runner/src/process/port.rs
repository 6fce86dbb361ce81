//! Who listens on a port: asked before a server is started, because a connection to somebody else's port would be taken
//! for the sign that it is ready.

use std::net::TcpStream;
use std::time::Duration;

use super::Holder;
use super::ready::Address;

/// How long a connection within this machine may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// Returns whether somebody listens at an address of this machine, and the process if it can be determined.
pub(super) fn listener(address: &Address) -> Option<Option<Holder>> {
    let sockets = address.resolve().ok()?;
    let mut own = sockets.iter().filter(|socket| socket.ip().is_loopback() || socket.ip().is_unspecified());
    let taken = own.any(|socket| TcpStream::connect_timeout(socket, PATIENCE).is_ok());
    taken.then(|| system::listener(address.port))
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeSet;

    use crate::process::{Holder, table};

    /// The state of a socket that listens, in proc_net_tcp(5).
    const LISTENS: &str = "0A";

    /// Returns a process that listens on a port.
    pub(super) fn listener(port: u16) -> Option<Holder> {
        let sockets: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .flat_map(|text| text.lines().filter_map(|line| socket(line, port)).collect::<Vec<_>>())
            .collect();
        let holder = table::all().into_iter().find(|process| table::holds_one(process.id, &sockets))?;
        Some(Holder { id: holder.id, command: table::command_line(holder.id)? })
    }

    /// Returns the name of the socket in a line of the table, if it listens on the port.
    fn socket(line: &str, port: u16) -> Option<String> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (_, own) = fields.next()?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let listens = state == LISTENS && u16::from_str_radix(own, 16) == Ok(port);
        listens.then(|| format!("socket:[{inode}]"))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_socket_is_found_in_the_table() {
            let line = "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 \
                        123456 1 0000000000000000 100 0 0 10 0";
            assert_eq!(socket(line, 3000).as_deref(), Some("socket:[123456]"));
            assert_eq!(socket(line, 3001), None);
            assert_eq!(socket(&line.replace(" 0A ", " 01 "), 3000), None, "a connection is no listener");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use crate::process::Holder;

    pub(super) fn listener(_port: u16) -> Option<Holder> {
        None
    }
}

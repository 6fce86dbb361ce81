//! Ends a server when percache is killed and so cannot do it itself.
//!
//! The next build would end it like any other command of a killed build ([`super::orphans`]), but a server keeps its
//! port until then, and nothing tells its user that it is still there. So a shell waits, in a process group of its own,
//! for the end of a pipe that percache holds. If percache is done with the server, it says so before.
//!
//! The system's own ways do less: PR_SET_PDEATHSIG ends the first process of a server alone.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Ends the process group `$1`: politely, and with SIGKILL if it is still there after five seconds.
const SCRIPT: &str = "read -r _ && exit 0
kill -TERM \"-$1\" 2>/dev/null || exit 0
n=0
while [ $n -lt 50 ] && kill -0 \"-$1\" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
kill -KILL \"-$1\" 2>/dev/null";

/// Watches over a process group until it is dropped.
pub(super) struct Guard(Child);

impl Guard {
    /// Begins to watch over a group. Returns `None` if that is not possible; the next build then ends it.
    pub(super) fn over(group: u32) -> Option<Guard> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "percache-guard", &group.to_string()]).current_dir("/").env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().inspect_err(|e| log::info!("no guard over process group {group}: {e}")).ok().map(Guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // If it does not hear this, the end of the pipe makes it end a group that has ended already.
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.0.wait();
    }
}

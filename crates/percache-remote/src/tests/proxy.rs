//! A network between the tests and a server: it cuts connections, goes silent, or is slow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What is wrong with the network.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The first connection through which so many bytes went is cut.
    CutOnceAfter(u64),
    /// It is slow in both directions.
    Slow {
        /// How slow.
        bytes_a_second: u64,
    },
}

/// A proxy; ends with the process.
pub(super) struct Proxy {
    /// Where it listens.
    pub port: u16,
    stalled: Arc<AtomicBool>,
}

impl Proxy {
    /// Lets nothing through any more, and closes nothing.
    pub fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }
}

struct Network {
    fault: Fault,
    stalled: Arc<AtomicBool>,
    bytes: AtomicU64,
    cut: AtomicBool,
}

/// Starts a proxy in front of a port of this machine.
pub(super) fn start(to: u16, fault: Fault) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stalled = Arc::new(AtomicBool::new(false));
    let network =
        Arc::new(Network { fault, stalled: stalled.clone(), bytes: AtomicU64::new(0), cut: AtomicBool::new(false) });
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to, network) = (from.try_clone().unwrap(), to.try_clone().unwrap(), network.clone());
                std::thread::spawn(move || network.carry(from, to));
            }
        }
    });
    Proxy { port, stalled }
}

impl Network {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.stalled.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let bytes = self.bytes.fetch_add(count as u64, Ordering::Relaxed);
            match self.fault {
                Fault::CutOnceAfter(most) if bytes > most && !self.cut.swap(true, Ordering::Relaxed) => break,
                Fault::Slow { bytes_a_second } => {
                    std::thread::sleep(Duration::from_secs_f64(count as f64 / bytes_a_second as f64));
                }
                _ => {}
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

//! `cargo xtask bench remote`: what sharing costs and brings, beside the same build without it.
//!
//! Two clones share a server of the Remote Execution API if `PERCACHE_TEST_CASD` names buildbox-casd, else Redis if it is
//! installed, else a directory. Every figure is the median of several runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use wait4::Wait4;

use super::table::Spent;
use super::{Place, Settings, built};
use crate::run::{Failure, Result, cargo, check, has_program, path_failure, run};

/// What a way there and back takes through the proxy.
const DELAY: Duration = Duration::from_millis(50);
/// The output that must not have to fit into memory.
const LARGE: u64 = 3 << 30;

/// Measures, and prints the figures beside what they are to be.
pub fn remote(settings: &Settings) -> Result<()> {
    run(&mut cargo(["build", "--release", "--package", "percache-cli"]))?;
    let place = Place::new()?;
    let bench = Bench { program: built("percache")?, dir: place.0.clone(), runs: settings.runs };
    let server = Server::start(&place.0)?;
    let clones = ["one", "two"].map(|name| place.0.join(name));
    clones.iter().try_for_each(|clone| write_workspace(clone, settings))?;
    println!(
        "{} tasks with {} outputs each, {}, {} runs; medians: milliseconds of wall time, peak memory\n",
        settings.tasks, settings.files, server.kind, settings.runs
    );
    bench.all(&clones, &server)
}

struct Bench {
    program: PathBuf,
    dir: PathBuf,
    runs: usize,
}

impl Bench {
    fn all(&self, [one, two]: &[PathBuf; 2], server: &Server) -> Result<()> {
        let plain = self.median(|_| self.afresh(one, None, false))?;
        let uploads = self.median(|round| self.upload(one, round))?;
        self.afresh(one, Some(&server.url), true)?;
        let local = self.median(|_| self.restore(one, None))?;
        let fetched = self.median(|_| self.afresh(two, Some(&server.url), false))?;
        row("build without a remote", plain, "");
        row("build and upload", uploads, &ratio(uploads, plain, 1.10));
        row("restore from the local store", local, "");
        row("restore from the remote, no local store", fetched, &ratio(fetched, local, 1.50));
        if let Some(port) = server.port {
            let proxy = delay(port)?;
            let url = server.url.replace(&port.to_string(), &proxy.to_string());
            let far = self.median(|_| self.afresh(two, Some(&url), false))?;
            let trips = (far.wall.saturating_sub(fetched.wall)).as_secs_f64() / DELAY.as_secs_f64();
            row("the same, 50 ms away", far, &format!("{trips:.1} round trips more (at most 10)"));
        }
        self.build(one, None, false)?;
        let idle = self.median(|_| self.build(one, None, false))?;
        self.build(one, Some(&server.url), true)?;
        let shared = self.median(|_| self.build(one, Some(&server.url), true))?;
        row("nothing to do, without a remote", idle, "");
        row("nothing to do, with a remote", shared, &self.same_calls(one, &server.url)?);
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let closed = closed.map_err(|e| Failure(format!("no port: {e}")))?;
        let down = self.median(|_| self.afresh(two, Some(&format!("grpc://{closed}")), true))?;
        row("build while the remote is down", down, &more(down, plain, 2.5));
        // Nobody answers there (RFC 5737).
        let unroutable = self.median(|_| self.afresh(two, Some("grpc://192.0.2.1:9092"), true))?;
        row("build while the remote cannot be reached", unroutable, &more(unroutable, plain, 2.5));
        if std::env::var_os("PERCACHE_BENCH_LARGE").is_some() {
            self.large(server)?;
        }
        Ok(())
    }

    /// Builds with nothing in the tree and no store.
    fn afresh(&self, clone: &Path, url: Option<&str>, writes: bool) -> Result<Spent> {
        clean(clone, true)?;
        self.build(clone, url, writes)
    }

    /// The same, and uploads everything to a server that has nothing yet.
    fn upload(&self, clone: &Path, round: usize) -> Result<Spent> {
        let dir = self.dir.join(format!("round{round}"));
        fs::create_dir_all(&dir).map_err(|e| path_failure("create", &dir, e))?;
        let server = Server::start(&dir)?;
        let spent = self.afresh(clone, Some(&server.url), true)?;
        let said = fs::read_to_string(self.dir.join("said")).unwrap_or_default();
        check(!said.contains("not uploaded"), || format!("percache did not upload:\n{said}"))?;
        Ok(spent)
    }

    /// Builds with nothing in the tree.
    fn restore(&self, clone: &Path, url: Option<&str>) -> Result<Spent> {
        clean(clone, false)?;
        self.build(clone, url, false)
    }

    fn build(&self, clone: &Path, url: Option<&str>, writes: bool) -> Result<Spent> {
        self.measure(&mut self.command(clone, url, writes))
    }

    fn command(&self, clone: &Path, url: Option<&str>, writes: bool) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("build").current_dir(clone).env("PERCACHE_REMOTE_WRITE", if writes { "true" } else { "false" });
        if let Some(url) = url {
            command.env("PERCACHE_REMOTE_URL", url);
        }
        command
    }

    fn measure(&self, command: &mut Command) -> Result<Spent> {
        let failure = |e| path_failure("run", &self.program, e);
        let said = self.dir.join("said");
        let file = fs::File::create(&said).and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = file.map_err(|e| path_failure("create", &said, e))?;
        let start = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
        let used = child.map_err(failure)?.wait4().map_err(failure)?;
        let wall = start.elapsed();
        let said = || fs::read_to_string(&said).unwrap_or_default();
        check(used.status.success(), || format!("percache failed:\n{}", said()))?;
        Ok(Spent { wall, processor: used.rusage.utime + used.rusage.stime, memory: used.rusage.maxrss })
    }

    fn median(&self, mut once: impl FnMut(usize) -> Result<Spent>) -> Result<Spent> {
        let mut all = (0..self.runs).map(&mut once).collect::<Result<Vec<_>>>()?;
        all.sort_by_key(|spent| spent.wall);
        all.into_iter().nth(self.runs / 2).ok_or_else(|| Failure("no run".into()))
    }

    /// Compares the system calls of builds with nothing to do.
    fn same_calls(&self, clone: &Path, url: &str) -> Result<String> {
        if !has_program("strace") {
            return Ok("system calls not compared: there is no strace".into());
        }
        let calls = |url: Option<&str>| -> Result<usize> {
            let trace = self.dir.join("trace");
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o"]).arg(&trace).arg(&self.program).arg("build").current_dir(clone);
            command.env("PERCACHE_REMOTE_WRITE", "true").stdout(Stdio::null());
            if let Some(url) = url {
                command.env("PERCACHE_REMOTE_URL", url);
            }
            command.status().map_err(|e| path_failure("run", &self.program, e))?;
            let text = fs::read_to_string(&trace).map_err(|e| path_failure("read", &trace, e))?;
            // A call that another thread interrupted has two lines.
            Ok(text.lines().filter(|line| !line.contains(" resumed>")).count())
        };
        let (with, without) = (calls(Some(url))?, calls(None)?);
        Ok(format!("{with} system calls, {without} without (the same)"))
    }

    /// One output of 3 GiB, there and back.
    fn large(&self, server: &Server) -> Result<()> {
        let (here, there) = (self.dir.join("here"), self.dir.join("there"));
        let blocks = LARGE >> 20;
        let config = format!(
            "[task.large]\ncommand = 'openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | \
             head -c {LARGE} > large'\ninputs = []\noutputs = ['large']\n"
        );
        for dir in [&here, &there] {
            fs::create_dir_all(dir).map_err(|e| path_failure("create", dir, e))?;
            write(&dir.join("percache.toml"), &config)?;
        }
        let up = self.build(&here, Some(&server.url), true)?;
        fs::remove_dir_all(&here).map_err(|e| path_failure("remove", &here, e))?;
        let down = self.build(&there, Some(&server.url), false)?;
        let length = fs::metadata(there.join("large")).map_or(0, |of| of.len());
        check(length == LARGE, || format!("{length} bytes came back"))?;
        let note = |spent: Spent| format!("{:.0} MiB/s", blocks as f64 / spent.wall.as_secs_f64());
        row("3 GiB: made and uploaded", up, &note(up));
        row("3 GiB: fetched", down, &note(down));
        Ok(())
    }
}

/// A server, or a directory.
struct Server {
    url: String,
    kind: &'static str,
    port: Option<u16>,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    fn start(dir: &Path) -> Result<Server> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|e| Failure(format!("no port: {e}")))?.port();
        let casd = std::env::var_os("PERCACHE_TEST_CASD").map(PathBuf::from).filter(|path| path.is_file());
        let (mut command, kind, scheme) = if let Some(casd) = casd {
            let mut command = Command::new(casd);
            command.arg(format!("--bind=127.0.0.1:{port}")).arg(dir.join("casd"));
            (command, "buildbox-casd", "grpc")
        } else if has_program("redis-server") {
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
            (command, "Redis", "redis")
        } else {
            let url = format!("file://{}", dir.join("bucket").display());
            return Ok(Server { url, kind: "a directory", port: None, child: None });
        };
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = Some(child.map_err(|e| Failure(format!("{kind} cannot be started: {e}")))?);
        let server = Server { url: format!("{scheme}://127.0.0.1:{port}"), kind, port: Some(port), child };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            check(began.elapsed() < Duration::from_secs(20), || format!("{kind} does not listen"))?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

/// Starts a proxy that holds everything back for half of [`DELAY`] in each direction. Ends with the process.
fn delay(to: u16) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| Failure(format!("no port: {e}")))?;
    let port = listener.local_addr().map_err(|e| Failure(format!("no port: {e}")))?.port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                let (sender, receiver) = channel();
                std::thread::spawn(move || take_in(from, &sender));
                std::thread::spawn(move || give_out(to, &receiver));
            }
        }
    });
    Ok(port)
}

fn take_in(mut from: TcpStream, sender: &Sender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + DELAY / 2, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn give_out(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((when, bytes)) = receiver.recv() {
        std::thread::sleep(when.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn write_workspace(dir: &Path, settings: &Settings) -> Result<()> {
    let mut config = String::new();
    fs::create_dir_all(dir.join("in")).map_err(|e| path_failure("create", dir, e))?;
    for task in 0..settings.tasks {
        config += &format!(
            "[task.t{task}]\ncommand = 'mkdir -p out/{task}; i=0; while [ $i -lt {} ]; do cat in/{task} in/{task} > \
             out/{task}/$i; echo $i >> out/{task}/$i; i=$((i+1)); done'\ninputs = ['in/{task}']\noutputs = \
             ['out/{task}/**']\n",
            settings.files
        );
        let text: String = (0..100).map(|line| format!("line {line} of {task}\n")).collect();
        write(&dir.join(format!("in/{task}")), &text)?;
    }
    write(&dir.join("percache.toml"), &config)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| path_failure("write", path, e))
}

/// Removes the outputs, and the store if `wholly`.
fn clean(dir: &Path, wholly: bool) -> Result<()> {
    for name in ["out", ".percache"].iter().take(if wholly { 2 } else { 1 }) {
        match fs::remove_dir_all(dir.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(path_failure("remove", &dir.join(name), e));
            }
            _ => {}
        }
    }
    Ok(())
}

fn row(what: &str, spent: Spent, note: &str) {
    println!("{what:<42} {:>8.0} ms {:>6} MiB  {note}", spent.wall.as_secs_f64() * 1e3, spent.memory >> 20);
}

fn ratio(spent: Spent, of: Spent, most: f64) -> String {
    format!("{:.2} × (at most {most:.2})", spent.wall.as_secs_f64() / of.wall.as_secs_f64())
}

fn more(spent: Spent, than: Spent, most: f64) -> String {
    let more = spent.wall.saturating_sub(than.wall).as_secs_f64();
    format!("{more:.2} s more (at most {most:.1})")
}

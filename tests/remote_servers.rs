//! Real servers from outside: clones share through each kind that is installed. One that is not is skipped and says so,
//! or fails where `PERCACHE_TEST_SERVERS=required`. `cargo xtask test` installs them where it can.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{Run, Sandbox};

const CONFIG: &str = r#"
    [remote]
    url = "$CACHE"
    write = "$CACHE_WRITE"

    [task.each]
    foreach = "src/*.txt"
    command = "@ran({stem}); cat {file} h > out/{stem}; echo out/{stem}: {file} h > {stem}.d"
    inputs = ["{file}"]
    outputs = ["out/{stem}"]
    depfile = "{stem}.d"

    [task.large]
    command = "@ran(large); seq 1 700000 > large"
    inputs = []
    outputs = ["large"]
"#;

/// A server that runs until it is dropped.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a program, which `variable` may name, and waits until it listens.
pub fn server(variable: &str, name: &str, arguments: &[String], port: u16) -> Option<Server> {
    let program = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
    let child = Command::new(&program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = child else {
        let required = std::env::var("PERCACHE_TEST_SERVERS").is_ok_and(|value| value == "required");
        assert!(!required, "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed; `cargo xtask test` installs it");
        return None;
    };
    let (mut server, began) = (Server(child), Instant::now());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.0.try_wait().unwrap().is_none(), "{program} has ended");
        assert!(began.elapsed() < Duration::from_secs(40), "{program} does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

/// Clones share through a server, with these variables.
pub fn share(url: &str, variables: &[(&str, &str)]) {
    let ws = Sandbox::empty();
    for clone in ["one", "two"] {
        ws.config_in(clone, CONFIG);
        ["a", "b"].iter().for_each(|name| ws.write(&format!("{clone}/src/{name}.txt"), format!("{name}\n")));
        ws.write(&format!("{clone}/h"), "h\n");
    }
    let percache = |clone: &str, writes: &str, arguments: &[&str]| -> Run {
        let mut command = ws.command(clone);
        command.args(arguments).env("CACHE", url).env("CACHE_WRITE", writes).envs(variables.iter().copied());
        ws.run(&mut command)
    };
    let run = percache("one", "true", &["remote", "check"]).succeeds();
    assert!(run.stdout.contains("writes             yes"), "{}", run.output());
    percache("one", "true", &["build"]).ran(["a", "b", "large"]);
    let run = percache("two", "false", &["build"]).ran([]).restored(3);
    assert_eq!((run.count("from the remote"), run.stderr.as_str()), (3, ""), "{}", run.output());
    assert_eq!(ws.read("two/large"), ws.read("one/large"));
    ws.shell("cd two && rm -rf .percache out large");
    percache("two", "false", &["remote", "pull"]).succeeds().says(["fetched 3 results"]);
    percache("two", "false", &["build", "--no-remote"]).ran([]).restored(3);
}

/// Sends a request without a body, and returns the first line of the answer, or why there is none: a server that starts
/// may hang up.
fn request(port: u16, head: &str) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        write!(stream, "{head}\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    };
    ask().unwrap_or_else(|e| e.to_string())
}

/// Starts SeaweedFS with an S3 bucket `cache`, and returns its port.
pub fn seaweedfs(dir: &Path) -> Option<(Server, u16)> {
    let ports: Vec<u16> = (0..8).map(|_| free_port()).collect();
    let mut arguments = vec!["server".to_owned(), format!("-dir={}", dir.display()), "-ip=127.0.0.1".to_owned()];
    // Without the two services that want one port for all servers of the machine.
    arguments.extend(["-s3.port.iceberg=0", "-s3.port.lance=0"].map(str::to_owned));
    arguments.extend(["-filer", "-s3", "-master.telemetry=false", "-master.volumeSizeLimitMB=64"].map(str::to_owned));
    let names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"];
    let names = names.into_iter().chain(["s3.port", "s3.port.grpc"]);
    arguments.extend(names.zip(&ports).map(|(name, port)| format!("-{name}={port}")));
    let port = ports[6];
    let server = server("PERCACHE_TEST_WEED", "weed", &arguments, port)?;
    let began = Instant::now();
    // It listens before it can do anything, and may have done it without an answer: 409 says that the bucket is there.
    let is_there = |answer: &str| answer.contains(" 200") || answer.contains(" 409");
    loop {
        let answer = request(port, "PUT /cache HTTP/1.1");
        if is_there(&answer) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Some((server, port))
}

#[test]
fn s3_of_seaweedfs() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, port)) = seaweedfs(dir.path()) else { return };
    let url = format!("s3://cache/team?endpoint=http://127.0.0.1:{port}&region=us-east-1");
    share(&url, &[("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")]);
}

/// The account that every such server has, and its key, which is no secret.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Makes a container, which takes a signature.
const CONTAINER: &str = r"
const [port, account, key] = process.argv.slice(1), date = new Date().toUTCString(), version = '2021-08-06';
const resource = `/${account}/${account}/cache\nrestype:container`;
const text = `PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:${date}\nx-ms-version:${version}\n${resource}`;
const signature = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
const headers = { 'x-ms-date': date, 'x-ms-version': version, Authorization: `SharedKey ${account}:${signature}` };
const path = `/${account}/cache?restype=container`;
require('http').request({ port, host: '127.0.0.1', method: 'PUT', path, headers }, (answer) => {
  console.log(answer.statusCode);
  answer.resume();
}).end();
";

#[test]
fn azurite() {
    let port = free_port();
    let options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--loose", "--silent", "--disableTelemetry"];
    let mut arguments = options.map(str::to_owned).to_vec();
    arguments.push(format!("--blobPort={port}"));
    let Some(_server) = server("PERCACHE_TEST_AZURITE", "azurite-blob", &arguments, port) else { return };
    let made = Command::new("node").args(["-e", CONTAINER, &port.to_string(), ACCOUNT, KEY]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&made.stdout).trim(), "201", "{}", String::from_utf8_lossy(&made.stderr));
    let url = format!("azblob://cache/team?endpoint=http://127.0.0.1:{port}/{ACCOUNT}&account_name={ACCOUNT}");
    share(&url, &[("AZBLOB_ACCOUNT_KEY", KEY)]);
}

#[test]
fn gcs_of_an_emulator() {
    let port = free_port();
    let arguments = ["start", "--host", "127.0.0.1", "--in-memory", "--default-bucket", "cache", "--port"];
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).chain([port.to_string()]).collect();
    let Some(_server) = server("PERCACHE_TEST_GCS", "gcp-storage-emulator", &arguments, port) else { return };
    let url = format!("gcs://cache/team?endpoint=http://127.0.0.1:{port}&allow_anonymous=true");
    share(&url, &[]);
    // With a signature, it would need credentials, and there are none.
    let ws = Sandbox::new("[remote]\nurl = '$CACHE'\n[task.t]\ncommand = '@ran(t)'\ninputs = []\n");
    let (url, _) = url.split_once('&').unwrap();
    let run = ws.run(ws.command(".").arg("build").env("CACHE", url)).ran(["t"]);
    assert!(run.stderr.contains("check the credentials"), "{}", run.output());
}

#[test]
fn webdav_of_nginx() {
    let module = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let at = dir.path().display();
    if !Path::new(module).exists() {
        eprintln!("SKIPPED: {module} is not installed; `cargo xtask test` installs it");
        assert!(std::env::var("PERCACHE_TEST_SERVERS").map_or(true, |value| value != "required"));
        return;
    }
    std::fs::create_dir(dir.path().join("files")).unwrap();
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let user = if root { "user root;" } else { "" };
    let config = format!(
        "load_module {module};\n{user}\ndaemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
         events {{}}\nhttp {{\n access_log off;\n client_max_body_size 0;\n client_body_temp_path {at}/body;\n\
         server {{\n listen 127.0.0.1:{port};\n location / {{\n root {at}/files;\n dav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS;\n create_full_put_path on;\n }}\n }}\n}}\n"
    );
    std::fs::write(dir.path().join("conf"), config).unwrap();
    let arguments = ["-c", &format!("{at}/conf"), "-p", &at.to_string()].map(str::to_owned);
    let Some(_server) = server("PERCACHE_TEST_NGINX", "/usr/sbin/nginx", &arguments, port) else { return };
    share(&format!("webdav://127.0.0.1:{port}/"), &[]);
}

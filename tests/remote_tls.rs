//! Encrypted servers from outside: certificates of both ends and headers, right and wrong. nginx stands in front of the
//! servers; a test whose server is not installed is skipped and says so.

#[path = "remote_tls/front.rs"]
mod front;

use std::path::Path;
use std::process::Command;

use crate::execution::farm;
use crate::remote_servers::{Server, free_port, seaweedfs, server, share};
use crate::sandbox::{Run, Sandbox};
use front::{Behind, Certificates, Door, nginx};

/// Starts buildbox-casd, and returns its port.
fn casd(dir: &Path) -> Option<(Server, u16)> {
    let port = free_port();
    let arguments = [format!("--bind=127.0.0.1:{port}"), dir.join("casd").display().to_string()];
    Some((server("PERCACHE_TEST_CASD", "buildbox-casd", &arguments, port)?, port))
}

const CONFIG: &str = r#"
    [remote]
    url = "$CACHE"
    write = true
    headers = { authorization = "Bearer $TOKEN" }
    tls = { ca = "$CA", cert = "$CERT", key = "$KEY" }

    [task.one]
    command = "@ran(one); cat in > out"
    inputs = ["in"]
    outputs = ["out"]
"#;

/// A clone, and what its variables are if everything is right.
fn clone<'a>(ws: &Sandbox, name: &str, certificates: &'a Certificates) -> Vec<(&'a str, String)> {
    ws.config_in(name, CONFIG);
    ws.write(&format!("{name}/in"), "in\n");
    let files = [("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")];
    let files = files.into_iter().map(|(name, file)| (name, certificates.text(file)));
    files.chain([("TOKEN", "good".to_owned())]).collect()
}

fn percache(ws: &Sandbox, clone: &str, url: &str, variables: &[(&str, String)], arguments: &[&str]) -> Run {
    let mut command: Command = ws.command(clone);
    command.args(arguments).env("CACHE", url).envs(variables.iter().map(|(name, value)| (name, value)));
    ws.run(&mut command)
}

/// A client's certificate and a header are demanded.
const STRICT: Door = Door { certificate: "server", wants_certificate: true, refuses_with: Some(401) };

#[test]
fn a_server_that_wants_certificates_and_headers_is_shared_through() {
    let certificates = Certificates::new();
    let Some((_casd, port)) = casd(&certificates.path("")) else { return };
    let Some((_front, ports)) = nginx(&certificates, &[STRICT], &Behind::Grpc(port)) else { return };
    let ws = Sandbox::empty();
    let url = format!("grpcs://localhost:{}", ports[0]);
    let right = clone(&ws, "one", &certificates);
    percache(&ws, "one", &url, &right, &["build"]).ran(["one"]);
    clone(&ws, "two", &certificates);
    let run = percache(&ws, "two", &url, &right, &["build"]).ran([]).restored(1);
    assert_eq!((run.count("from the remote"), &*run.stderr), (1, ""), "{}", run.output());
    let run = percache(&ws, "two", &url, &right, &["remote", "check"]).succeeds();
    // The server behind does not tell its time; nginx does.
    assert!(run.stdout.contains("clock              the same"), "{}", run.output());
    // By the number of the host as well as by its name, and with files of its own beside percache.toml.
    ws.shell(&format!("cp {0}/ca.pem {0}/client.* two", certificates.path("").display()));
    let names = [("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key"), ("TOKEN", "good")];
    let names = names.map(|(name, value)| (name, value.to_owned()));
    ws.shell("cd two && rm -rf .percache out");
    let numbered = format!("grpcs://127.0.0.1:{}", ports[0]);
    percache(&ws, "two", &numbered, &names, &["build"]).ran([]).restored(1);
}

/// What is wrong, by the variables that differ; what is said, and what is to be checked.
type Mistake = (usize, &'static [(&'static str, &'static str)], &'static str, &'static str);

const TLS: &str = "check `tls` of [remote]";
const RIGHTS: &str = "check the credentials";
const ADDRESS: &str = "check `url` of [remote], and the network";

/// Builds with each of these mistakes: that costs nothing but time, and is told in one warning, without a secret.
fn are_told(certificates: &Certificates, scheme: &str, ports: &[u16], mistakes: &[Mistake]) {
    for (door, wrong, said, to_check) in mistakes {
        let ws = Sandbox::empty();
        let mut variables = clone(&ws, "one", certificates);
        if scheme != "grpcs" {
            ws.edit("one/percache.toml", "headers = { authorization = \"Bearer $TOKEN\" }", "");
        }
        for (name, value) in *wrong {
            variables.retain(|(known, _)| known != name);
            let is_file = value.ends_with(".pem") || value.ends_with(".key");
            variables.push((name, if is_file { certificates.text(value) } else { (*value).to_owned() }));
        }
        let url = format!("{scheme}://localhost:{}", ports[*door]);
        let run = percache(&ws, "one", &url, &variables, &["build"]).ran(["one"]);
        let context = format!("{wrong:?}: {}", run.output());
        assert_eq!(ws.read("one/out"), "in\n");
        assert_eq!(run.stderr.matches("warning:").count(), 1, "{context}");
        assert!(run.stderr.contains(said) && run.stderr.contains(to_check), "{said}, {to_check}: {context}");
        let json = percache(&ws, "one", &url, &variables, &["build", "-f", "--json"]).succeeds().reported(["one"]);
        let check = percache(&ws, "one", &url, &variables, &["remote", "check"]).exits(1);
        assert!(check.stderr.contains(said) && check.stderr.contains(to_check), "{}", check.output());
        for run in [run, json, check] {
            assert!(!run.output().contains("hunter2") && !run.output().contains("PRIVATE KEY"), "{}", run.output());
        }
    }
}

#[test]
fn every_mistake_with_an_encrypted_server_costs_nothing_but_time() {
    let certificates = Certificates::new();
    let Some((_casd, port)) = casd(&certificates.path("")) else { return };
    let forbids = Door { refuses_with: Some(403), ..Door::open("server") };
    let doors = [STRICT, Door::open("expired"), Door::open("elsewhere"), forbids, Door::open("server")];
    let Some((_front, mut ports)) = nginx(&certificates, &doors, &Behind::Grpc(port)) else { return };
    // A server without TLS, and nobody.
    ports.extend([port, free_port()]);
    let none: [(&str, &str); 2] = [("CERT", ""), ("KEY", "")];
    let none: &'static [(&str, &str)] = Box::leak(Box::new(none));
    are_told(
        &certificates,
        "grpcs",
        &ports,
        &[
            (0, &[("CA", "")], "the server's certificate is not signed by a trusted authority", TLS),
            (0, &[("CA", "other.pem")], "the server's certificate is not signed by a trusted authority", TLS),
            (0, none, "No required SSL certificate was sent", RIGHTS),
            (0, &[("CERT", "other.pem"), ("KEY", "other.key")], "SSL certificate error", RIGHTS),
            (0, &[("TOKEN", "")], "HTTP status 401", RIGHTS),
            (0, &[("TOKEN", "hunter2")], "HTTP status 401", RIGHTS),
            (1, &[], "the server's certificate has expired", TLS),
            (2, &[], "the server's certificate is that of another host", TLS),
            (3, &[("TOKEN", "hunter2")], "HTTP status 403", RIGHTS),
            (5, &[("TOKEN", "hunter2")], "the server does not speak TLS at this port", TLS),
            (6, &[("TOKEN", "hunter2")], "Connection refused", ADDRESS),
        ],
    );
    // TLS at a port that is taken for one without.
    let ws = Sandbox::empty();
    clone(&ws, "one", &certificates);
    let run = percache(&ws, "one", &format!("grpc://localhost:{}", ports[4]), &[], &["build"]).ran(["one"]);
    assert!(run.stderr.contains(ADDRESS), "{}", run.output());
}

#[test]
fn a_web_server_is_told_from_a_server_of_results() {
    let certificates = Certificates::new();
    let Some((_front, ports)) = nginx(&certificates, &[Door::open("server")], &Behind::Grpc(free_port())) else {
        return;
    };
    // Nothing behind it.
    are_told(&certificates, "grpcs", &ports, &[(0, &[("TOKEN", "hunter2")], "HTTP status 502 Bad Gateway", ADDRESS)]);
    let ws = Sandbox::empty();
    let right = clone(&ws, "one", &certificates);
    let conf = certificates.path("nginx.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    drop(_front);
    let (from, to) = text.split_once("grpc_pass ").map(|(from, to)| (from, to.split_once(';').unwrap().1)).unwrap();
    std::fs::write(&conf, format!("{from} return 404;{to}")).unwrap();
    let arguments = ["-c", &certificates.text("nginx.conf"), "-p", &certificates.text("")].map(str::to_owned);
    let _front = server("PERCACHE_TEST_NGINX", "/usr/sbin/nginx", &arguments, ports[0]);
    let run = percache(&ws, "one", &format!("grpcs://localhost:{}", ports[0]), &right, &["build"]).ran(["one"]);
    assert!(run.stderr.contains("HTTP status 404 Not Found") && run.stderr.contains(ADDRESS), "{}", run.output());
    assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.output());
}

#[test]
fn webdav_takes_certificates() {
    let certificates = Certificates::new();
    let wants = Door { wants_certificate: true, ..Door::open("server") };
    let forbids = |status| Door { refuses_with: Some(status), ..Door::open("server") };
    let doors = [wants, Door::open("expired"), Door::open("elsewhere"), forbids(401), forbids(403)];
    let Some((_front, ports)) = nginx(&certificates, &doors, &Behind::Files) else { return };
    let files = [("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")];
    let right = files.map(|(name, file)| (format!("PERCACHE_REMOTE_TLS_{name}"), certificates.text(file)));
    let right: Vec<_> = right.iter().map(|(name, value)| (&**name, &**value)).collect();
    share(&format!("webdavs://localhost:{}/", ports[0]), &right);
    let none: &[(&str, &str)] = &[("CERT", ""), ("KEY", "")];
    are_told(
        &certificates,
        "webdavs",
        &ports,
        &[
            (0, &[("CA", "")], "the server's certificate is not signed by a trusted authority", TLS),
            (0, &[("CA", "other.pem")], "the server's certificate is not signed by a trusted authority", TLS),
            (0, none, "No required SSL certificate was sent", RIGHTS),
            (1, &[], "the server's certificate has expired", TLS),
            (2, &[], "the server's certificate is that of another host", TLS),
            (3, &[], "401", RIGHTS),
            (4, &[], "403", RIGHTS),
        ],
    );
}

#[test]
fn s3_takes_certificates() {
    let (certificates, dir) = (Certificates::new(), tempfile::tempdir().unwrap());
    let Some((_weed, port)) = seaweedfs(dir.path()) else { return };
    let Some((_front, ports)) = nginx(&certificates, &[Door::open("server")], &Behind::Http(port)) else { return };
    let url = format!("s3://cache/team?endpoint=https://localhost:{}&region=us-east-1", ports[0]);
    let keys = [("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    let ca = certificates.text("ca.pem");
    share(&url, &[keys[0], keys[1], ("PERCACHE_REMOTE_TLS_CA", &ca)]);
    let ws = Sandbox::empty();
    ws.config_in("one", &CONFIG.replace("headers", "# headers"));
    ws.write("one/in", "in\n");
    let keys = keys.map(|(name, value)| (name, value.to_owned()));
    let run = percache(&ws, "one", &url, &keys, &["build"]).ran(["one"]);
    assert!(run.stderr.contains(TLS) && !run.stderr.contains("hunter2"), "{}", run.output());
}

#[test]
fn redis_takes_the_systems_certificates() {
    let (certificates, port) = (Certificates::new(), free_port());
    let options = [("--port", "0".to_owned()), ("--tls-port", port.to_string()), ("--save", String::new())];
    let files = [("--tls-cert-file", "server.pem"), ("--tls-key-file", "server.key"), ("--tls-ca-cert-file", "ca.pem")];
    let files = files.into_iter().map(|(name, file)| (name, certificates.text(file)));
    let more = [("--tls-auth-clients", "no".to_owned()), ("--dir", certificates.text(""))];
    let arguments = options.into_iter().chain(files).chain(more);
    let arguments: Vec<_> = arguments.flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let Some(_server) = server("PERCACHE_TEST_REDIS", "redis-server", &arguments, port) else { return };
    let url = format!("rediss://localhost:{port}/0");
    share(&url, &[("SSL_CERT_FILE", &certificates.text("ca.pem"))]);
    let ws = Sandbox::empty();
    ws.config_in("one", &CONFIG.replace("headers", "# headers").replace("tls", "# tls"));
    ws.write("one/in", "in\n");
    let run = percache(&ws, "one", &url, &[("SSL_CERT_FILE", certificates.text("other.pem"))], &["build"]).ran(["one"]);
    assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.output());
}

#[test]
fn commands_are_executed_at_a_server_that_wants_certificates_and_headers() {
    let (certificates, ws) = (Certificates::new(), Sandbox::empty());
    let Some(farm) = farm(&ws) else { return };
    let port = farm.url.rsplit(':').next().unwrap().parse().unwrap();
    let Some((_front, ports)) = nginx(&certificates, &[STRICT], &Behind::Grpc(port)) else { return };
    ws.config(
        "[remote.execution]\nurl = '$CACHE'\nheaders = { authorization = 'Bearer $TOKEN' }\n\
         tls = { ca = '$CA', cert = '$CERT', key = '$KEY' }\n\
         [task.one]\ncommand = 'cat in > out'\ninputs = ['in']\noutputs = ['out']\n",
    );
    ws.write("in", "in\n");
    let right: Vec<_> = clone(&ws, "unused", &certificates);
    let url = format!("grpcs://localhost:{}", ports[0]);
    let run = percache(&ws, ".", &url, &right, &["build"]).succeeds();
    assert_eq!((run.count("executed remotely"), &*run.stderr), (1, ""), "{}", run.output());
    assert_eq!(ws.read("out"), "in\n");
    let wrong = |name: &str, value: &str| {
        let mut variables = right.clone();
        variables.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, known)| *known = value.to_owned());
        variables
    };
    let table = |check: &str| check.replace("[remote]", "[remote.execution]");
    for (variables, to_check) in
        [(wrong("TOKEN", "hunter2"), RIGHTS), (wrong("CA", &certificates.text("other.pem")), TLS)]
    {
        let run = percache(&ws, ".", &url, &variables, &["build", "-f"]).succeeds();
        assert_eq!((run.count("ran"), run.count("executed remotely")), (1, 0), "{}", run.output());
        assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.output());
        assert!(run.stderr.contains(&table(to_check)) && !run.stderr.contains("hunter2"), "{}", run.output());
    }
}

#[test]
fn a_file_that_is_no_certificate_or_key_is_named_with_its_key() {
    let certificates = Certificates::new();
    let ws = Sandbox::empty();
    let right = clone(&ws, "one", &certificates);
    ws.write("one/text", "hello\n");
    for (name, value, said) in [
        ("CA", "missing.pem", "`tls.ca` of [remote]: "),
        ("CA", "text", "`tls.ca` of [remote]: `text` has no certificate in PEM"),
        ("CERT", "text", "`tls.cert` of [remote]: `text` has no certificate in PEM"),
        ("KEY", "text", "`tls.key` of [remote]: `text` has no private key in PEM"),
        ("KEY", &certificates.text("ca.key"), "is not the key of the certificate in"),
    ] {
        let mut variables = right.clone();
        variables.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, known)| *known = value.to_owned());
        let run = percache(&ws, "one", "grpcs://localhost:1", &variables, &["build"]).exits(2).reported([]);
        assert!(run.stderr.contains(said), "{said}: {}", run.output());
    }
}

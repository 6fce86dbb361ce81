//! A server with TLS in front of another one: nginx, with certificates that are made here.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::remote_servers::{Server, free_port, server};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// A directory with certificates and keys: `NAME.pem` and `NAME.key`.
pub struct Certificates {
    dir: tempfile::TempDir,
    ca: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes an authority `ca`, another one, `other`, and what servers and clients show.
    pub fn new() -> Certificates {
        let dir = tempfile::tempdir().unwrap();
        let ca = authority(dir.path(), "ca");
        authority(dir.path(), "other");
        let made = Certificates { dir, ca };
        let year = |params: &mut CertificateParams, year| params.not_after = date_time_ymd(year, 1, 1);
        made.issue("server", &["localhost", "127.0.0.1"], |_| ());
        made.issue("elsewhere", &["other.example"], |_| ());
        made.issue("expired", &["localhost"], |params| year(params, 2001));
        made.issue("client", &["client"], |_| ());
        made
    }

    fn issue(&self, name: &str, hosts: &[&str], with: impl Fn(&mut CertificateParams)) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        with(&mut params);
        let key = KeyPair::generate().unwrap();
        write(self.dir.path(), name, &params.signed_by(&key, &self.ca).unwrap().pem(), &key);
    }

    /// Returns the path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Returns the path of a file as text.
    pub fn text(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }
}

fn authority(dir: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    write(dir, name, &params.self_signed(&key).unwrap().pem(), &key);
    Issuer::new(params, key)
}

fn write(dir: &Path, name: &str, certificate: &str, key: &KeyPair) {
    std::fs::write(dir.join(format!("{name}.pem")), certificate).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// What nginx passes requests on to.
pub enum Behind {
    /// A server of gRPC at this port.
    Grpc(u16),
    /// A server of HTTP at this port.
    Http(u16),
    /// Its own files, by WebDAV.
    Files,
}

/// One address with TLS.
pub struct Door {
    /// The certificate that it shows.
    pub certificate: &'static str,
    /// Whether a certificate of the client's is demanded.
    pub wants_certificate: bool,
    /// The status for those who do not send `authorization: Bearer good`.
    pub refuses_with: Option<u16>,
}

impl Door {
    /// A door with this certificate that lets everybody in.
    pub fn open(certificate: &'static str) -> Door {
        Door { certificate, wants_certificate: false, refuses_with: None }
    }
}

/// Starts nginx with these doors to one server. Returns their ports.
pub fn nginx(certificates: &Certificates, doors: &[Door], behind: &Behind) -> Option<(Server, Vec<u16>)> {
    let at = certificates.path("");
    let at = at.display();
    let with_files = matches!(behind, Behind::Files);
    if with_files && !Path::new(MODULE).exists() {
        eprintln!("SKIPPED: {MODULE} is not installed; `cargo xtask test` installs it");
        assert!(std::env::var("PERCACHE_TEST_SERVERS").map_or(true, |value| value != "required"));
        return None;
    }
    std::fs::create_dir_all(certificates.path("files")).unwrap();
    let ports: Vec<u16> = doors.iter().map(|_| free_port()).collect();
    let of_door = |(door, port): (&Door, &u16)| {
        let (name, http2) = (door.certificate, if matches!(behind, Behind::Grpc(_)) { "http2" } else { "" });
        let client = if door.wants_certificate { "ssl_client_certificate ca.pem; ssl_verify_client on;" } else { "" };
        let refuse = door.refuses_with.map_or_else(String::new, |status| {
            format!("if ($http_authorization != \"Bearer good\") {{ return {status}; }}")
        });
        let pass = match behind {
            Behind::Grpc(port) => format!("grpc_pass grpc://127.0.0.1:{port};"),
            Behind::Http(port) => format!("proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $http_host;"),
            Behind::Files => format!(
                "root {at}files; dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; \
                 create_full_put_path on;"
            ),
        };
        format!(
            "server {{ listen 127.0.0.1:{port} ssl {http2}; ssl_certificate {name}.pem; ssl_certificate_key {name}.key; \
             {client} location / {{ {refuse} {pass} }} }}\n"
        )
    };
    let servers: String = doors.iter().zip(&ports).map(of_door).collect();
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let (user, module) = (if root { "user root;" } else { "" }, format!("load_module {MODULE};"));
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {at}{name};")).collect();
    let config = format!(
        "{}\n{user}\ndaemon off;\nmaster_process off;\npid {at}pid;\nerror_log {at}error.log;\nevents {{}}\n\
         http {{\n access_log off;\n client_max_body_size 0;\n {temporary}\n{servers}}}\n",
        if with_files { &module } else { "" }
    );
    std::fs::write(certificates.path("nginx.conf"), config).unwrap();
    let arguments = ["-c", &certificates.text("nginx.conf"), "-p", &at.to_string()].map(str::to_owned);
    let last = *ports.last().unwrap();
    Some((server("PERCACHE_TEST_NGINX", "/usr/sbin/nginx", &arguments, last)?, ports))
}

//! A server that demands a certificate of the client while the encrypted connection is made, and refuses it.

use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::fault::{Fault, FaultKind};

/// Certificates in PEM, with the authority that has signed the server's.
struct Certificates {
    ca: String,
    server: (String, String),
}

fn certificates() -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Certificates { ca, server: (server.pem(), key.serialize_pem()) }
}

/// Starts a server that lets nobody in whose certificate the authority has not signed. Returns its port.
fn server(certificates: &Certificates) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates.ca.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificates.server.0.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificates.server.1.as_bytes()).unwrap();
    let mut config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let _ = stream.read_to_end(&mut Vec::new());
            // A socket that is closed with something unread takes back what it has said last.
            let (_, mut socket) = stream.into_parts();
            let _ = socket.shutdown(Shutdown::Write);
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    port
}

fn refused(table: &Table, directory: &Path) -> Fault {
    let settings = Settings::resolve(table, directory, &|_| None).unwrap().unwrap();
    Remote::new(settings).contact().unwrap_err()
}

#[test]
fn what_the_server_says_of_the_clients_certificate_is_understood() {
    let certificates = certificates();
    let port = server(&certificates);
    let dir = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["me".to_owned()]).unwrap();
    let files = [("ca", &certificates.ca), ("cert", &own.cert.pem()), ("key", &own.signing_key.serialize_pem())];
    files.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
    for scheme in ["grpcs", "webdavs"] {
        let none = Table { ca: Some("ca".into()), ..table(&format!("{scheme}://localhost:{port}")) };
        let foreign = Table { cert: Some("cert".into()), key: Some("key".into()), ..none.clone() };
        for (table, said) in
            [(&none, "wants a client certificate"), (&foreign, "does not accept the client certificate")]
        {
            // Whether the alert comes before the connection is closed is a matter of luck.
            let closed = "may want a client certificate";
            let faults: Vec<_> = (0..8).map(|_| refused(table, dir.path())).collect();
            // So it is whether the connection is closed before there is a request: then nobody has been told anything.
            let told = faults.iter().filter(|fault| !fault.message.contains("connection was not ready"));
            assert!(told.clone().count() > 0, "{scheme}: {faults:?}");
            for fault in told {
                assert_eq!(fault.kind, FaultKind::Tls, "{scheme}: {fault}");
                assert!(fault.message.contains(said) || fault.message.contains(closed), "{scheme}: {fault}");
            }
        }
    }
}

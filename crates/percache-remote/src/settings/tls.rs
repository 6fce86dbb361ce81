//! Certificates and keys: read from the files that `tls` names, and checked before anything connects.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::variables::Source;
use super::{Address, SettingsError, Table, read};

/// Certificates and keys in PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// The certificates that are believed, instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The certificate that is shown, and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A file, and the key that names it.
struct File {
    key: &'static str,
    path: String,
    bytes: Vec<u8>,
}

impl File {
    fn wrong(&self, what: &str) -> SettingsError {
        SettingsError::new(self.key, format!("`{}` {what}", self.path))
    }

    /// Returns the certificates in the file, of which there is at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
        let all = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|e| self.wrong(&format!("is no valid PEM file: {e}")))?;
        match all.is_empty() {
            true => Err(self.wrong("has no certificate in PEM").hint("one begins with `-----BEGIN CERTIFICATE-----`")),
            false => Ok(all),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, SettingsError> {
        let encrypted = String::from_utf8_lossy(&self.bytes).contains("ENCRYPTED");
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| match encrypted {
            true => self
                .wrong("is encrypted with a passphrase, which percache cannot ask for")
                .hint("`openssl pkey -in KEY -out PLAIN_KEY` writes it without one; keep that file private"),
            false => self
                .wrong("has no private key in PEM")
                .hint("one begins with a line like `-----BEGIN PRIVATE KEY-----`"),
        })
    }
}

/// Reads what `tls` names.
pub(super) fn tls(source: &Source<'_>, table: &Table, root: &Path, address: &Address) -> Result<Tls, SettingsError> {
    let file = |key: &'static str, name: &str, written: &Option<String>| {
        let Some(text) = source.text(key, name, written.as_deref())? else { return Ok(None) };
        Ok(Some(File { key, bytes: read(key, root, &text.value)?, path: text.value }))
    };
    let ca = file("tls.ca", "TLS_CA", &table.ca)?;
    let cert = file("tls.cert", "TLS_CERT", &table.cert)?;
    let key = file("tls.key", "TLS_KEY", &table.key)?;
    if (ca.is_some() || cert.is_some() || key.is_some()) && !address.takes_certificates() {
        return Err(SettingsError::new("tls", format!("an address like `{address}` takes no certificates"))
            .hint("`grpcs://`, `webdavs://`, and buckets at an `endpoint` of https take them"));
    }
    if let Some(ca) = &ca {
        let (usable, _) = RootCertStore::empty().add_parsable_certificates(ca.certificates()?);
        if usable == 0 {
            return Err(ca.wrong("has no certificate that can be used as an authority"));
        }
    }
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(identity(&cert, &key)?),
        (None, None) => None,
        _ => return Err(SettingsError::new("tls", "`cert` and `key` go together")),
    };
    Ok(Tls { ca: ca.map(|file| file.bytes), identity })
}

fn identity(cert: &File, key: &File) -> Result<(Vec<u8>, Vec<u8>), SettingsError> {
    let provider = rustls::crypto::ring::default_provider();
    match CertifiedKey::from_der(cert.certificates()?, key.private_key()?, &provider) {
        Ok(_) => Ok((cert.bytes.clone(), key.bytes.clone())),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(key.wrong(&format!("is not the key of the certificate in `{}`", cert.path)))
        }
        Err(rustls::Error::InvalidCertificate(e)) => {
            Err(cert.wrong(&format!("has no certificate that can be used: {e}")))
        }
        Err(e) => Err(key.wrong(&format!("cannot be used: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, Table};

    /// A workspace with certificates and things that are none.
    fn directory() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        };
        let ((one, one_key), (two, two_key)) = (made("one"), made("two"));
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let files = [("one.pem", &*one), ("one.key", &one_key), ("two.pem", &two), ("two.key", &two_key)];
        let odd = [("text", "hello"), ("locked.key", locked), ("broken.pem", &one[..one.len() / 2])];
        for (name, text) in files.into_iter().chain(odd) {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(dir.path().join("nonsense.pem"), nonsense).unwrap();
        dir
    }

    fn resolve(url: &str, ca: Option<&str>, cert: Option<&str>, key: Option<&str>) -> Result<(), String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (ca, cert, key) = (text(ca), text(cert), text(key));
        let table = Table { url: Some(url.into()), ca, cert, key, ..Table::default() };
        let resolved = Settings::resolve(&table, directory().path(), &|_| None);
        resolved.map(drop).map_err(|e| format!("{e}; {}", e.hint.unwrap_or_default()))
    }

    #[test]
    fn what_is_no_certificate_or_key_is_named() {
        let ca = |name| resolve("grpcs://h", Some(name), None, None);
        assert_eq!(ca("one.pem"), Ok(()));
        for (file, why) in [
            ("missing.pem", "cannot be read"),
            ("text", "`text` has no certificate in PEM"),
            ("one.key", "`one.key` has no certificate in PEM"),
            ("broken.pem", "`broken.pem` "),
            ("nonsense.pem", "`nonsense.pem` has no certificate that can be used"),
        ] {
            let said = ca(file).unwrap_err();
            assert!(said.starts_with("`tls.ca` of [remote]: ") && said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_key_belongs_to_its_certificate() {
        let of = |cert, key| resolve("grpcs://h", None, Some(cert), Some(key));
        assert_eq!(of("one.pem", "one.key"), Ok(()));
        for (cert, key, why) in [
            ("one.pem", "two.key", "`tls.key` of [remote]: `two.key` is not the key of the certificate in `one.pem`"),
            ("one.pem", "text", "`tls.key` of [remote]: `text` has no private key"),
            ("one.pem", "locked.key", "`locked.key` is encrypted"),
            ("text", "one.key", "`tls.cert` of [remote]: `text` has no certificate"),
            ("nonsense.pem", "one.key", "`tls.cert` of [remote]: `nonsense.pem` "),
        ] {
            let said = of(cert, key).unwrap_err();
            assert!(said.contains(why), "{said}");
            assert!(!said.contains("PRIVATE KEY-----\nM"), "{said}");
        }
        assert!(resolve("grpcs://h", None, Some("one.pem"), None).unwrap_err().contains("go together"));
    }

    #[test]
    fn only_encrypted_connections_take_certificates() {
        for url in ["grpcs://h", "webdavs://h", "s3://b", "s3://b?endpoint=https://h", "gcs://b", "azblob://c"] {
            assert_eq!(resolve(url, Some("one.pem"), None, None), Ok(()), "{url}");
        }
        for url in ["grpc://h", "webdav://h", "s3://b?endpoint=http://h", "redis://h", "rediss://h", "file:///mnt"] {
            assert!(resolve(url, Some("one.pem"), None, None).unwrap_err().contains("takes no certificates"), "{url}");
        }
    }
}

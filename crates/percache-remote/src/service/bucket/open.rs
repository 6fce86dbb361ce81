//! From an address to an operator of OpenDAL.

use opendal::layers::HttpClientLayer;
use opendal::raw::HttpClient;
use opendal::{Builder, Error, ErrorKind, Operator, Result, services};

use crate::settings::{Address, Scheme, Settings, Tls};

/// Where files are collected until they are whole: beside those that are, so that a rename suffices.
const UNFINISHED: &str = "percache/v1/unfinished";

/// Makes the operator. Connects to nothing.
pub(super) fn operator(settings: &Settings) -> Result<Operator> {
    let operator = service(&settings.address)?;
    Ok(
        match client(&settings.tls)
            .map_err(|e| Error::new(ErrorKind::ConfigInvalid, "`tls` of [remote]").set_source(e))?
        {
            Some(client) => operator.layer(HttpClientLayer::new(HttpClient::with(client))),
            None => operator,
        },
    )
}

/// Makes what speaks HTTP with certificates of the user's; the usual one will do without any.
fn client(tls: &Tls) -> reqwest::Result<Option<reqwest::Client>> {
    let mut client = reqwest::Client::builder();
    if let Some(ca) = &tls.ca {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(ca)?);
    }
    if let Some((cert, key)) = &tls.identity {
        client = client.identity(reqwest::Identity::from_pem(&[&cert[..], b"\n", key].concat())?);
    }
    match tls.ca.is_some() || tls.identity.is_some() {
        true => client.build().map(Some),
        false => Ok(None),
    }
}

fn service(address: &Address) -> Result<Operator> {
    let url = &address.url;
    let text = |part: &str| decoded(part);
    let path = text(url.path());
    let root = ("root", path.clone());
    let host = url.host_str().unwrap_or_default().to_owned();
    match address.scheme {
        Scheme::S3 => build::<services::S3>(address, vec![root, ("bucket", host)]),
        Scheme::Gcs => build::<services::Gcs>(address, vec![root, ("bucket", host)]),
        Scheme::Azblob => {
            let mut options = vec![root, ("container", host)];
            // The service takes the key from there only together with the account, which the address may name.
            let key =
                ["AZBLOB_ACCOUNT_KEY", "AZURE_STORAGE_ACCOUNT_KEY"].iter().find_map(|name| std::env::var(name).ok());
            let named = url.query_pairs().any(|(name, _)| name == "account_name");
            options.extend(key.filter(|_| named).map(|key| ("account_key", key)));
            build::<services::Azblob>(address, options)
        }
        Scheme::Redis | Scheme::Rediss => {
            let port = url.port().unwrap_or(6379);
            let mut options = vec![("endpoint", format!("{}://{host}:{port}", url.scheme()))];
            options.push(("db", path.trim_matches('/').parse().unwrap_or(0u32).to_string()));
            options.extend(credentials(address));
            build::<services::Redis>(address, options)
        }
        Scheme::Webdav | Scheme::Webdavs => {
            let scheme = if address.scheme == Scheme::Webdav { "http" } else { "https" };
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let mut options = vec![root, ("endpoint", format!("{scheme}://{host}{port}"))];
            options.extend(credentials(address));
            build::<services::Webdav>(address, options)
        }
        Scheme::File => {
            let unfinished = format!("{}/{UNFINISHED}", path.trim_end_matches('/'));
            build::<services::Fs>(address, vec![root, ("atomic_write_dir", unfinished)])
        }
        Scheme::Grpc | Scheme::Grpcs => {
            Err(Error::new(ErrorKind::ConfigInvalid, "this address is not one of an object store"))
        }
    }
}

fn build<B: Builder>(address: &Address, options: Vec<(&str, String)>) -> Result<Operator> {
    let given = address.url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()));
    let options = options.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(given);
    Ok(Operator::from_iter::<B>(options)?.finish())
}

fn credentials(address: &Address) -> Vec<(&'static str, String)> {
    let user = Some(decoded(address.url.username())).filter(|name| !name.is_empty());
    let password = address.url.password().map(decoded);
    [("username", user), ("password", password)].into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Undoes the percent signs of a URL.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|byte| (*byte as char).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_undone() {
        for (text, is) in
            [("plain", "plain"), ("%2Fa%20b", "/a b"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3%A4", "ä")]
        {
            assert_eq!(decoded(text), is);
        }
    }
}

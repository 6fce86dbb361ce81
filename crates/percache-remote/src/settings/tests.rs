//! Tests of the settings.

use super::*;

const KEY: &str = "ed25519:0101010101010101010101010101010101010101010101010101010101010101";

fn resolve(table: &Table, variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::resolve(table, Path::new("/ws"), &variable)
}

fn table(url: &str) -> Table {
    Table { url: Some(url.into()), ..Table::default() }
}

fn settings(url: &str, variables: &[(&str, &str)]) -> Settings {
    resolve(&table(url), variables).unwrap().unwrap()
}

fn refused(table: &Table) -> String {
    let error = resolve(table, &[]).unwrap_err();
    format!("{error} {}", error.hint.unwrap_or_default())
}

#[test]
fn without_an_address_there_is_no_remote() {
    assert!(resolve(&Table::default(), &[]).unwrap().is_none());
    assert!(resolve(&table("$NOT_SET"), &[]).unwrap().is_none());
    let from_variable = resolve(&Table::default(), &[("PERCACHE_REMOTE_URL", "redis://h")]).unwrap().unwrap();
    assert_eq!(from_variable.address.scheme, Scheme::Redis);
}

#[test]
fn it_is_read_and_not_written_unless_that_is_said() {
    let plain = settings("file:///mnt", &[]);
    assert!(plain.read && !plain.write);
    let write = Table { write: Some("$CI_WRITES".into()), ..table("file:///mnt") };
    assert!(!resolve(&write, &[]).unwrap().unwrap().write);
    assert!(resolve(&write, &[("CI_WRITES", "true")]).unwrap().unwrap().write);
    assert!(resolve(&write, &[("PERCACHE_REMOTE_WRITE", "1")]).unwrap().unwrap().write);
    let neither = Table { read: Some("false".into()), ..table("file:///mnt") };
    assert!(resolve(&neither, &[]).unwrap().is_none());
    assert!(
        refused(&Table { write: Some("sometimes".into()), ..table("file:///mnt") }).contains("neither true nor false")
    );
}

#[test]
fn every_scheme_is_known_and_others_are_not() {
    for url in ["grpc://h:1", "grpcs://h", "s3://b/p?region=eu-1", "gcs://b", "azblob://c/p", "redis://h:1/2"] {
        settings(url, &[]);
    }
    assert_eq!(settings("file://shared/cache", &[]).address.to_string(), "file:///ws/shared/cache");
    assert!(refused(&table("http://h")).contains("begins with `http`"));
    assert!(refused(&table("s3://")).contains("bucket"));
    assert!(refused(&table("s3://b?secret_access_key=x")).contains("no parameter `secret_access_key`"));
}

#[test]
fn secrets_are_not_taken_from_the_file_and_not_shown() {
    assert!(refused(&table("redis://:hunter2@h")).contains("password"));
    let filled_in = settings("redis://:$PW@h:1/", &[("PW", "hunter2")]);
    assert_eq!(filled_in.address.url.password(), Some("hunter2"));
    assert_eq!(filled_in.address.to_string(), "redis://h:1");
    let literal = Table { headers: vec![("Authorization".into(), "Bearer x".into())], ..table("grpc://h") };
    assert!(refused(&literal).contains("authorization"));
    let signed = Table { sign_with: Some(KEY.into()), ..table("grpc://h") };
    assert!(refused(&signed).contains("signing key"));

    let headers = vec![("Authorization".into(), "Bearer $T".into())];
    let all = Table { headers, sign_with: Some("$K".into()), ..table("grpc://$U:$PW@h") };
    let variables = [("T", "hunter3"), ("K", KEY), ("U", "me"), ("PW", "hunter2")];
    let all = resolve(&all, &variables).unwrap().unwrap();
    assert_eq!(all.headers, [("authorization".to_owned(), "Bearer hunter3".to_owned())]);
    let shown = format!("{all:?} {}", all.address);
    assert!(!shown.contains("hunter") && !shown.contains("0101"), "{shown}");
}

#[test]
fn a_variable_that_is_not_set_takes_the_value_away() {
    let headers = vec![("authorization".into(), "Bearer $T".into())];
    let none = Table { headers, sign_with: Some("$K".into()), ..table("grpc://h") };
    let none = resolve(&none, &[]).unwrap().unwrap();
    assert!(none.headers.is_empty() && none.key.is_none());
}

#[test]
fn trust_is_never_empty_by_mistake() {
    let public = SigningKey::parse(KEY).unwrap().public().to_string();
    let trusting = Table { trust: Some(vec![public.clone()]), ..table("grpc://h") };
    assert_eq!(resolve(&trusting, &[]).unwrap().unwrap().trust.0.len(), 1);
    let both = format!("{public},{KEY}");
    assert_eq!(settings("grpc://h", &[("PERCACHE_REMOTE_TRUST", &both)]).trust.0.len(), 2);
    assert!(refused(&Table { trust: Some(vec!["$KEY".into()]), ..table("grpc://h") }).contains("`trust`"));
    assert!(refused(&Table { trust: Some(vec!["ed25519:00".into()]), ..table("grpc://h") }).contains("less than 32"));
}

#[test]
fn a_signing_key_may_lie_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), format!("{KEY}\n")).unwrap();
    let signing = Table { sign_with: Some("key".into()), ..table("grpc://h") };
    let settings = Settings::resolve(&signing, dir.path(), &|_| None).unwrap().unwrap();
    assert_eq!(settings.key.unwrap().public(), SigningKey::parse(KEY).unwrap().public());
    assert!(refused(&signing).contains("cannot be read"));
}

#[test]
fn a_namespace_is_made_of_names() {
    for fine in ["team", "a/b-1/c.d"] {
        let named = Table { instance: Some(fine.into()), ..table("grpc://h") };
        assert_eq!(resolve(&named, &[]).unwrap().unwrap().namespace, fine);
    }
    for wrong in ["../x", "a//b", "/a", "a b", "a/blobs", "."] {
        assert!(refused(&Table { instance: Some(wrong.into()), ..table("grpc://h") }).contains("no name"), "{wrong}");
    }
}

#[test]
fn what_does_not_go_together_is_said() {
    let ca = Table { ca: Some("ca.pem".into()), ..table("grpc://h") };
    assert!(refused(&ca).contains("cannot be read"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pem"), "x").unwrap();
    let refused = |table: &Table| Settings::resolve(table, dir.path(), &|_| None).unwrap_err().to_string();
    assert!(refused(&Table { ca: Some("pem".into()), ..table("grpc://h") }).contains("takes no certificates"));
    assert!(refused(&Table { cert: Some("pem".into()), ..table("grpcs://h") }).contains("go together"));
    let headers = vec![("x-team".into(), "a".into())];
    assert!(refused(&Table { headers, ..table("s3://b") }).contains("Remote Execution API"));
}

//! Stores against a real S3 server, and against one that has faults.

mod faults;
mod files;
mod moto;
mod objects;
mod proxy;

use std::path::Path;
use std::time::Duration;

use l3net_store::{Location, Store, StoreOptions};

use moto::Moto;

/// Whoever is asked whether to go on.
fn always() -> bool {
    true
}

fn at(url: &str) -> Location {
    Location::parse(url).expect("a URL").expect("a right one")
}

fn variables(port: u16) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_ACCESS_KEY_ID", "an-id".into()),
        ("AWS_SECRET_ACCESS_KEY", "hush-hush".into()),
        ("AWS_REGION", "us-east-1".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A store that loses patience sooner than users want.
fn store(port: u16, bucket: &str) -> Store {
    patient(
        port,
        bucket,
        Duration::from_secs(20),
        Duration::from_secs(10),
    )
}

fn patient(port: u16, bucket: &str, retry_for: Duration, silence: Duration) -> Store {
    let options = StoreOptions {
        retry_for,
        silence,
        variables: variables(port),
    };
    Store::open_with(&at(&format!("s3://{bucket}")), options).expect("it is right")
}

/// A bucket of this test's own, as seen without faults.
fn bucket(name: &str) -> (&'static Moto, Store) {
    let moto = Moto::get();
    let answer = moto.ask("PUT", &format!("/{name}"), b"");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    (moto, store(moto.port, name))
}

/// Bytes that differ from place to place.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let mut block: Vec<u8> = (0..1 << 16).map(|_| next()).collect();
    let mut bytes = Vec::with_capacity(length + block.len());
    while bytes.len() < length {
        block[..8].copy_from_slice(&bytes.len().to_be_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(length);
    bytes
}

/// A file of which only the length matters.
fn file_of(path: &Path, length: u64) {
    let file = std::fs::File::create(path);
    let made = file.and_then(|file| file.set_len(length));
    made.expect("there is room");
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let name = |file: std::io::Result<std::fs::DirEntry>| file.expect("a file").file_name();
    let mut names: Vec<_> = files
        .map(|file| name(file).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let listed = store.list(prefix, &mut |object| {
        keys.push(object.key);
        true
    });
    listed.expect("it is listed");
    keys
}

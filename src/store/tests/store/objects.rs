//! Objects in memory, and listings.

use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use l3net_store::{Object, Store, StoreError};

use crate::moto::Moto;
use crate::proxy::{Fault, Proxy};
use crate::{at, bucket, keys, store, variables};

#[test]
fn objects_of_any_name_are_written_found_read_and_removed() {
    let (_, store) = bucket("names");
    let mut names = [
        "plain.tar",
        "a/b/c.tar",
        "für Elise/ä ö ü ß 日本.wav",
        "a b  c+d.mp4",
        "50 %/100%25/%2F",
        "q?x=1&y;z=2#d",
        "~!$*'()[]{}^`|<>=,:@\\\"",
        "...",
    ];
    for name in names {
        assert_eq!(store.find(name).expect("an answer"), None, "{name}");
        assert_eq!(store.read(name, 10).expect("an answer"), None, "{name}");
        store.write(name, b"old").expect(name);
        store.write(name, name.as_bytes()).expect(name);
    }
    for name in names {
        let object = Object {
            key: name.to_owned(),
            bytes: name.len() as u64,
        };
        assert_eq!(store.find(name).expect("an answer"), Some(object));
        let read = store.read(name, name.len() as u64).expect("an answer");
        assert_eq!(read.as_deref(), Some(name.as_bytes()));
    }
    names.sort_unstable();
    assert_eq!(keys(&store, ""), names);
    for name in names {
        store.remove(name).expect(name);
        store.remove(name).expect("fine if it is not there");
    }
    assert!(keys(&store, "").is_empty());
}

#[test]
fn a_listing_is_of_what_is_below() {
    let (moto, store) = bucket("below");
    for key in ["a", "a-b", "a/1", "a/2/3", "ab", "empty", "z/0"] {
        let bytes = if key == "empty" { "" } else { "x" };
        store.write(key, bytes.as_bytes()).expect("written");
    }
    // What marks folders, as other programs make it.
    for key in ["a/", "a/2/", "lonely/"] {
        let answer = moto.ask("PUT", &format!("/below/{key}"), b"");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(keys(&store, "a"), ["a/1", "a/2/3"]);
    assert_eq!(keys(&store, "a/"), ["a/1", "a/2/3"]);
    assert_eq!(keys(&store, "a/2"), ["a/2/3"]);
    assert_eq!(keys(&store, "b"), [""; 0]);
    let all = ["a", "a-b", "a/1", "a/2/3", "ab", "empty", "z/0"];
    assert_eq!(keys(&store, ""), all);
}

#[test]
fn a_long_listing_comes_in_order_and_ends_when_it_may() {
    let (moto, store) = bucket("long");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let n @ 0..1_050 = next.fetch_add(1, Relaxed) {
                    store.write(&format!("p/{n:05}"), b"x").expect("written");
                }
            });
        }
    });
    // The second page breaks off, and is asked for again.
    let cuts = AtomicUsize::new(0);
    let proxy = Proxy::new(moto.port, move |asked| {
        let second = asked.line.contains("continuation-token");
        if second && cuts.fetch_add(1, Relaxed) == 0 {
            Fault::Cut(700)
        } else {
            Fault::None
        }
    });
    let far = crate::store(proxy.port, "long");
    let all: Vec<_> = (0..1_050).map(|n| format!("p/{n:05}")).collect();
    assert_eq!(keys(&far, "p"), all);
    assert!(proxy.count("GET") >= 3, "{:?}", proxy.asked());

    let before = proxy.count("GET");
    let mut seen = 0;
    let ended = far.list("p", &mut |_| {
        seen += 1;
        seen < 10
    });
    ended.expect("it ends well");
    assert_eq!((seen, proxy.count("GET") - before), (10, 1));
}

#[test]
fn a_key_that_cannot_be_asked_for_is_named() {
    let (moto, store) = bucket("slashes");
    for key in ["a//b", "/a", "a/", "a/../b", ""] {
        let said = store.write(key, b"x").expect_err("it cannot be");
        assert!(matches!(said, StoreError::Url { .. }), "{said}");
        assert!(store.find(key).is_err() && store.remove(key).is_err());
    }
    let _ = moto.ask("PUT", "/slashes/a//b", b"x");
    let said = store.list("", &mut |_| true).expect_err("it has one");
    let said = said.to_string();
    assert!(
        said.contains("s3://slashes") && said.contains("a//b"),
        "{said}"
    );
}

#[test]
fn what_is_too_long_is_not_read() {
    let (_, store) = bucket("length");
    store.write("a", &[7; 1000]).expect("written");
    let said = store.read("a", 999).expect_err("it is longer").to_string();
    assert!(said.contains("1000") && said.contains("999"), "{said}");
    assert_eq!(store.read("a", 1000).expect("read"), Some(vec![7; 1000]));
}

#[test]
fn of_eight_who_create_one_does() {
    let (moto, _) = bucket("create");
    let proxy = Proxy::new(moto.port, |_| Fault::InTurn);
    let store = store(proxy.port, "create");
    for round in 0..5 {
        let key = format!("lock {round}");
        let start = Barrier::new(8);
        let create = |n: u8| {
            start.wait();
            store.create(&key, &[n]).expect("an answer").then_some(n)
        };
        let winners: Vec<_> = std::thread::scope(|scope| {
            let create = &create;
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || create(n))).collect();
            let joined = threads.into_iter();
            let joined = joined.filter_map(|thread| thread.join().expect("no panic"));
            joined.collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(store.read(&key, 1).expect("read"), Some(winners));
    }
}

#[test]
fn a_bucket_that_is_not_there_is_said_by_everything() {
    let moto = Moto::get();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("written");
    let open = || store(moto.port, "nowhere");
    let all = [
        open().list("", &mut |_| true),
        open().find("a").map(drop),
        open().read("a", 10).map(drop),
        open().fetch("a", &file, &crate::always).map(drop),
        open().create("a", b"x").map(drop),
        open().write("a", b"x"),
        open().upload("a", &file, &crate::always),
    ];
    for (n, said) in all.into_iter().enumerate() {
        let said = said.expect_err("there is no bucket");
        assert!(matches!(said, StoreError::NoBucket { .. }), "{n}: {said}");
        let said = said.to_string();
        assert!(said.starts_with("s3://nowhere"), "{said}");
        assert!(said.contains("AWS_ENDPOINT_URL"), "{said}");
    }
}

const CHILD: &str = "objects::in_an_environment";

#[test]
#[ignore = "run by the_environment_says_where_the_store_is"]
fn in_an_environment() {
    let set = std::env::var_os("AWS_ENDPOINT_URL").is_some();
    assert!(set, "the other test sets it");
    let store = Store::open(&at("s3://environment")).expect("it is right");
    store.write("a", b"from the child").expect("written");
}

#[test]
fn the_environment_says_where_the_store_is() {
    let (moto, store) = bucket("environment");
    let child = Command::new(std::env::current_exe().expect("these tests"))
        .args(["--ignored", "--exact", CHILD])
        .envs(variables(moto.port))
        .output()
        .expect("it runs");
    assert!(child.status.success(), "{child:?}");
    let read = store.read("a", 100).expect("read");
    assert_eq!(read.as_deref(), Some(&b"from the child"[..]));
}

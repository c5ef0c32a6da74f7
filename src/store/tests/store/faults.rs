//! Networks and stores that have faults.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use l3net_store::{Store, StoreError, StoreOptions};

use crate::proxy::{Fault, Proxy};
use crate::{always, at, bucket, keys, names, noise, patient, store, variables};

const SLOW: &str = "<Error><Code>SlowDown</Code><Message>Later</Message></Error>";

#[test]
fn a_store_that_is_busy_is_asked_again() {
    let (moto, _) = bucket("busy");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    // Every request is refused twice.
    let proxy = Proxy::new(moto.port, |asked| match asked.before % 3 {
        0 => Fault::Answer(503, SLOW),
        1 => Fault::Answer(429, ""),
        _ => Fault::None,
    });
    let store = store(proxy.port, "busy");
    store.write("a", b"bytes").expect("written");
    assert!(store.create("b", b"more").expect("an answer"));
    assert!(store.find("a").expect("an answer").is_some());
    assert_eq!(store.fetch("a", &file, &always).expect("it comes"), 5);
    store.upload("c", &file, &always).expect("sent");
    assert_eq!(keys(&store, ""), ["a", "b", "c"]);
    store.remove("a").expect("removed");
    assert_eq!(store.read("a", 10).expect("an answer"), None);
}

#[test]
fn a_store_that_is_down_is_given_up() {
    let short = Duration::from_millis(500);
    let (moto, _) = bucket("down");
    let busy = Proxy::new(moto.port, |_| Fault::Answer(503, SLOW));
    let silent = Proxy::new(moto.port, |_| Fault::Silence);
    // Nobody listens where somebody did.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = gone.local_addr().expect("it has one").port();
    drop(gone);
    let folder = tempfile::tempdir().expect("a folder");
    for (port, cause) in [
        (busy.port, "status 503"),
        (silent.port, "timeout"),
        (nobody, "refused"),
    ] {
        let store = patient(port, "down", short, short);
        for said in [
            store.find("a").map(drop),
            store.list("", &mut |_| true),
            store
                .fetch("a", &folder.path().join("a"), &always)
                .map(drop),
        ] {
            let said = said.expect_err("it is down");
            assert!(matches!(said, StoreError::Unreachable { .. }), "{said}");
            let said = said.to_string();
            assert!(said.starts_with("s3://down"), "{said}");
            assert!(said.contains("gave up after"), "{said}");
            assert!(said.contains(cause), "{said}");
        }
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_fetch_goes_on_where_the_connection_ended() {
    let (moto, near) = bucket("cut");
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    let bytes = noise(20_000_000);
    near.write("a", &bytes).expect("written");
    // More often than it would be tried without coming further.
    let proxy = Proxy::new(moto.port, |_| Fault::Cut(2_500_000));
    let far = store(proxy.port, "cut");
    assert_eq!(far.fetch("a", &to, &always).expect("it comes"), 20_000_000);
    assert!(std::fs::read(&to).expect("there") == bytes);
    let asked = proxy.asked();
    assert_eq!(asked.len(), 8, "{asked:?}");
    for (n, line) in asked.iter().enumerate().skip(1) {
        let range = format!("bytes={}-19999999", n * 2_500_000);
        assert!(line.ends_with(&range), "{line} {range}");
    }
}

#[test]
fn a_fetch_that_comes_no_further_ends() {
    let (moto, near) = bucket("no-further");
    near.write("a", &noise(1_000_000)).expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = Proxy::new(moto.port, |_| Fault::Cut(10));
    let patience = Duration::from_secs(2);
    let far = patient(proxy.port, "no-further", patience, patience);
    let said = far.fetch("a", &folder.path().join("to"), &always);
    let said = said.expect_err("it comes no further");
    assert!(matches!(said, StoreError::Unreachable { .. }), "{said}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn an_answer_that_stops_coming_is_asked_for_again() {
    let (moto, near) = bucket("stall");
    let bytes = noise(3_000_000);
    near.write("a", &bytes).expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    let proxy = Proxy::new(moto.port, |asked| match asked.before {
        0 => Fault::Silence,
        1 => Fault::Stall(1_000_000),
        _ => Fault::None,
    });
    let second = Duration::from_secs(1);
    let far = patient(proxy.port, "stall", second * 20, second);
    far.fetch("a", &to, &always).expect("it comes");
    assert!(std::fs::read(&to).expect("there") == bytes);
    assert!(proxy.asked()[2].ends_with("bytes=1000000-2999999"));
}

#[test]
fn an_object_that_changes_under_a_fetch_is_an_error() {
    let (moto, near) = bucket("changes");
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    // Another of the same length, a shorter one, none.
    for change in 0..3 {
        near.write("a", &noise(3_000_000)).expect("written");
        let other = near.clone();
        let proxy = Proxy::new(moto.port, move |asked| {
            if asked.range.is_none() {
                return Fault::Cut(1_000_000);
            }
            match change {
                0 => other.write("a", &[1; 3_000_000]).expect("written"),
                1 => other.write("a", &[1; 1_500_000]).expect("written"),
                _ => other.remove("a").expect("removed"),
            }
            Fault::None
        });
        let said = store(proxy.port, "changes").fetch("a", &to, &always);
        let said = said.expect_err("it changes");
        assert!(
            matches!(said, StoreError::Changed { .. }),
            "{change}: {said}"
        );
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn who_is_denied_is_told_which_variables_count() {
    let (moto, _) = bucket("denied");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, noise(20_000_000)).expect("written");
    for (status, body, cause) in [
        (
            403,
            "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access \
             Denied</Message></Error>",
            "status 403, AccessDenied, Access Denied",
        ),
        (401, "", "status 401"),
        (
            400,
            "<Error><Code>ExpiredToken</Code><Message>Old</Message></Error>",
            "status 400, ExpiredToken, Old",
        ),
    ] {
        let proxy = Proxy::new(moto.port, move |_| Fault::Answer(status, body));
        let store = store(proxy.port, "denied");
        for said in [
            store.list("", &mut |_| true),
            store.read("a", 10).map(drop),
            store
                .fetch("a", &folder.path().join("to"), &always)
                .map(drop),
            store.create("a", b"x").map(drop),
            store.write("a", b"x"),
            store.upload("a", &file, &always),
            store.remove("a"),
        ] {
            let said = said.expect_err("it is denied");
            assert!(matches!(said, StoreError::Denied { .. }), "{said}");
            let said = said.to_string();
            assert!(said.contains(cause), "{said}");
            assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");
            assert!(!said.contains("hush") && !said.contains('\n'), "{said}");
        }
        // The answer to this one has no body.
        let said = store.find("a").map(drop);
        if status != 400 {
            let said = said.expect_err("it is denied");
            assert!(matches!(said, StoreError::Denied { .. }), "{said}");
        }
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_lost_answer_does_not_make_a_winner_a_loser() {
    let (moto, near) = bucket("lost");
    let lose_first = |of: &'static str| {
        let times = AtomicUsize::new(0);
        let port = Proxy::new(moto.port, move |asked| {
            if asked.line.starts_with(of) && times.fetch_add(1, Relaxed) == 0 {
                Fault::Lose
            } else {
                Fault::None
            }
        });
        store(port.port, "lost")
    };
    let far = lose_first("PUT");
    assert!(far.create("a", b"ours").expect("an answer"));
    assert!(!far.create("a", b"not ours").expect("an answer"));
    assert!(!near.create("a", b"ours").expect("an answer"));
    assert_eq!(
        near.read("a", 10).expect("read").as_deref(),
        Some(&b"ours"[..])
    );
}

#[test]
fn a_lost_answer_does_not_lose_an_upload() {
    let (moto, near) = bucket("lost-end");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    let bytes = noise(20_000_000);
    std::fs::write(&from, &bytes).expect("written");
    let times = AtomicUsize::new(0);
    let proxy = Proxy::new(moto.port, move |asked| {
        let end = asked.line.starts_with("POST") && asked.line.contains("uploadId");
        if end && times.fetch_add(1, Relaxed) == 0 {
            Fault::Lose
        } else {
            Fault::None
        }
    });
    let far = store(proxy.port, "lost-end");
    far.upload("a", &from, &always).expect("it is there");
    let there = near.read("a", 20_000_000).expect("read");
    assert!(there.as_deref() == Some(&bytes[..]));
}

#[test]
fn a_fault_of_one_request_is_none_of_the_next() {
    let (moto, near) = bucket("once");
    near.write("a", b"x").expect("written");
    let proxy = Proxy::new(moto.port, |asked| match asked.before {
        0 => Fault::Answer(403, ""),
        _ => Fault::None,
    });
    let far = store(proxy.port, "once");
    assert!(far.find("a").is_err());
    assert!(far.find("a").expect("an answer").is_some());
}

/// What no server speaks here: at least the requests go where they should, and the answers
/// are understood.
#[test]
fn google_and_azure_are_asked_where_the_variables_say() {
    let (moto, _) = bucket("others");
    let gone = "<Error><Code>NoSuchBucket</Code></Error>";
    let contained = "<Error><Code>ContainerNotFound</Code></Error>";
    for (url, path, gone, variables, names) in [
        (
            "gs://others",
            "/others/a%20b",
            gone,
            &[
                ("GOOGLE_BASE_URL", ""),
                ("GOOGLE_ALLOW_HTTP", "true"),
                ("GOOGLE_SKIP_SIGNATURE", "true"),
            ][..],
            ["GOOGLE_BASE_URL", "GOOGLE_APPLICATION_CREDENTIALS"],
        ),
        (
            "az://others",
            "/others/a%20b",
            contained,
            &[
                ("AZURE_STORAGE_ENDPOINT", ""),
                ("AZURE_ALLOW_HTTP", "true"),
                ("AZURE_SKIP_SIGNATURE", "true"),
                ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ],
            ["AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_KEY"],
        ),
    ] {
        let proxy = Proxy::new(moto.port, move |asked| match asked.before {
            0 => Fault::Answer(404, gone),
            1 => Fault::Answer(403, ""),
            _ => Fault::Answer(404, ""),
        });
        let endpoint = format!("http://127.0.0.1:{}", proxy.port);
        let value = |value: &str| {
            if value.is_empty() {
                endpoint.clone()
            } else {
                value.to_owned()
            }
        };
        let variables = variables
            .iter()
            .map(|(name, of)| ((*name).to_owned(), value(of)));
        let options = StoreOptions {
            variables: variables.collect(),
            ..StoreOptions::default()
        };
        let store = Store::open_with(&at(url), options).expect("it is right");
        let said = store.read("a b", 10).expect_err("there is no bucket");
        assert!(matches!(said, StoreError::NoBucket { .. }), "{said}");
        assert!(said.to_string().contains(names[0]), "{said}");
        let said = store.read("a b", 10).expect_err("it is denied");
        assert!(matches!(said, StoreError::Denied { .. }), "{said}");
        assert!(said.to_string().contains(names[1]), "{said}");
        assert_eq!(store.read("a b", 10).expect("an answer"), None);
        let asked = proxy.asked();
        assert!(asked[0].contains(path), "{asked:?}");
    }
}

#[test]
fn without_credentials_the_variables_are_named() {
    let second = Duration::from_secs(1);
    let proxy = Proxy::new(0, |_| Fault::Answer(404, ""));
    let mut variables = variables(proxy.port);
    variables.retain(|(name, _)| !name.ends_with("KEY_ID") && !name.ends_with("ACCESS_KEY"));
    let metadata = format!("http://127.0.0.1:{}", proxy.port);
    variables.push(("AWS_METADATA_ENDPOINT".into(), metadata));
    let options = StoreOptions {
        retry_for: second,
        silence: second,
        variables,
    };
    let store = Store::open_with(&at("s3://a"), options).expect("it is right");
    let said = store.read("a", 10).expect_err("there are no credentials");
    assert!(matches!(said, StoreError::Denied { .. }), "{said}");
    assert!(said.to_string().contains("AWS_ACCESS_KEY_ID"), "{said}");
}

#[test]
fn a_wrong_endpoint_is_said_at_once() {
    let (moto, _) = bucket("endpoint");
    // What Amazon answers for a bucket of another region.
    let proxy = Proxy::new(moto.port, |_| Fault::Answer(301, ""));
    let said = store(proxy.port, "endpoint").read("a", 10);
    let said = said.expect_err("it is elsewhere").to_string();
    assert!(said.contains("AWS_REGION"), "{said}");
    assert_eq!(proxy.asked().len(), 1);

    let mut variables = variables(moto.port);
    variables.retain(|(name, _)| name != "AWS_ALLOW_HTTP");
    let options = StoreOptions {
        variables,
        ..StoreOptions::default()
    };
    let read = Store::open_with(&at("s3://endpoint"), options).and_then(|store| store.read("a", 1));
    let said = read.expect_err("it is not encrypted").to_string();
    assert!(said.contains("AWS_ALLOW_HTTP"), "{said}");
    assert!(!said.contains("gave up"), "{said}");
}

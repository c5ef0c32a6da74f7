//! Objects from files and to files, and what is left when they do not get there.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use l3net_store::{Store, StoreError};

use crate::proxy::{Fault, Proxy};
use crate::{always, at, bucket, file_of, names, noise, store, variables};

#[test]
fn files_of_any_length_go_and_come_back() {
    let (moto, store) = bucket("files");
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to ü"));
    std::fs::write(&to, "older").expect("written");
    // Around the length of a part, and several of them, the last one short.
    for length in [0, 1, 16_000_000, 16_000_001, 70_000_000] {
        let bytes = noise(length);
        std::fs::write(&from, &bytes).expect("written");
        store.upload("a b/ü+%.tar", &from, &always).expect("sent");
        let came = store.fetch("a b/ü+%.tar", &to, &always).expect("it comes");
        assert_eq!(came, length as u64);
        assert!(std::fs::read(&to).expect("there") == bytes, "{length}");
        assert!(!moto.keeps_parts("files"));
    }
    assert_eq!(names(folder.path()), ["from", "to ü"]);
    #[cfg(unix)]
    {
        // As of any other file, not only for its owner.
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(&to), mode(&from));
    }
}

#[test]
fn what_is_wrong_here_is_said_with_the_path() {
    let (_, store) = bucket("local");
    store.write("a", b"bytes").expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("is a folder")).expect("made");

    for to in ["no/file", "is a folder"] {
        let said = store.fetch("a", &path(to), &always).expect_err(to);
        assert!(matches!(said, StoreError::File { .. }), "{said}");
        assert!(said.to_string().contains(to), "{said}");
    }
    let said = store
        .fetch("b", &path("b"), &always)
        .expect_err("not there");
    assert!(matches!(said, StoreError::NotThere { .. }), "{said}");
    assert!(said.to_string().starts_with("s3://local/b: "), "{said}");
    for from in ["not there", "is a folder"] {
        let said = store.upload("c", &path(from), &always).expect_err(from);
        assert!(matches!(said, StoreError::File { .. }), "{said}");
        assert!(said.to_string().contains(from), "{said}");
    }
    assert_eq!(store.find("c").expect("an answer"), None);
    assert_eq!(names(folder.path()), ["is a folder"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let (moto, store) = bucket("full");
    store.write("a", &noise(3_000_000)).expect("written");
    // The limit of this process's files stands for a disk; a child has it.
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 1000; exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().expect("these tests"))
        .args(["--ignored", "--exact", "files::onto_a_small_disk"])
        .envs(variables(moto.port))
        .env("L3NET_TEST_FOLDER", folder.path())
        .output()
        .expect("it runs");
    assert!(child.status.success(), "{child:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
#[ignore = "run by a_full_disk_is_an_error_and_leaves_nothing"]
fn onto_a_small_disk() {
    let folder = std::env::var_os("L3NET_TEST_FOLDER").expect("it is set");
    let store = Store::open(&at("s3://full")).expect("it is right");
    let to = std::path::Path::new(&folder).join("to");
    let said = store.fetch("a", &to, &always).expect_err("no room");
    assert!(matches!(said, StoreError::File { .. }), "{said}");
    assert!(said.to_string().contains("File too large"), "{said}");
}

#[test]
fn a_fetch_that_is_stopped_leaves_nothing() {
    let (moto, near) = bucket("stop-fetch");
    near.write("a", &noise(3_000_000)).expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    std::fs::write(&to, "older").expect("written");
    // While it waits for the answer, for more of it, and while bytes come.
    for fault in [Fault::Silence, Fault::Stall(1_000_000)] {
        let proxy = Proxy::new(moto.port, move |_| fault);
        let far = store(proxy.port, "stop-fetch");
        let looks = AtomicUsize::new(0);
        let go_on = || proxy.asked().is_empty() || looks.fetch_add(1, Relaxed) < 3;
        let said = far.fetch("a", &to, &go_on).expect_err("it is stopped");
        assert!(matches!(said, StoreError::Stopped), "{said}");
        assert_eq!(std::fs::read(&to).expect("there"), b"older");
        assert_eq!(names(folder.path()), ["to"]);
    }
    let said = near.fetch("a", &to, &|| false).expect_err("it is stopped");
    assert!(matches!(said, StoreError::Stopped), "{said}");
}

/// Waits for what is done behind the caller's back.
fn until(proxy: &Proxy, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        let long = begun.elapsed() > Duration::from_secs(30);
        assert!(!long, "only {:?} happens", proxy.asked());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_upload_that_is_stopped_leaves_nothing() {
    let (moto, near) = bucket("stop-upload");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    file_of(&from, 40_000_000);
    // At its beginning, whose answer comes when nobody waits for it, and at its second part.
    for of in ["POST", "partNumber=2"] {
        near.write("a", b"older").expect("written");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ours = std::sync::Arc::clone(&stop);
        let proxy = Proxy::new(moto.port, move |asked| {
            if asked.line.contains(of) && !ours.swap(true, Relaxed) {
                if of != "POST" {
                    return Fault::Silence;
                }
                std::thread::sleep(Duration::from_millis(500));
            }
            Fault::None
        });
        let far = store(proxy.port, "stop-upload");
        let said = far.upload("a", &from, &|| !stop.load(Relaxed));
        let said = said.expect_err("it is stopped");
        assert!(matches!(said, StoreError::Stopped), "{said}");
        assert_eq!(
            near.read("a", 10).expect("read").as_deref(),
            Some(&b"older"[..])
        );
        until(&proxy, || {
            proxy.count("DELETE") > 0 && !moto.keeps_parts("stop-upload")
        });
    }
}

#[test]
fn an_upload_that_is_refused_leaves_nothing() {
    let (moto, near) = bucket("refused");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    file_of(&from, 40_000_000);
    let no = "<Error><Code>EntityTooLarge</Code><Message>Too\nlarge</Message></Error>";
    for (part, lost) in [("partNumber=2", false), ("uploadId", true)] {
        let proxy = Proxy::new(moto.port, move |asked| {
            let it = asked.line.contains(part) && (!lost || asked.line.starts_with("POST"));
            if it {
                Fault::Answer(400, no)
            } else {
                Fault::None
            }
        });
        let far = store(proxy.port, "refused");
        let said = far.upload("a", &from, &always).expect_err("it is refused");
        let said = said.to_string();
        assert_eq!(
            said,
            "s3://refused/a: refused (status 400, EntityTooLarge, Too large)"
        );
        assert_eq!(near.find("a").expect("an answer"), None);
        assert!(!moto.keeps_parts("refused"));
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_an_error() {
    let (moto, near) = bucket("grows");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    for shorter in [true, false] {
        file_of(&from, 100_000_000);
        let path = from.clone();
        let proxy = Proxy::new(moto.port, move |asked| {
            if asked.line.contains("partNumber=1&") {
                let file = std::fs::File::options().write(true).open(&path);
                let length = if shorter { 10 } else { 100_000_001 };
                file.and_then(|file| file.set_len(length))
                    .expect("it is ours");
            }
            Fault::None
        });
        let said = store(proxy.port, "grows").upload("a", &from, &always);
        let said = said.expect_err("it changes");
        assert!(matches!(said, StoreError::Changed { .. }), "{said}");
        assert_eq!(near.find("a").expect("an answer"), None);
        assert!(!moto.keeps_parts("grows"));
    }
}

#[test]
#[ignore = "run by an_uploader_that_is_killed_leaves_no_object"]
fn uploads_until_it_is_killed() {
    let file = std::env::var_os("L3NET_TEST_FILE").expect("it is set");
    let store = Store::open(&at("s3://killed")).expect("it is right");
    let _ = store.upload("a", file.as_ref(), &always);
}

#[test]
fn an_uploader_that_is_killed_leaves_no_object() {
    let (moto, near) = bucket("killed");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    file_of(&from, 40_000_000);
    let proxy = Proxy::new(moto.port, |asked| {
        if asked.line.contains("partNumber=3") {
            Fault::Silence
        } else {
            Fault::None
        }
    });
    let mut child = Command::new(std::env::current_exe().expect("these tests"))
        .args(["--ignored", "--exact", "files::uploads_until_it_is_killed"])
        .envs(variables(proxy.port))
        .env("L3NET_TEST_FILE", &from)
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    until(&proxy, || proxy.count("PUT") >= 3);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(near.find("a").expect("an answer"), None);
    assert!(crate::keys(&near, "").is_empty());
    // And the next one gets through.
    near.upload("a", &from, &always).expect("sent");
    let object = near.find("a").expect("an answer").expect("it is there");
    assert_eq!(object.bytes, 40_000_000);
}

//! SOURCEs of a command line.

use super::*;
use crate::media::{Session, SessionOptions, expand};

fn names(texts: &[&str]) -> Vec<String> {
    let texts: Vec<_> = texts.iter().map(ToString::to_string).collect();
    let sources = expand(&texts).expect("good usage");
    sources.iter().map(|s| s.name.to_string()).collect()
}

#[test]
fn every_kind_of_source_is_known() {
    let kind = |text: &str| expand(&[text.to_owned()]).map(|mut s| s.remove(0).kind);
    assert_eq!(kind("test"), Ok(SourceKind::Test(None)));
    assert_eq!(kind("camera"), Ok(SourceKind::Camera(0)));
    assert_eq!(kind("camera:2"), Ok(SourceKind::Camera(2)));
    assert!(matches!(
        kind("rtsp://a/b"),
        Ok(SourceKind::Uri { live: true, .. })
    ));
    assert!(matches!(
        kind("https://a/b.mp4"),
        Ok(SourceKind::Uri { live: false, .. })
    ));
    assert!(matches!(
        kind("videotestsrc ! video. audiotestsrc ! audio."),
        Ok(SourceKind::Launch(_))
    ));
    assert_eq!(
        kind("no/such.mp4"),
        Ok(SourceKind::Broken(MediaError::NotFound))
    );
    assert!(matches!(
        kind("gopher://a/b"),
        Err(SourceError::Scheme { .. })
    ));
    assert!(matches!(kind("camera:front"), Err(SourceError::Camera(_))));
}

#[test]
fn what_comes_from_cameras_and_the_network_is_opened_again() {
    let reopens = |text: &str, live| expand(&[text.to_owned()]).map(|s| s[0].reopens(live));
    for network in ["rtsp://a/b", "http://a/b", "https://a/b", "camera"] {
        assert_eq!(reopens(network, false), Ok(true), "{network}");
    }
    let description = "videotestsrc ! video. audiotestsrc ! audio.";
    assert_eq!(reopens(description, true), Ok(true));
    assert_eq!(reopens(description, false), Ok(false));
    assert_eq!(reopens("test", true), Ok(false));
    assert_eq!(reopens(file!(), false), Ok(false));
}

#[test]
fn a_name_before_a_source_is_the_stream_s_and_the_class_of_recordings() {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["one/a.mp4", "two/a.mp4", "two/b.mp4", "x=y.mp4"] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
        std::fs::write(path, b"x").expect("written");
    }
    let path = |below: &str| dir.path().join(below).display().to_string();
    let of = |text: String| {
        let found = expand(std::slice::from_ref(&text)).expect("good usage");
        let pair = |s: &Source| format!("{} {}", s.name, s.camera());
        found.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(of("front=rtsp://a/b?c=d".to_owned()), ["front front"]);
    assert_eq!(of("hall_2=test".to_owned()), ["hall_2 hall_2"]);
    assert_eq!(of(format!("front={}", path("one"))), ["a.mp4 front"]);
    assert_eq!(of(format!("front={}", path("one/a.mp4"))), ["front front"]);
    assert_eq!(
        of(format!("yard={}", path("two"))),
        ["a.mp4 yard", "b.mp4 yard"]
    );
    // None of these has a name.
    assert_eq!(of(path("x=y.mp4")), ["x=y.mp4 x=y.mp4"]);
    let description = "videotestsrc pattern=ball ! video. audiotestsrc ! audio.";
    assert_eq!(of(description.to_owned()), ["launch launch"]);
    assert_eq!(
        of("=test".to_owned()),
        ["=test =test"],
        "a file that is not there"
    );
}

#[test]
fn directories_are_walked_and_names_are_unique() {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["b/clip.MP4", "a/clip.mp4", "notes.txt", ".hidden/x.mp4"] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
        std::fs::write(path, b"x").expect("written");
    }
    let root = dir.path().to_str().expect("text");
    assert_eq!(names(&[root]), ["a/clip.mp4", "b/clip.MP4"]);
    let labels = |texts: &[&str]| {
        let texts: Vec<_> = texts.iter().map(|t| format!("{root}{t}")).collect();
        let sources = expand(&texts).expect("good usage");
        let labels = sources.into_iter().map(|s| s.label.unwrap_or_default());
        labels.collect::<Vec<_>>()
    };
    assert_eq!(labels(&[""]), ["a", "b"]);
    assert_eq!(labels(&["/a"]), [""]);
    assert_eq!(labels(&["/a/clip.mp4"]), [""]);
    // As a shell writes /*.
    assert_eq!(labels(&["/a", "/b/", "/notes.txt"]), ["a", "b", ""]);
    assert_eq!(labels(&["/a/../b/.", "/b/clip.MP4"]), ["b", ""]);
    assert_eq!(labels(&["", "/a"]), ["a", "b", "a"]);
    std::fs::create_dir_all(dir.path().join("deep/a")).expect("made");
    std::fs::write(dir.path().join("deep/a/clip.vob"), b"x").expect("written");
    let [one, two] = ["/a", "/deep/a"].map(|folder| format!("{root}{folder}"));
    assert_eq!(labels(&["/a", "/deep/a/"]), [one.as_str(), two.as_str()]);
    std::fs::remove_dir_all(dir.path().join("deep")).expect("removed");
    std::fs::write(dir.path().join("loose.mp4"), b"x").expect("written");
    assert_eq!(labels(&["", "/a"]), ["a", "b", "", "a"]);
    let (a, b) = (
        format!("{root}/a/clip.mp4"),
        format!("{root}/b/../a/clip.mp4"),
    );
    assert_eq!(
        names(&[&a, &b, &b]),
        ["clip.mp4".to_owned(), b.clone(), format!("{b}#2")]
    );
    let empty = tempfile::tempdir().expect("a folder");
    let text = empty.path().to_str().expect("text").to_owned();
    let sources = expand(&[text]).expect("good usage");
    assert!(matches!(
        sources[0].kind,
        SourceKind::Broken(MediaError::NoMedia(_))
    ));
}

#[test]
fn passwords_stay_out_of_names() {
    assert_eq!(
        names(&["rtsp://me:secret@cam.example/1"]),
        ["rtsp://cam.example/1"]
    );
}

#[test]
fn a_test_source_without_a_scene_does_not_open_and_says_why() {
    let sources = expand(&["test".to_owned()]).expect("good usage");
    let error = Session::open(&sources[0], SessionOptions::default()).err();
    let error = error.expect("no scene").to_string();
    assert!(error.contains("no built-in scene"), "{error}");
}

//! SOURCEs of a command line.

use super::*;

fn names(texts: &[&str]) -> Vec<String> {
    let texts: Vec<_> = texts.iter().map(ToString::to_string).collect();
    let sources = expand(&texts).expect("good usage");
    sources.iter().map(|s| s.name.to_string()).collect()
}

#[test]
fn every_kind_of_source_is_known() {
    let kind = |text: &str| expand(&[text.to_owned()]).map(|mut s| s.remove(0).kind);
    assert_eq!(kind("test"), Ok(Kind::Test));
    assert_eq!(kind("camera"), Ok(Kind::Camera(0)));
    assert_eq!(kind("camera:2"), Ok(Kind::Camera(2)));
    assert!(matches!(
        kind("rtsp://a/b"),
        Ok(Kind::Uri { live: true, .. })
    ));
    assert!(matches!(
        kind("https://a/b.mp4"),
        Ok(Kind::Uri { live: false, .. })
    ));
    assert!(matches!(
        kind("videotestsrc ! video. audiotestsrc ! audio."),
        Ok(Kind::Launch(_))
    ));
    assert_eq!(kind("no/such.mp4"), Ok(Kind::Broken(MediaError::NotFound)));
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
fn taken_names_become_longer() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("a.mp4");
    std::fs::write(&file, b"x").expect("written");
    let path = file.to_str().expect("text");
    let named = |others: &[&str], own: &[&str]| {
        let mut sources = find(&[path.to_owned()]).expect("good usage");
        assert_eq!(sources[0].bytes(), Some(1));
        let renamed = name(&mut sources, |_, name| match name {
            _ if own.contains(&name) => Held::ByIt,
            _ if others.contains(&name) => Held::ByOther,
            _ => Held::Free,
        });
        assert_eq!(renamed.len(), usize::from(&*sources[0].name != "a.mp4"));
        sources[0].name.to_string()
    };
    let second = format!("{path}#2");
    assert_eq!(named(&[], &[]), "a.mp4");
    assert_eq!(named(&["a.mp4"], &[]), path);
    assert_eq!(named(&["a.mp4", path], &[]), second);
    assert_eq!(named(&["a.mp4", path, &second], &[]), format!("{path}#3"));
    // What it was called before it is called again.
    assert_eq!(named(&[], &["a.mp4"]), "a.mp4");
    assert_eq!(named(&["a.mp4"], &[path]), path);
}

#[test]
fn a_name_goes_to_whose_it_was_whatever_the_order() {
    let sources = |order: [&str; 2]| {
        let mut sources = find(&order.map(str::to_owned)).expect("good usage");
        for (source, text) in sources.iter_mut().zip(order) {
            *source = Source {
                name: "a.mp4".into(),
                kind: Kind::File(text.into()),
                label: None,
            };
        }
        name(&mut sources, |source, name| match (&source.kind, name) {
            (Kind::File(path), "a.mp4") if path.ends_with("one/a.mp4") => Held::ByIt,
            (_, "a.mp4") => Held::ByOther,
            _ => Held::Free,
        });
        sources
            .into_iter()
            .map(|s| s.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        sources(["/one/a.mp4", "/new/a.mp4"]),
        ["a.mp4", "/new/a.mp4"]
    );
    assert_eq!(
        sources(["/new/a.mp4", "/one/a.mp4"]),
        ["/new/a.mp4", "a.mp4"]
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
    let labels = |text: &str| {
        let sources = expand(&[text.to_owned()]).expect("good usage");
        sources.into_iter().map(|s| s.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(root), [Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(labels(&format!("{root}/a")), [None]);
    assert_eq!(labels(&format!("{root}/a/clip.mp4")), [None]);
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
        Kind::Broken(MediaError::NoMedia(_))
    ));
}

#[test]
fn passwords_stay_out_of_names() {
    assert_eq!(
        names(&["rtsp://me:secret@cam.example/1"]),
        ["rtsp://cam.example/1"]
    );
    assert_eq!(without_password("http://h/a@b"), "http://h/a@b");
}

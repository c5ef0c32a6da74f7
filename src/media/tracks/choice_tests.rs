//! Tracks, and which of them are taken.

use super::*;

fn track() -> Track {
    Track::default()
}

fn default() -> Track {
    Track {
        is_default: true,
        ..track()
    }
}

fn titled(title: &str) -> Track {
    Track {
        title: Some(title.to_owned()),
        ..track()
    }
}

fn commentary() -> Track {
    Track {
        is_beside: true,
        ..track()
    }
}

fn silent() -> Track {
    Track {
        is_silent: true,
        ..track()
    }
}

fn still() -> Track {
    Track {
        is_still: true,
        ..track()
    }
}

fn mono(is_silent: bool) -> Track {
    Track {
        mono_pcm: Some(48_000),
        is_silent,
        ..track()
    }
}

fn spoken(language: &str) -> Track {
    Track {
        language: Some(language.to_owned()),
        ..mono(false)
    }
}

#[test]
fn the_recording_itself_is_taken() {
    let cases: &[(&str, Vec<Track>, &[usize], Why)] = &[
        ("none", vec![], &[], Why::Only),
        (
            "one, whatever it is",
            vec![Track {
                is_silent: true,
                ..still()
            }],
            &[0],
            Why::Only,
        ),
        ("flagged", vec![track(), default()], &[1], Why::Default),
        (
            "flagged, though silent",
            vec![
                track(),
                Track {
                    is_silent: true,
                    ..default()
                },
            ],
            &[1],
            Why::Default,
        ),
        (
            "flagged, though a cover",
            vec![
                Track {
                    is_still: true,
                    ..default()
                },
                track(),
            ],
            &[1],
            Why::First,
        ),
        ("all flagged", vec![default(), default()], &[0], Why::First),
        (
            "all flagged, the first silent",
            vec![
                Track {
                    is_silent: true,
                    ..default()
                },
                default(),
            ],
            &[1],
            Why::First,
        ),
        (
            "two of three flagged",
            vec![track(), default(), default()],
            &[1],
            Why::FirstDefault,
        ),
        (
            "a commentary by its flag",
            vec![commentary(), track()],
            &[1],
            Why::First,
        ),
        (
            "a commentary that is flagged default, as all are",
            vec![
                Track {
                    is_default: true,
                    ..commentary()
                },
                default(),
            ],
            &[1],
            Why::First,
        ),
        (
            "commentaries only",
            vec![commentary(), commentary()],
            &[0],
            Why::Beside,
        ),
        ("none flagged", vec![track(), track()], &[0], Why::First),
        ("a cover first", vec![still(), track()], &[1], Why::First),
        (
            "a commentary first",
            vec![titled("Director's Commentary"), track()],
            &[1],
            Why::First,
        ),
        (
            "a description first",
            vec![titled("Audiodescription"), titled("Main")],
            &[1],
            Why::First,
        ),
        (
            "a silent one first",
            vec![silent(), track()],
            &[1],
            Why::First,
        ),
        ("all silent", vec![silent(), silent()], &[0], Why::Silent),
        (
            "a commentary beside silence",
            vec![titled("commentary"), silent()],
            &[1],
            Why::Silent,
        ),
        ("covers only", vec![still(), still()], &[0], Why::Beside),
    ];
    for (name, tracks, taken, why) in cases {
        let choice = choose(tracks, None).expect("nothing was asked for");
        assert_eq!((&choice.taken[..], choice.why), (*taken, *why), "{name}");
    }
}

#[test]
fn microphones_of_one_recording_are_mixed() {
    let cases: &[(&str, Vec<Track>, &[usize], Why)] = &[
        ("four", vec![mono(false); 4], &[0, 1, 2, 3], Why::Mixed),
        (
            "two of four sound",
            vec![mono(true), mono(false), mono(false), mono(true)],
            &[1, 2],
            Why::Mixed,
        ),
        (
            "one of two sounds",
            vec![mono(true), mono(false)],
            &[1],
            Why::First,
        ),
        (
            "the first is flagged",
            vec![
                Track {
                    is_default: true,
                    ..mono(false)
                },
                mono(false),
            ],
            &[0, 1],
            Why::Mixed,
        ),
        (
            "all silent",
            vec![mono(true), mono(true)],
            &[0],
            Why::Silent,
        ),
        (
            "one language",
            vec![spoken("en"), spoken("en")],
            &[0, 1],
            Why::Mixed,
        ),
        (
            "two languages",
            vec![spoken("en"), spoken("de")],
            &[0],
            Why::First,
        ),
        (
            "a commentary",
            vec![
                mono(false),
                Track {
                    title: Some("Comments".into()),
                    ..mono(false)
                },
            ],
            &[0],
            Why::First,
        ),
        (
            "two rates",
            vec![
                mono(false),
                Track {
                    mono_pcm: Some(44_100),
                    ..track()
                },
            ],
            &[0],
            Why::First,
        ),
        (
            "one is stereo",
            vec![mono(false), track()],
            &[0],
            Why::First,
        ),
    ];
    for (name, tracks, taken, why) in cases {
        let choice = choose(tracks, None).expect("nothing was asked for");
        assert_eq!((&choice.taken[..], choice.why), (*taken, *why), "{name}");
    }
}

#[test]
fn what_is_asked_for_is_taken_or_missing() {
    let tracks = [default(), silent(), still()];
    let taken = |number| choose(&tracks, Some(number)).map(|choice| choice.taken);
    assert_eq!(taken(1), Some(vec![0]));
    assert_eq!(taken(3), Some(vec![2]));
    assert_eq!(taken(0), None);
    assert_eq!(taken(4), None);
    assert_eq!(choose(&[], Some(1)), None);
}

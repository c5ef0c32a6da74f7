//! Which of several tracks is the recording itself. Pure.

/// Tracks that a user asks for, counted from 1; `None` leaves the choice to the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AskedTracks {
    /// Of sound.
    pub audio: Option<usize>,
    /// Of pictures.
    pub video: Option<usize>,
}

/// What is known of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// Its container flags it as the one to play.
    pub is_default: bool,
    /// Its name, if it has one.
    pub title: Option<String>,
    /// ISO 639 code, if it has one.
    pub language: Option<String>,
    /// It has a single picture: a cover.
    pub is_still: bool,
    /// Nothing is heard in its first seconds.
    pub is_silent: bool,
    /// The rate in Hz of uncompressed sound with one channel.
    pub mono_pcm: Option<i32>,
}

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Places in the list; several are mixed.
    pub taken: Vec<usize>,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no other.
    Only,
    Asked,
    Default,
    /// The first that is no cover, no commentary, and not silent.
    First,
    /// Microphones of one recording.
    Mixed,
}

/// Words in the title of a track that goes with the recording. Beginnings: `comment` is
/// also `commentary`, `commentaire`, `comments`.
const BESIDE: [&str; 6] = [
    "comment",
    "komment",
    "coment",
    "descri",
    "audiodesk",
    "hörfilm",
];

impl Track {
    fn is_beside(&self) -> bool {
        let title = self.title.as_deref().unwrap_or_default().to_lowercase();
        BESIDE.iter().any(|word| title.contains(word))
    }
}

/// Chooses among the tracks of a kind; `None` if the one that is asked for is not there.
pub(super) fn choose(tracks: &[Track], asked: Option<usize>) -> Option<Choice> {
    let one = |at, why| Choice {
        taken: vec![at],
        why,
    };
    if let Some(number) = asked {
        let at = number.checked_sub(1).filter(|&at| at < tracks.len())?;
        return Some(one(at, Why::Asked));
    }
    if tracks.len() < 2 {
        let taken = (0..tracks.len()).collect();
        return Some(Choice {
            taken,
            why: Why::Only,
        });
    }
    if is_one_recording(tracks) {
        let heard: Vec<_> = positions(tracks, |track| !track.is_silent).collect();
        return Some(match heard[..] {
            [] => one(0, Why::First),
            [at] => one(at, Why::First),
            _ => Choice {
                taken: heard,
                why: Why::Mixed,
            },
        });
    }
    let mut flagged = positions(tracks, |track| track.is_default && !track.is_still);
    if let (Some(at), None) = (flagged.next(), flagged.next()) {
        return Some(one(at, Why::Default));
    }
    let itself = |track: &Track| !track.is_still && !track.is_beside();
    let first = positions(tracks, |t| itself(t) && !t.is_silent && t.is_default)
        .chain(positions(tracks, |t| itself(t) && !t.is_silent))
        .chain(positions(tracks, itself))
        .chain(positions(tracks, |t| !t.is_still))
        .next();
    Some(one(first.unwrap_or(0), Why::First))
}

fn positions(tracks: &[Track], which: impl Fn(&Track) -> bool) -> impl Iterator<Item = usize> {
    (0..tracks.len()).filter(move |&at| which(&tracks[at]))
}

/// Whether the tracks are the microphones of one camera: all uncompressed, with one channel,
/// at one rate, in no languages, and none that goes with the others.
fn is_one_recording(tracks: &[Track]) -> bool {
    let [first, others @ ..] = tracks else {
        return false;
    };
    let is_alike = |track: &Track| {
        track.mono_pcm == first.mono_pcm && track.language == first.language && !track.is_beside()
    };
    first.mono_pcm.is_some() && !first.is_beside() && others.iter().all(is_alike)
}

#[cfg(test)]
mod tests {
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
                Why::First,
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
            ("all silent", vec![silent(), silent()], &[0], Why::First),
            (
                "a commentary beside silence",
                vec![titled("commentary"), silent()],
                &[1],
                Why::First,
            ),
            ("covers only", vec![still(), still()], &[0], Why::First),
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
            ("all silent", vec![mono(true), mono(true)], &[0], Why::First),
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
}

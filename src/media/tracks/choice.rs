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
    /// Its container flags it as one that goes with the recording.
    pub is_beside: bool,
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
    /// The first of those among several that are flagged default, but not all.
    FirstDefault,
    /// The first that is no cover and no commentary; all of these are silent.
    Silent,
    /// The first that is no cover if there is one; the others are commentaries.
    Beside,
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
    fn goes_beside(&self) -> bool {
        let title = self.title.as_deref().unwrap_or_default().to_lowercase();
        self.is_beside || BESIDE.iter().any(|word| title.contains(word))
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
            [] => one(0, Why::Silent),
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
    let itself = |track: &Track| !track.is_still && !track.goes_beside();
    let heard = |track: &Track| itself(track) && !track.is_silent;
    let first = |which: &dyn Fn(&Track) -> bool| positions(tracks, which).next();
    let found = match (first(&heard), first(&|t| heard(t) && t.is_default)) {
        (first, Some(at)) if first != Some(at) => Some((at, Why::FirstDefault)),
        (Some(at), _) => Some((at, Why::First)),
        (None, _) => first(&itself).map(|at| (at, Why::Silent)),
    };
    let (at, why) = found.unwrap_or_else(|| {
        let at = first(&|track| !track.is_still).unwrap_or(0);
        (at, Why::Beside)
    });
    Some(one(at, why))
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
        track.mono_pcm == first.mono_pcm && track.language == first.language && !track.goes_beside()
    };
    first.mono_pcm.is_some() && !first.goes_beside() && others.iter().all(is_alike)
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;

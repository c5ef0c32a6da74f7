//! Choosing among the tracks of a file, and linking what was chosen to the ends.
//!
//! Belongs here: waiting until all tracks are known, what is known of each, the word about
//! what was taken. The choice itself is pure ([`choice`]). Does not: sources that are not
//! files, whose tracks may come late; of them the first of each kind is taken, or the one
//! that is asked for (`graph`).

mod choice;
mod flags;
mod listen;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

pub use choice::AskedTracks;
use choice::{Choice, Track, Why, choose};
use flags::Flags;
use listen::{Heard, listen};

use super::error::MediaError;
use super::graph::{Kind, kind_of, link};
use crate::sync::lock;

/// What went wrong with the choice, told when the session is polled.
pub(super) type Trouble = Arc<Mutex<Option<MediaError>>>;

/// The tracks of a file.
pub(super) struct FileTracks {
    /// The name of its stream, where the choice is to be told: not for each of the
    /// recordings that were joined to one file.
    pub reported_as: Option<String>,
    pub path: PathBuf,
    /// Where the recording begins in the file.
    pub begin: u64,
    pub uri: String,
    pub asked: AskedTracks,
    pub trouble: Trouble,
}

impl FileTracks {
    /// Links the tracks of a decoder as soon as all are known; what comes later only if an
    /// end is still free.
    pub fn choose_when_known(self, pipeline: &gst::Pipeline, decoder: &gst::Element) {
        // `None` once they have been chosen.
        let waiting = Arc::new(Mutex::new(Some(Vec::new())));
        let (weak, later) = (pipeline.downgrade(), Arc::clone(&waiting));
        decoder.connect_pad_added(move |_, pad| {
            let mut waiting = lock(&later);
            match (&mut *waiting, weak.upgrade()) {
                (Some(pads), _) => pads.push(pad.clone()),
                (None, Some(pipeline)) => {
                    if let Some(kind) = kind_of(pad) {
                        link(&pipeline, pad, kind);
                    }
                }
                (None, None) => {}
            }
        });
        let weak = pipeline.downgrade();
        decoder.connect_no_more_pads(move |_| {
            let pads = lock(&waiting).take();
            if let (Some(pads), Some(pipeline)) = (pads, weak.upgrade()) {
                self.link_all(&pipeline, pads);
            }
        });
    }

    fn link_all(&self, pipeline: &gst::Pipeline, pads: Vec<gst::Pad>) {
        let mut pads: Vec<_> = pads
            .into_iter()
            .filter_map(|pad| Some((kind_of(&pad)?, pad.stream_id().unwrap_or_default(), pad)))
            .collect();
        // Demuxers number them in the order of the file.
        pads.sort_by(|one, other| one.1.cmp(&other.1));
        let flags = match pads.len() > 2 {
            true => flags::flags(&self.path, self.begin),
            false => BTreeMap::new(),
        };
        let of_kind = |wanted| {
            let found = pads.iter().filter(move |(kind, ..)| *kind == wanted);
            let found = found.map(|(_, id, pad)| Candidate::new(pad, id, &flags));
            found.collect::<Vec<_>>()
        };
        let (mut sound, mut picture) = (of_kind(Kind::Sound), of_kind(Kind::Picture));
        let listens = needs_listening(&sound, Kind::Sound, self.asked.audio)
            || needs_listening(&picture, Kind::Picture, self.asked.video);
        if listens {
            let heard = listen(&self.uri);
            for candidate in sound.iter_mut().chain(&mut picture) {
                if let Some(heard) = heard.get(number_in(candidate.id)) {
                    candidate.learn(heard);
                }
            }
        }
        self.link_kind(pipeline, Kind::Sound, &sound, self.asked.audio);
        self.link_kind(pipeline, Kind::Picture, &picture, self.asked.video);
    }

    fn link_kind(
        &self,
        pipeline: &gst::Pipeline,
        kind: Kind,
        candidates: &[Candidate<'_>],
        asked: Option<usize>,
    ) {
        let all: Vec<_> = candidates.iter().map(|c| c.track.clone()).collect();
        let Some(choice) = choose(&all, asked) else {
            let mut trouble = lock(&self.trouble);
            trouble.get_or_insert(MediaError::NoTrack {
                what: kind.name(),
                asked: asked.unwrap_or_default(),
                there: all.len(),
            });
            return;
        };
        if let (Some(name), Some(warning)) = (&self.reported_as, warning(&all, &choice, kind)) {
            tracing::warn!("{name}: {warning}");
        }
        let pads: Vec<_> = choice.taken.iter().map(|&at| candidates[at].pad).collect();
        match &pads[..] {
            [] => {}
            [pad] => link(pipeline, pad, kind),
            _ => {
                if let Err(error) = mix(pipeline, &pads) {
                    let mut trouble = lock(&self.trouble);
                    let cause = format!("its tracks cannot be mixed: {error}");
                    trouble.get_or_insert(MediaError::Pipeline(cause));
                }
            }
        }
    }
}

/// The part of a stream's id that its demuxer has given it, the same in each reading.
fn number_in(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// A track that may be taken.
struct Candidate<'a> {
    pad: &'a gst::Pad,
    id: &'a str,
    track: Track,
    /// The rate in Hz of sound with one channel.
    mono: Option<i32>,
}

impl<'a> Candidate<'a> {
    /// With what is known before it is read. Tags may come later.
    fn new(pad: &'a gst::Pad, id: &'a str, flags: &BTreeMap<u32, Flags>) -> Self {
        let start = pad.sticky_event::<gst::event::StreamStart<_>>(0);
        let is_selected =
            start.is_some_and(|start| start.stream_flags().contains(gst::StreamFlags::SELECT));
        // Ids end in the track's number; those of matroskademux in `number:uid`.
        let number = number_in(id).split(':').next();
        let number = number.and_then(|number| number.parse().ok());
        let flags = number.and_then(|number: u32| flags.get(&number).copied());
        let flags = flags.unwrap_or_default();
        let mut notes = Notes::default();
        for event in (0..).map_while(|at| pad.sticky_event::<gst::event::Tag<_>>(at)) {
            notes.read(event.tag());
        }
        let caps = pad.current_caps();
        let number = |name| caps.as_ref()?.structure(0)?.get::<i32>(name).ok();
        let mut candidate = Self {
            pad,
            id,
            track: Track {
                is_default: flags.is_default.unwrap_or(is_selected),
                is_beside: flags.is_beside,
                ..Track::default()
            },
            mono: number("rate").filter(|_| number("channels") == Some(1)),
        };
        candidate.note(&notes);
        candidate
    }

    fn note(&mut self, notes: &Notes) {
        self.track.title.clone_from(&notes.title);
        self.track.language.clone_from(&notes.language);
        self.track.mono_pcm = self.mono.filter(|_| notes.is_pcm);
    }

    fn learn(&mut self, heard: &Heard) {
        self.track.is_silent = heard.is_silent();
        self.track.is_still = heard.is_still();
        self.note(&heard.notes);
    }
}

/// What tags say of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Notes {
    title: Option<String>,
    language: Option<String>,
    is_pcm: bool,
}

impl Notes {
    fn read(&mut self, tags: &gst::TagListRef) {
        let text = |value: &str| Some(value.to_owned()).filter(|text| !text.is_empty());
        if let Some(title) = tags
            .get::<gst::tags::Title>()
            .and_then(|tag| text(tag.get()))
        {
            self.title = Some(title);
        }
        let language = tags
            .get::<gst::tags::LanguageCode>()
            .and_then(|tag| text(tag.get()));
        if let Some(language) = language.filter(|code| code != "und") {
            self.language = Some(language);
        }
        if let Some(codec) = tags.get::<gst::tags::AudioCodec>() {
            self.is_pcm = ["PCM", "Uncompressed"]
                .iter()
                .any(|word| codec.get().contains(word));
        }
    }
}

/// Whether flags do not decide: a cover may be flagged, and one of several microphones.
fn needs_listening(candidates: &[Candidate<'_>], kind: Kind, asked: Option<usize>) -> bool {
    let is_flagged = candidates.iter().filter(|c| c.track.is_default).count() == 1;
    let first = candidates.first().and_then(|c| c.mono);
    let may_be_one = first.is_some() && candidates.iter().all(|c| c.mono == first);
    let decides = is_flagged && kind == Kind::Sound && !may_be_one;
    candidates.len() > 1 && asked.is_none() && !decides
}

/// What to tell about a choice among several tracks.
fn warning(tracks: &[Track], choice: &Choice, kind: Kind) -> Option<String> {
    if tracks.len() < 2 || choice.why == Why::Asked {
        return None;
    }
    let named = |&at: &usize| match (&tracks[at].title, &tracks[at].language) {
        (Some(title), _) => format!("{} ({title})", at + 1),
        (None, Some(language)) => format!("{} ({language})", at + 1),
        (None, None) => (at + 1).to_string(),
    };
    let taken: Vec<_> = choice.taken.iter().map(named).collect();
    let why = match choice.why {
        Why::Default => "flagged default",
        Why::Mixed => "mixed, as microphones of one recording",
        Why::FirstDefault => match kind {
            Kind::Sound => "the first flagged default that is heard and no commentary",
            Kind::Picture => "the first flagged default that is no cover",
        },
        Why::Silent => "the first that is no commentary; none is heard",
        Why::Beside => "as all are commentaries or covers",
        Why::First | Why::Only | Why::Asked => match kind {
            Kind::Sound => "the first that is heard and no commentary",
            Kind::Picture => "the first that is no cover",
        },
    };
    let (name, option) = (kind.name(), kind.option());
    Some(format!(
        "{} {name} tracks: taken is {}, {why}; choose another with {option} N",
        tracks.len(),
        taken.join(", ")
    ))
}

/// Links several tracks to the sound's end, as their mean.
fn mix(pipeline: &gst::Pipeline, pads: &[&gst::Pad]) -> Result<(), gst::glib::BoolError> {
    let make = |name| gst::ElementFactory::make(name).build();
    let mixer = make("audiomixer")?;
    let floats = gst::ElementFactory::make("capsfilter")
        .property_from_str("caps", "audio/x-raw,format=F32LE,channels=1")
        .build()?;
    let end = pipeline
        .by_name("audio")
        .ok_or_else(|| gst::glib::bool_error!("no end for the sound"))?;
    pipeline.add_many([&mixer, &floats])?;
    gst::Element::link_many([&mixer, &floats, &end])?;
    for pad in pads {
        let chain = [make("queue")?, make("audioconvert")?];
        pipeline.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        let [queue, convert] = &chain;
        let source = convert.static_pad("src");
        let input = mixer.request_pad_simple("sink_%u");
        let (Some(source), Some(input)) = (source, input) else {
            return Err(gst::glib::bool_error!("no pad to mix at"));
        };
        input.set_property("volume", 1.0 / pads.len() as f64);
        let refused = |_| gst::glib::bool_error!("a track does not fit");
        source.link(&input).map_err(refused)?;
        if let Some(begin) = queue.static_pad("sink") {
            pad.link(&begin).map_err(refused)?;
        }
        for element in &chain {
            element.sync_state_with_parent()?;
        }
    }
    for element in [&floats, &mixer] {
        element.sync_state_with_parent()?;
    }
    Ok(())
}

/// The asked-for tracks of a source that is no file: the first pads of each kind are counted.
pub(super) struct Counted {
    asked: AskedTracks,
    seen: (usize, usize),
}

impl Counted {
    pub fn new(asked: AskedTracks) -> Self {
        Self {
            asked,
            seen: (0, 0),
        }
    }

    /// Whether the next pad of a kind is the one.
    pub fn is_it(&mut self, kind: Kind) -> bool {
        let (seen, asked) = match kind {
            Kind::Sound => (&mut self.seen.0, self.asked.audio),
            Kind::Picture => (&mut self.seen.1, self.asked.video),
        };
        *seen += 1;
        asked.is_none_or(|asked| asked == *seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_tracks_are_told_with_what_was_taken() {
        let english = Track {
            language: Some("en".into()),
            ..Track::default()
        };
        let tracks = [
            Track::default(),
            Track {
                title: Some("Stage".into()),
                ..english.clone()
            },
            english,
        ];
        let warning_of = |taken: &[usize], why| {
            let choice = Choice {
                taken: taken.to_vec(),
                why,
            };
            warning(&tracks, &choice, Kind::Sound).unwrap_or_default()
        };
        assert_eq!(
            warning_of(&[1], Why::Default),
            "3 audio tracks: taken is 2 (Stage), flagged default; choose another with --audio-track N"
        );
        assert!(warning_of(&[0, 2], Why::Mixed).contains("taken is 1, 3 (en), mixed"));
        assert_eq!(warning_of(&[0], Why::Asked), "");
    }

    #[test]
    fn pads_that_come_one_by_one_are_counted() {
        let mut second = Counted::new(AskedTracks {
            audio: Some(2),
            video: None,
        });
        let order = [Kind::Sound, Kind::Picture, Kind::Sound, Kind::Sound];
        assert_eq!(
            order.map(|kind| second.is_it(kind)),
            [false, true, true, false]
        );
    }
}

//! gst-launch descriptions: checks, the appended ends, errors with a caret.
//!
//! A description sends its streams to `audio.` and `video.`, the names of two elements
//! that are appended to its text. They convert and resample, so a description needs no
//! caps.

use std::path::PathBuf;

use gst::prelude::*;
use gstreamer as gst;

/// The name of the appsink behind `audio.`.
pub(super) const SOUND_SINK: &str = "l3net-sound";
/// The name of the resampler in front of it.
pub(super) const RESAMPLER: &str = "l3net-resampler";
/// The name of the appsink behind `video.`.
pub(super) const FRAME_SINK: &str = "l3net-frames";

/// After `audio.`: mono (audioconvert's downmix), 48 kHz, 32-bit float.
const AUDIO_END: &str = "queue name=audio ! audioconvert name=l3net-downmix ! audioresample name=l3net-resampler \
    ! audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1 \
    ! appsink name=l3net-sound async=false enable-last-sample=false qos=false";

/// After `video.`: frames stay in the decoder's format; the few that are used are
/// converted later. videoconvert is only for memory that we cannot map.
const VIDEO_END: &str = "queue name=video max-size-buffers=4 ! videoconvert ! video/x-raw \
    ! appsink name=l3net-frames async=false enable-last-sample=false qos=false";

/// A description that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// GStreamer cannot parse it.
    #[error("the description does not parse: {cause}\n  {text}\n  {mark}")]
    Syntax {
        /// GStreamer's message.
        cause: String,
        /// The description on one line.
        text: String,
        /// A caret under the culprit.
        mark: String,
    },
    /// Nothing goes to the ends.
    #[error(
        "the description has no {missing}: send the {what} there, for example\n  \
         'uridecodebin uri=file:///clip.mp4 name=d  d. ! queue ! audio.  d. ! queue ! video.'"
    )]
    NoEnd {
        /// `audio.` or `video.`.
        missing: &'static str,
        /// `sound` or `picture`.
        what: &'static str,
    },
    /// The name of an end is taken.
    #[error("the description calls an element `{0}`, the name of one of its ends: rename it")]
    NameTaken(&'static str),
    /// A .launch file uses an environment variable that is not set.
    #[error("the description needs the environment variable {0}: run it as {0}=… l3net …")]
    Variable(String),
}

/// A gst-launch description with the ends `audio.` and `video.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Checks that both ends are used and their names are free. Other errors are found
    /// when the pipeline is built.
    ///
    /// # Errors
    /// Names the end that is missing or the name that is taken.
    pub fn new(text: &str) -> Result<Self, DescriptionError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (end, name, what) in [("audio.", "audio", "sound"), ("video.", "video", "picture")] {
            let taken = format!("name={name}");
            if words(&text).any(|w| w == taken || w == format!("name=\"{name}\"")) {
                return Err(DescriptionError::NameTaken(name));
            }
            if !words(&text).any(|w| w == end || w == format!("{end}sink")) {
                return Err(DescriptionError::NoEnd { missing: end, what });
            }
        }
        Ok(Self(text))
    }

    /// Reads the text of a .launch file: lines that start with `#` are comments;
    /// `${NAME}` and `${NAME:-default}` are looked up with `variable`.
    ///
    /// # Errors
    /// As [`new`](Self::new); names a variable that is not set and has no default.
    pub fn from_file_text(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, DescriptionError> {
        let text: String = text
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'))
            .flat_map(|l| [l, "\n"])
            .collect();
        let mut whole = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            whole.push_str(before);
            let (inside, after) = after.split_once('}').unwrap_or((after, ""));
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let value = variable(name)
                .filter(|v| !v.is_empty())
                .or_else(|| default.map(str::to_owned))
                .ok_or_else(|| DescriptionError::Variable(name.to_owned()))?;
            whole.push_str(&value);
            rest = after;
        }
        whole.push_str(rest);
        Self::new(&whole)
    }

    /// Builds the pipeline with both ends.
    ///
    /// # Errors
    /// Points to what GStreamer cannot parse.
    pub fn build(&self) -> Result<gst::Pipeline, DescriptionError> {
        build(&self.0).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &gst::glib::Error) -> DescriptionError {
        let cause = error.message().to_owned();
        let place = self.place_of(&cause).unwrap_or(self.0.len());
        let column = self.0[..place].chars().count();
        DescriptionError::Syntax {
            cause,
            text: self.0.clone(),
            mark: format!("{:>1$}", "^", column + 1),
        }
    }

    /// GStreamer's message has the offending word, not its position.
    fn place_of(&self, cause: &str) -> Option<usize> {
        // Quoted words first: in `no property "x" in element "y"` the first one is the
        // culprit. Then the other words, from the last.
        let quoted = cause.split('"').skip(1).step_by(2);
        quoted
            .chain(cause.split_whitespace().rev())
            .map(|w| w.trim_matches(['"', '\'', '.', ',']))
            .filter(|w| w.len() > 1)
            .find_map(|w| self.find_word(w))
    }

    fn find_word(&self, word: &str) -> Option<usize> {
        let boundary =
            |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
        self.0.match_indices(word).map(|(i, _)| i).find(|&i| {
            boundary(self.0[..i].chars().next_back())
                && boundary(self.0[i + word.len()..].chars().next())
        })
    }
}

impl Description {
    /// Existing files named by properties, such as `location=clip.mp4`.
    pub fn files(&self) -> Vec<PathBuf> {
        let values = words(&self.0).filter_map(|word| Some(word.split_once('=')?.1));
        let paths = values.map(|value| {
            let value = value.trim_matches(['"', '\'']);
            match gst::glib::filename_from_uri(value) {
                Ok((path, _)) => path,
                Err(_) => PathBuf::from(value),
            }
        });
        paths.filter(|path| path.is_file()).collect()
    }
}

impl std::fmt::Display for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '!']).filter(|w| !w.is_empty())
}

/// `text` with the two ends appended, as a pipeline.
pub(super) fn build(text: &str) -> Result<gst::Pipeline, gst::glib::Error> {
    let whole = format!("{text}  {AUDIO_END}  {VIDEO_END}");
    let element = gst::parse::launch_full(&whole, None, gst::ParseFlags::FATAL_ERRORS)?;
    Ok(element
        .downcast::<gst::Pipeline>()
        .unwrap_or_else(|element| {
            let pipeline = gst::Pipeline::new();
            // Cannot fail: the element has no parent yet.
            let _ = pipeline.add(&element);
            pipeline
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "videotestsrc ! video. audiotestsrc ! audio.";

    #[test]
    fn a_description_with_both_ends_builds() {
        gst::init().expect("GStreamer starts");
        let pipeline = Description::new(GOOD)
            .expect("both ends")
            .build()
            .expect("parses");
        assert!(pipeline.by_name(SOUND_SINK).is_some());
        assert!(pipeline.by_name(FRAME_SINK).is_some());
    }

    #[test]
    fn a_missing_end_is_named() {
        let missing = |text| match Description::new(text) {
            Err(DescriptionError::NoEnd { missing, .. }) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing("videotestsrc ! video."), "audio.");
        assert_eq!(missing("audiotestsrc ! audio."), "video.");
        assert_eq!(
            Description::new("queue name=audio videotestsrc ! video. audiotestsrc ! audio."),
            Err(DescriptionError::NameTaken("audio"))
        );
    }

    #[test]
    fn an_error_shows_the_place() {
        gst::init().expect("GStreamer starts");
        let text = "videotestsrc ! nosuch ! video. audiotestsrc ! audio.";
        let error = Description::new(text).unwrap().build().unwrap_err();
        let DescriptionError::Syntax { mark, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(mark.len(), text.find("nosuch").unwrap() + 1, "{error}");

        let text = "videotestsrc colour=1 ! video. audiotestsrc ! audio.";
        let error = Description::new(text).unwrap().build().unwrap_err();
        let DescriptionError::Syntax { mark, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(mark.len(), text.find("colour").unwrap() + 1, "{error}");
    }

    #[test]
    fn launch_files_have_comments_and_variables() {
        let text =
            "# a camera\nvideotestsrc pattern=${PATTERN:-ball}\n ! video. audiotestsrc ! audio.";
        let default = Description::from_file_text(text, |_| None).unwrap();
        assert!(
            default
                .to_string()
                .starts_with("videotestsrc pattern=ball ! video.")
        );
        let set = Description::from_file_text(text, |_| Some("snow".into())).unwrap();
        assert!(set.to_string().contains("pattern=snow"));
        assert_eq!(
            Description::from_file_text("${URI} ! audio. ! video.", |_| None),
            Err(DescriptionError::Variable("URI".into()))
        );
    }
}

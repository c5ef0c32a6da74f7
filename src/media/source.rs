//! What a SOURCE on the command line means.
//!
//! Belongs here: parsing it, its kind, the short name of the stream; walking directories
//! and reading .launch files. Does not: unique names (`naming`), opening the source.

use std::path::{Path, PathBuf};

use super::description::{Description, DescriptionError};
use super::error::MediaError;
use super::scene::{self, SceneSource};
use super::secrets::without_secrets;
use super::stall::Stall;
#[cfg(feature = "store")]
use super::stored::{self, Stored};
use super::tracks::AskedTracks;
use crate::result::StreamName;

/// File extensions that count as media in a directory.
pub(super) const MEDIA_ENDINGS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mts", "m2ts", "mpg", "mpeg", "ogv", "ogg",
    "3gp", "flv", "wmv", "asf", "mxf", "vob",
];

/// URI schemes and whether their streams are live.
const SCHEMES: &[(&str, bool)] = &[
    ("file", false),
    ("http", false),
    ("https", false),
    ("rtsp", true),
    ("rtsps", true),
    ("rtspt", true),
    ("rtspu", true),
    ("rtmp", true),
    ("rtmps", true),
    ("srt", true),
    ("udp", true),
];

/// A source and the name of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Unique among the sources of a run; as given with `NAME=SOURCE`, else a short form of
    /// SOURCE.
    pub name: StreamName,
    /// What it is.
    pub kind: SourceKind,
    /// The class: its first folder below the directory that was walked. Among several
    /// SOURCEs, a directory without subfolders is a class itself, so that `cameras/*`
    /// means the same as `cameras/`.
    pub label: Option<String>,
    /// Which of several tracks to read; a description chooses by itself.
    pub tracks: AskedTracks,
}

/// The kinds of SOURCE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A media file.
    File(PathBuf),
    /// Anything that GStreamer opens by its URI.
    Uri {
        /// As given, with user and password where there are any.
        uri: String,
        /// A live stream.
        live: bool,
    },
    /// Camera N with its microphone.
    Camera(u32),
    /// The built-in scene, if the program provides one.
    Test(Option<SceneSource>),
    /// An object of a store, which is copied to local disk first.
    #[cfg(feature = "store")]
    Stored(Box<Stored>),
    /// A gst-launch description.
    Launch(Description),
    /// A source that is known to be unusable before the run starts.
    Broken(MediaError),
}

/// A SOURCE that is wrong usage rather than a bad file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Unknown URI scheme.
    #[error("{uri}: unknown URI scheme `{scheme}`; known are {}", known_schemes())]
    Scheme {
        /// The SOURCE.
        uri: String,
        /// The part before `://`.
        scheme: String,
    },
    /// A URL of an object store that cannot be understood.
    #[error("{0}")]
    Store(String),
    /// A camera without a valid number.
    #[error("{0}: a camera is `camera` or `camera:N` with a number; `l3net doctor` lists them")]
    Camera(String),
    /// A description that cannot be used.
    #[error("{source_text}: {error}")]
    Description {
        /// The SOURCE: the .launch file, or `description`.
        source_text: String,
        /// What is wrong.
        error: DescriptionError,
    },
    /// A .launch file that cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    LaunchFile {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
}

fn known_schemes() -> String {
    let names: Vec<_> = SCHEMES.iter().map(|(s, _)| *s).collect();
    names.join(", ")
}

impl Source {
    /// A description from the command line.
    pub fn launch(description: Description) -> Self {
        Self {
            name: "launch".into(),
            kind: SourceKind::Launch(description),
            label: None,
            tracks: AskedTracks::default(),
        }
    }

    /// A media file.
    pub fn file(path: &Path) -> Self {
        Self {
            name: path.display().to_string().into(),
            kind: SourceKind::File(path.to_owned()),
            label: None,
            tracks: AskedTracks::default(),
        }
    }

    /// The camera that it is of: its class, or itself.
    pub fn camera(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// The files that it reads, as far as they are known.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.kind {
            SourceKind::File(path) => vec![path.clone()],
            SourceKind::Launch(description) => description.files(),
            _ => Vec::new(),
        }
    }

    /// Current size of a file; `None` for other kinds, or if unknown.
    pub fn bytes(&self) -> Option<u64> {
        match &self.kind {
            SourceKind::File(path) => Some(std::fs::metadata(path).ok()?.len()),
            #[cfg(feature = "store")]
            SourceKind::Stored(stored) => stored.bytes,
            _ => None,
        }
    }

    /// Whether it is reopened when it fails: cameras, network streams, and descriptions that
    /// turned out to be `live` (most of them are cameras or network streams).
    pub fn reopens(&self, live: bool) -> bool {
        match self.kind {
            SourceKind::Camera(_) | SourceKind::Uri { .. } => true,
            SourceKind::Launch(_) => live,
            #[cfg(feature = "store")]
            SourceKind::Stored(_) => false,
            SourceKind::File(_) | SourceKind::Test(_) | SourceKind::Broken(_) => false,
        }
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, SourceKind::File(_))
    }

    /// Whether it is a file that is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.kind, SourceKind::Broken(MediaError::NotFound))
    }

    /// Whether it has no end of its own.
    pub fn is_endless(&self) -> bool {
        matches!(
            self.kind,
            SourceKind::Test(_) | SourceKind::Camera(_) | SourceKind::Uri { live: true, .. }
        )
    }

    /// Whether silence means that it hangs. A description may be silent for any time.
    pub fn stall(&self) -> Stall {
        match self.kind {
            SourceKind::Launch(_) | SourceKind::Test(_) => Stall::Never,
            _ => Stall::Always,
        }
    }

    /// The gst-launch description of kinds that are built from one.
    pub(super) fn description(&self) -> Option<String> {
        match &self.kind {
            SourceKind::Test(_) => Some(scene::DESCRIPTION.to_owned()),
            SourceKind::Launch(description) => Some(description.to_string()),
            // decodebin, because many cameras send JPEG or H.264.
            SourceKind::Camera(n) => Some(format!(
                "v4l2src device=/dev/video{n} ! decodebin ! video.  autoaudiosrc ! audio."
            )),
            #[cfg(feature = "store")]
            SourceKind::Stored(_) => None,
            SourceKind::File(_) | SourceKind::Uri { .. } | SourceKind::Broken(_) => None,
        }
    }
}

/// Adds what a SOURCE without a name means.
pub(super) fn one(text: &str, sources: &mut Vec<Source>) -> Result<(), SourceError> {
    #[cfg(feature = "store")]
    if stored::add(text, sources)? {
        return Ok(());
    }
    let mut add = |name: &str, kind| {
        sources.push(Source {
            name: name.into(),
            kind,
            label: None,
            tracks: AskedTracks::default(),
        })
    };
    if text == "test" {
        add(text, SourceKind::Test(None));
    } else if text == "camera" || text.starts_with("camera:") {
        let n = match text.strip_prefix("camera:") {
            None => 0,
            Some(n) => n
                .parse()
                .map_err(|_| SourceError::Camera(text.to_owned()))?,
        };
        add(&format!("camera:{n}"), SourceKind::Camera(n));
    } else if text.ends_with(".launch") {
        let description = launch_file(Path::new(text))?;
        let stem = Path::new(text).file_stem().unwrap_or_default();
        add(&stem.to_string_lossy(), SourceKind::Launch(description));
    } else if is_description(text) {
        let description = Description::new(text).map_err(|error| SourceError::Description {
            source_text: "description".to_owned(),
            error,
        })?;
        add("launch", SourceKind::Launch(description));
    } else if let Some((scheme, _)) = text
        .split_once(":")
        .filter(|(_, r)| r.starts_with("//") || text.starts_with("file:"))
    {
        let known = SCHEMES.iter().find(|(s, _)| s.eq_ignore_ascii_case(scheme));
        let Some(&(scheme, live)) = known else {
            return Err(SourceError::Scheme {
                uri: without_secrets(text, text),
                scheme: scheme.to_owned(),
            });
        };
        match (scheme, file_of_uri(text)) {
            ("file", Some(path)) => add_path(&path, &path.to_string_lossy(), sources),
            _ => add(
                &without_secrets(text, text),
                SourceKind::Uri {
                    uri: text.to_owned(),
                    live,
                },
            ),
        }
    } else {
        add_path(Path::new(text), text, sources);
    }
    Ok(())
}

fn is_description(text: &str) -> bool {
    text.contains('!') && text.contains(char::is_whitespace) && !Path::new(text).exists()
}

pub(super) fn file_of_uri(uri: &str) -> Option<PathBuf> {
    let (path, _) = gstreamer::glib::filename_from_uri(uri).ok()?;
    Some(path)
}

fn launch_file(path: &Path) -> Result<Description, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|e| SourceError::LaunchFile {
        path: path.display().to_string(),
        cause: e.to_string(),
    })?;
    Description::from_file_text(&text, |name| std::env::var(name).ok()).map_err(|error| {
        SourceError::Description {
            source_text: path.display().to_string(),
            error,
        }
    })
}

fn add_path(path: &Path, text: &str, sources: &mut Vec<Source>) {
    let file_name = path
        .file_name()
        .map_or_else(|| text.to_owned(), |n| n.to_string_lossy().into_owned());
    let mut add = |name: String, kind| {
        sources.push(Source {
            name: name.into(),
            kind,
            label: None,
            tracks: AskedTracks::default(),
        })
    };
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return add(text.to_owned(), SourceKind::Broken(MediaError::NotFound));
        }
        Err(e) => {
            return add(
                text.to_owned(),
                SourceKind::Broken(MediaError::Unreadable(e.to_string())),
            );
        }
    };
    if !meta.is_dir() {
        return add(file_name, SourceKind::File(path.to_owned()));
    }
    let before = sources.len();
    let walk = walkdir::WalkDir::new(path)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|e| e.depth() == 0 || !e.file_name().to_string_lossy().starts_with('.'));
    for entry in walk {
        let (name, kind) = match entry {
            Ok(entry) if entry.file_type().is_file() && is_media(entry.path()) => {
                let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
                (
                    below.to_string_lossy().into_owned(),
                    SourceKind::File(entry.into_path()),
                )
            }
            Ok(_) => continue,
            Err(e) => {
                let name = e.path().unwrap_or(path).display().to_string();
                let cause = e
                    .io_error()
                    .map_or_else(|| e.to_string(), ToString::to_string);
                (name, SourceKind::Broken(MediaError::Unreadable(cause)))
            }
        };
        sources.push(Source {
            label: label(Path::new(&name)),
            tracks: AskedTracks::default(),
            name: name.into(),
            kind,
        });
    }
    if sources.len() == before {
        sources.push(Source {
            name: text.into(),
            kind: SourceKind::Broken(MediaError::no_media()),
            label: None,
            tracks: AskedTracks::default(),
        });
    }
}

/// The first folder of a path below the directory that was walked.
pub(super) fn label(below: &Path) -> Option<String> {
    let mut parts = below.components();
    let first = parts.next()?.as_os_str();
    parts.next()?;
    Some(first.to_string_lossy().into_owned())
}

/// Whether the file extension counts as media.
pub fn is_media(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| MEDIA_ENDINGS.iter().any(|m| m.eq_ignore_ascii_case(e)))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

//! Pictures in which people have boxed what is heard: VGG-SS, Flickr-SoundNet.
//!
//! Belongs here: reading the annotations and finding the picture and the sound of
//! each. Does not: how boxes are scored (`eval::overlap`).
//!
//! VGG-SS is a JSON list of `{"file": …, "class": …, "bbox": [[left, top, right,
//! bottom], …]}`, 0 to 1. Flickr-SoundNet is a folder of XML files, one for each
//! picture, with a `bbox` of each annotator (`xmin`, `ymin`, `xmax`, `ymax`) in a
//! picture of 256 × 256. The media are one picture and one sound of that name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand::RngExt;
use serde::Deserialize;

use super::classes::PICTURE_EXTENSIONS;
use super::error::CorpusError;
use super::picture_file::read_picture;
use super::random::Rng;
use super::sound_file::{SOUND_EXTENSIONS, read_sound};
use super::{Corpus, Example, Region, Split, Tag, WINDOW_SAMPLES};

/// Side of the pictures that Flickr-SoundNet's boxes are drawn in.
const FLICKR_SIDE: f32 = 256.0;
/// Annotators of Flickr-SoundNet who must agree, as its authors score it.
const FLICKR_VOTES: u32 = 2;
/// How far a box may reach over the picture's edge, where it is cut off: some people
/// draw over it. What is further out is in another unit.
const EDGE_TOLERANCE: f32 = 0.1;

/// Annotated pictures with their sounds; all of them are for tests.
pub struct Annotated {
    name: String,
    votes: u32,
    items: Vec<AnnotatedPicture>,
    without_media: usize,
}

struct AnnotatedPicture {
    tag: Tag,
    boxes: Vec<[f32; 4]>,
    picture: PathBuf,
    sound: PathBuf,
}

/// An annotation before its media are found.
struct Annotation {
    /// The file that it is from.
    list: PathBuf,
    file: String,
    class: Option<String>,
    boxes: Vec<[f32; 4]>,
}

impl Annotated {
    /// Reads annotations, a JSON file or a folder of XML, whose media lie anywhere
    /// below the folders of `media`. Annotations without media are skipped and counted.
    ///
    /// # Errors
    /// Names the file that cannot be understood, or the picture whose boxes are none,
    /// with what was expected; or none has media.
    pub fn read(boxes: &Path, media: &[PathBuf]) -> Result<Self, CorpusError> {
        let (entries, votes) = if boxes.is_dir() {
            (flickr(boxes)?, FLICKR_VOTES)
        } else {
            (vgg(boxes)?, 1)
        };
        let pictures = by_stem(media, &PICTURE_EXTENSIONS)?;
        let sounds = by_stem(media, &SOUND_EXTENSIONS)?;
        let count = entries.len();
        let first = entries.first().map(|e| e.file.clone()).unwrap_or_default();
        let mut items = Vec::new();
        for entry in entries {
            let (Some(picture), Some(sound)) = (pictures.get(&entry.file), sounds.get(&entry.file))
            else {
                continue;
            };
            let boxes = within_the_picture(&entry.boxes)
                .map_err(|e| CorpusError::file(&entry.list, format!("{}: {e}", entry.file)))?;
            items.push(AnnotatedPicture {
                tag: match &entry.class {
                    Some(class) => Tag::class(class),
                    None => Tag::clip(&entry.file),
                },
                boxes,
                picture: picture.clone(),
                sound: sound.clone(),
            });
        }
        if items.len() < 2 {
            return Err(CorpusError::layout(
                boxes,
                format!(
                    "{} of its {count} annotations have media; expected, for each, a picture \
                     and a sound of its name below media=, such as {first}.jpg and {first}.wav",
                    items.len()
                ),
            ));
        }
        Ok(Self {
            name: boxes.display().to_string(),
            votes,
            without_media: count - items.len(),
            items,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none; never so.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Boxes over a place that make it certain.
    pub fn votes(&self) -> u32 {
        self.votes
    }

    /// One of them, with the second in the middle of its sound.
    ///
    /// # Errors
    /// If picture or sound cannot be read.
    pub fn example(&self, index: usize) -> Result<Example, CorpusError> {
        let item = &self.items[index];
        let region = |&bounds: &[f32; 4]| Region {
            tag: item.tag.clone(),
            bounds,
        };
        Ok(Example {
            picture: read_picture(&item.picture)?,
            pcm: middle_second(&read_sound(&item.sound)?),
            shows: vec![item.tag.clone()],
            sounds: vec![item.tag.clone()],
            regions: item.boxes.iter().map(region).collect(),
            label: None,
            origin: item.picture.display().to_string(),
        })
    }
}

impl Corpus for Annotated {
    fn describe(&self) -> String {
        let skipped = match self.without_media {
            0 => String::new(),
            n => format!(", {n} more without media"),
        };
        format!("{}: {} annotated pictures{skipped}", self.name, self.len())
    }

    fn draw(&self, _: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        self.example(rng.random_range(0..self.len()))
    }

    fn check(&self, split: Split) -> Result<(), CorpusError> {
        match split {
            Split::Test => Ok(()),
            _ => Err(CorpusError::TooFew(format!(
                "{}: annotated pictures are for tests, nothing is learnt from them",
                self.name
            ))),
        }
    }

    fn annotated(&self) -> Option<&Annotated> {
        Some(self)
    }
}

fn middle_second(pcm: &[f32]) -> Vec<f32> {
    let start = pcm.len().saturating_sub(WINDOW_SAMPLES) / 2;
    let mut second = pcm[start..pcm.len().min(start + WINDOW_SAMPLES)].to_vec();
    second.resize(WINDOW_SAMPLES, 0.0);
    second
}

/// The boxes of a picture, cut off at its edges.
///
/// One without any area stays: VGG-SS has them, and every answer misses them, in its
/// authors' figures too.
fn within_the_picture(boxes: &[[f32; 4]]) -> Result<Vec<[f32; 4]>, String> {
    let expected = "expected left, top, right and bottom as parts of the picture, 0 to 1 \
                    (in XML pixels of 256), the left not right of the right one, the top not \
                    below the bottom";
    if boxes.is_empty() {
        return Err(format!("no box; {expected}"));
    }
    let known = -EDGE_TOLERANCE..=1.0 + EDGE_TOLERANCE;
    let inside = |bounds: &[f32; 4]| {
        let [left, top, right, bottom] = *bounds;
        if bounds.iter().all(|edge| known.contains(edge)) && left <= right && top <= bottom {
            Ok(bounds.map(|edge| edge.clamp(0.0, 1.0)))
        } else {
            Err(format!("{bounds:?} is no box; {expected}"))
        }
    };
    boxes.iter().map(inside).collect()
}

/// Files below the folders by their name without its end.
fn by_stem(
    folders: &[PathBuf],
    extensions: &[&str],
) -> Result<HashMap<String, PathBuf>, CorpusError> {
    let mut found = HashMap::new();
    for folder in folders {
        for entry in walkdir::WalkDir::new(folder)
            .follow_links(true)
            .sort_by_file_name()
        {
            let path = entry
                .map_err(|e| CorpusError::layout(folder, e))?
                .into_path();
            let end = path.extension().map(|e| e.to_ascii_lowercase());
            if end.is_some_and(|e| extensions.iter().any(|x| e == *x))
                && let Some(stem) = path.file_stem()
            {
                let stem = stem.to_string_lossy().into_owned();
                found.entry(stem).or_insert(path);
            }
        }
    }
    Ok(found)
}

/// An entry of VGG-SS.
#[derive(Deserialize)]
struct Vgg {
    file: String,
    class: Option<String>,
    bbox: Vec<[f32; 4]>,
}

fn vgg(file: &Path) -> Result<Vec<Annotation>, CorpusError> {
    let text = std::fs::read_to_string(file).map_err(|e| CorpusError::file(file, e))?;
    let entries: Vec<Vgg> = serde_json::from_str(&text).map_err(|e| {
        CorpusError::file(
            file,
            format!(
                "no annotations of VGG-SS: {e}; expected [{{\"file\": \"…\", \"class\": \"…\", \
                 \"bbox\": [[0.1, 0.2, 0.5, 0.6]]}}, …]"
            ),
        )
    })?;
    let entry = |e: Vgg| Annotation {
        list: file.to_owned(),
        file: e.file,
        class: e.class,
        boxes: e.bbox,
    };
    Ok(entries.into_iter().map(entry).collect())
}

fn flickr(folder: &Path) -> Result<Vec<Annotation>, CorpusError> {
    let read = std::fs::read_dir(folder).map_err(|e| CorpusError::layout(folder, e))?;
    let mut files: Vec<PathBuf> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("xml"))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(CorpusError::layout(
            folder,
            "no .xml in it; expected the annotations of Flickr-SoundNet, one file for each \
             picture, or a .json of VGG-SS",
        ));
    }
    let entry = |file: PathBuf| {
        let stem = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Annotation {
            boxes: flickr_boxes(&file)?,
            list: file,
            file: stem,
            class: None,
        })
    };
    files.into_iter().map(entry).collect()
}

fn flickr_boxes(file: &Path) -> Result<Vec<[f32; 4]>, CorpusError> {
    let refuse = |what: String| CorpusError::file(file, what);
    let text = std::fs::read_to_string(file).map_err(|e| refuse(e.to_string()))?;
    let tree = roxmltree::Document::parse(&text).map_err(|e| refuse(format!("no XML: {e}")))?;
    let boxes = tree.descendants().filter(|node| node.has_tag_name("bbox"));
    let boxes: Vec<[f32; 4]> = boxes
        .map(|node| {
            let edge = |name: &str| {
                let child = node.children().find(|c| c.has_tag_name(name));
                let value = child.and_then(|c| c.text()?.trim().parse::<f32>().ok());
                value
                    .map(|v| v / FLICKR_SIDE)
                    .ok_or_else(|| refuse(format!("a bbox has no number {name}")))
            };
            Ok([edge("xmin")?, edge("ymin")?, edge("xmax")?, edge("ymax")?])
        })
        .collect::<Result<_, CorpusError>>()?;
    if boxes.is_empty() {
        return Err(refuse("no bbox in it".to_owned()));
    }
    Ok(boxes)
}

#[cfg(test)]
#[path = "annotated_tests.rs"]
mod tests;

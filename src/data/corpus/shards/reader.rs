//! Shards back into clips.
//!
//! A shard is gone through once, header by header, for the places of its members;
//! frames and sound are read when they are drawn.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::codec::{decode_picture, decode_sound};
use super::format::{ClipInfo, FORMAT};
use crate::corpus::error::CorpusError;
use crate::picture::Picture;

/// A JSON that is longer is none of ours: ours are under 20 kB.
const MAX_JSON_BYTES: u64 = 1 << 20;
/// Blocks of zeros at the end of a tar.
const TAR_END: u64 = 1024;

/// A clip in a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredClip {
    /// What it is.
    pub info: ClipInfo,
    shard: Arc<Path>,
    sound: Member,
    frames: Vec<Member>,
}

/// Where a member's bytes lie in the shard.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Member {
    at: u64,
    bytes: usize,
}

impl StoredClip {
    /// Its shard.
    pub fn shard(&self) -> &Path {
        &self.shard
    }

    /// Frame number `i`, decoded.
    ///
    /// # Errors
    /// Names the shard and the member if it cannot be read or decoded.
    pub fn frame(&self, i: usize) -> Result<Picture, CorpusError> {
        let refuse = |what: String| self.refuse(&self.info.frame_name(i), &what);
        let member = self.frames.get(i).ok_or_else(|| refuse("missing".into()))?;
        let jpeg = self.bytes(*member).map_err(&refuse)?;
        decode_picture(&jpeg).map_err(|e| refuse(format!("damaged picture: {e}")))
    }

    /// `samples` of its sound from sample `start` of the clip on, in `[-1, 1]`.
    ///
    /// # Errors
    /// Names the shard and the member if it cannot be read or decoded, or ends
    /// before.
    pub fn sound(&self, start: usize, samples: usize) -> Result<Vec<f32>, CorpusError> {
        let refuse = |what: String| self.refuse(&self.info.sound_name(), &what);
        let flac = self.bytes(self.sound).map_err(&refuse)?;
        let pcm = decode_sound(flac, start, samples)
            .map_err(|e| refuse(format!("damaged sound: {e}")))?;
        if pcm.len() < samples {
            return Err(refuse(format!(
                "damaged sound: {} of {samples} samples from {start} on",
                pcm.len()
            )));
        }
        Ok(pcm)
    }

    /// Opened anew each time: a corpus has more shards than a program may have
    /// open files, and it takes 10 µs.
    fn bytes(&self, member: Member) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; member.bytes];
        File::open(&self.shard)
            .and_then(|file| file.read_exact_at(&mut bytes, member.at))
            .map_err(|e| format!("cannot be read: {e}; has the shard been changed?"))?;
        Ok(bytes)
    }

    fn refuse(&self, member: &str, what: &str) -> CorpusError {
        refuse(&self.shard, member, what)
    }
}

fn refuse(shard: &Path, member: &str, what: &str) -> CorpusError {
    CorpusError::file(shard, format!("{member}: {what}"))
}

/// The members of one clip, as far as they were found.
#[derive(Default)]
struct Members {
    json: Option<(String, Vec<u8>)>,
    sound: Option<Member>,
    frames: HashMap<String, Member>,
}

/// The clips of a shard. Of one that was cut off, those that are whole, with a
/// warning in the log.
///
/// # Errors
/// Names the shard, and the member, if it is no tar, holds no clips of ours, was
/// written by another version, or lacks a member without being cut off.
pub fn read_shard(shard: &Path) -> Result<Vec<StoredClip>, CorpusError> {
    let (found, cut_off) = members(shard)?;
    let shard: Arc<Path> = shard.into();
    let mut clips = Vec::new();
    let mut broken = 0;
    for (key, found) in found {
        match clip(&shard, &key, found) {
            Ok(clip) => clips.push(clip),
            Err(Defect::Lacks(_)) if cut_off => broken += 1,
            Err(Defect::Lacks(member)) => return Err(refuse(&shard, &member, "missing")),
            Err(Defect::Wrong(error)) => return Err(error),
        }
    }
    if cut_off {
        tracing::warn!(
            "{}: cut off: {} whole clips in it are used, {broken} not; \
             copy it again from its source, or prepare it again",
            shard.display(),
            clips.len()
        );
    }
    Ok(clips)
}

enum Defect {
    Lacks(String),
    Wrong(CorpusError),
}

fn clip(shard: &Arc<Path>, key: &str, found: Members) -> Result<StoredClip, Defect> {
    let lacks = |end: &str| Defect::Lacks(format!("{key}.{end}"));
    let (name, json) = found.json.ok_or_else(|| lacks("json"))?;
    let info = parse(&json).map_err(|e| Defect::Wrong(refuse(shard, &name, &e)))?;
    let sound = found.sound.ok_or_else(|| lacks("flac"))?;
    let frames = (0..info.frame_times_ns.len())
        .map(|i| {
            let end = format!("{i:04}.jpg");
            found.frames.get(&end).copied().ok_or_else(|| lacks(&end))
        })
        .collect::<Result<_, _>>()?;
    Ok(StoredClip {
        info,
        shard: Arc::clone(shard),
        sound,
        frames,
    })
}

fn parse(json: &[u8]) -> Result<ClipInfo, String> {
    #[derive(Deserialize)]
    struct FormatOnly {
        format: Option<String>,
    }
    let head: FormatOnly =
        serde_json::from_slice(json).map_err(|e| format!("no JSON of a clip: {e}"))?;
    match head.format.as_deref() {
        Some(FORMAT) => {}
        Some(other) if other.starts_with("l3net-shard/") => {
            return Err(format!(
                "of another version ({other}; this program reads {FORMAT}): \
                 prepare the recordings again with `l3net prepare`"
            ));
        }
        _ => return Err(foreign()),
    }
    let info: ClipInfo =
        serde_json::from_slice(json).map_err(|e| format!("damaged description: {e}"))?;
    match info.defect() {
        Some(defect) => Err(format!("contradicts itself: {defect}")),
        None => Ok(info),
    }
}

fn foreign() -> String {
    "not made by l3net; shards are made with `l3net prepare SOURCE… -o DIR`".to_owned()
}

/// The members by key, in the order of the shard, and whether it was cut off.
fn members(shard: &Path) -> Result<(Vec<(String, Members)>, bool), CorpusError> {
    let refuse_shard = |e: std::io::Error| CorpusError::file(shard, e);
    let file = File::open(shard).map_err(refuse_shard)?;
    let len = file.metadata().map_err(refuse_shard)?.len();
    let mut tar = tar::Archive::new(file);
    let mut all: Vec<(String, Members)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let (mut end, mut cut_off) = (0, false);
    for entry in tar.entries_with_seek().map_err(refuse_shard)? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(e) if end == 0 => return Err(CorpusError::file(shard, format!("no tar: {e}"))),
            Err(_) => {
                cut_off = true;
                break;
            }
        };
        let member = Member {
            at: entry.raw_file_position(),
            bytes: usize::try_from(entry.size()).unwrap_or(usize::MAX),
        };
        end = member.at.saturating_add(entry.size());
        if end > len {
            break;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((key, kind)) = split_name(&name).filter(|_| entry.header().entry_type().is_file())
        else {
            continue;
        };
        let place = *places.entry(key.to_owned()).or_insert(all.len());
        if place == all.len() {
            all.push((key.to_owned(), Members::default()));
        }
        let found = &mut all[place].1;
        match kind {
            "json" => {
                let mut json = Vec::new();
                (&mut entry)
                    .take(MAX_JSON_BYTES)
                    .read_to_end(&mut json)
                    .map_err(|e| refuse(shard, &name, &e.to_string()))?;
                found.json = Some((name, json));
            }
            "flac" => found.sound = Some(member),
            _ => {
                found.frames.insert(kind.to_owned(), member);
            }
        }
    }
    cut_off |= end.next_multiple_of(512).saturating_add(TAR_END) > len;
    if !cut_off && all.iter().all(|(_, found)| found.json.is_none()) {
        let what = format!("no clip (KEY.json, KEY.flac, …) in it: {}", foreign());
        return Err(CorpusError::file(shard, what));
    }
    Ok((all, cut_off))
}

/// Key and kind of a member, as `webdataset` splits names: at the first dot after
/// the last slash. None for names without a dot, such as folders'.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let base = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = base + name[base..].find('.')?;
    (dot > base).then(|| (&name[..dot], &name[dot + 1..]))
}

//! Containers × codecs × rates × layouts × timings, each held against what PyAV reads in
//! the same file.
//!
//! `tests/data/combinations.jsonl` has a line per combination: how ffmpeg makes it, and
//! what is right of it. `tests/oracle/combinations/` wrote it. Each clip tells by itself
//! what was heard and seen: its pitch rises with time, each second is 2 dB softer than the
//! one before, and each frame shows its number.
//!
//! What is known to differ is in `tests/data/combinations_known.json`, by its reason. That
//! list can only shrink: a combination that has become right fails the test.
//!
//! Belongs here: the comparison. Making the clips is in `make`, reading them in `read`.

mod make;
mod read;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::common::{batch, data, skipped, streams_in};
use read::{Heard, listen};

/// A combination and what is right of it.
#[derive(Deserialize)]
struct Row {
    name: String,
    /// ffmpeg's arguments, separated by spaces.
    make: String,
    /// Other rows are made from it; it is not tried itself.
    #[serde(default)]
    source: bool,
    /// The sound's codec, as ffmpeg calls it.
    #[serde(default)]
    codec: String,
    #[serde(default)]
    surround: bool,
    #[serde(default)]
    moments: Vec<Right>,
    #[serde(default)]
    frames: Frames,
    /// Windows without a picture.
    #[serde(default)]
    no_video: u64,
    /// Jumps of the sound's timestamps by more than 20 ms.
    #[serde(default)]
    breaks: usize,
}

/// What is right of a moment.
#[derive(Deserialize)]
struct Right {
    start_ms: f64,
    /// Which time of the tone the window starts with.
    heard_ms: f64,
    dbfs: f64,
}

/// When each frame is shown.
#[derive(Deserialize)]
#[serde(untagged)]
enum Frames {
    /// One after the other at the same distance.
    Regular {
        first: u32,
        at_ms: f64,
        every_ms: f64,
        count: u32,
    },
    /// Number and time of each.
    Listed(Vec<(u32, f64)>),
}

impl Default for Frames {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Frames {
    fn list(&self) -> Vec<(u32, f64)> {
        match self {
            Self::Listed(list) => list.clone(),
            Self::Regular {
                first,
                at_ms,
                every_ms,
                count,
            } => (0..*count)
                .map(|i| (first + i, at_ms + every_ms * f64::from(i)))
                .collect(),
        }
    }
}

impl Row {
    /// What the codec keeps exactly: no priming, no other level.
    fn is_lossless(&self) -> bool {
        let exact = ["flac", "alac", "tta", "wavpack", "truehd", "s302m"];
        self.codec.starts_with("pcm_") || exact.contains(&self.codec.as_str())
    }

    /// How far times may be off, in ms, and levels, in dB.
    fn tolerances(&self) -> (f64, f64) {
        match (self.is_lossless(), self.surround) {
            (true, _) => (2.5, 0.2),
            (false, false) => (35.0, 0.8),
            // Lossy codecs cut the subwoofer's band, which a mix may lack.
            (false, true) => (35.0, 2.0),
        }
    }

    /// How far the zero of the timeline may lie from that of the other decoder, in ms: one
    /// that skips the first blocks of a lossy codec begins later.
    fn zero_tolerance(&self) -> f64 {
        if self.is_lossless() { 2.5 } else { 150.0 }
    }

    /// What differs, in one line; nothing where all is right.
    fn compare(&self, heard: &Heard) -> String {
        let mut wrong = Vec::new();
        let mut say = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        let (ms, db) = self.tolerances();
        if let Some(cause) = &heard.failed {
            say(false, format!("failed: {cause}"));
        }
        let (got, right) = (heard.moments.len(), self.moments.len());
        say(got == right, format!("{got} moments, not {right}"));
        let (got, right) = (heard.no_video, self.no_video);
        say(got == right, format!("{got} without picture, not {right}"));
        let (got, right) = (heard.breaks, self.breaks);
        say(got == right, format!("{got} breaks, not {right}"));
        // By how much later than there the same sound and the same picture are here.
        let mut zero = None;
        for (i, (got, right)) in heard.moments.iter().zip(&self.moments).enumerate() {
            let sound = (got.start_ms - got.heard_ms) - (right.start_ms - right.heard_ms);
            let zero = *zero.get_or_insert(sound);
            if i == 0 {
                say(
                    zero.abs() <= self.zero_tolerance(),
                    format!("zero {zero:.1} ms off"),
                );
            }
            let off = sound - zero;
            say(off.abs() <= ms, format!("{i} is heard {off:.1} ms late"));
            let off = got.dbfs - right.dbfs;
            say(off.abs() <= db, format!("{i} is {off:.1} dB off"));
            let frames = self.frames.list();
            let at = got.frame_ms - zero;
            // A frame may be there several times.
            let same = frames
                .iter()
                .filter(|(number, _)| Some(*number) == got.seen);
            let off = same.map(|(_, shown)| at - shown);
            let Some(off) = off.min_by(|a, b| a.abs().total_cmp(&b.abs())) else {
                say(false, format!("{i} sees frame {:?}", got.seen));
                continue;
            };
            say(off.abs() <= ms, format!("{i} is seen {off:.1} ms late"));
            let middle = got.start_ms + 500.0;
            let best = frames.iter().map(|(_, at)| (at + zero - middle).abs());
            let best = best.fold(f64::MAX, f64::min);
            let off = (got.frame_ms - middle).abs() - best;
            say(
                off <= 2.0 * ms,
                format!("{i} has a frame {off:.1} ms nearer"),
            );
        }
        wrong.join(", ")
    }
}

/// The table; rows that others are made from come first.
fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(data("combinations.jsonl")).expect("in the repo");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// Runs `one` for every row, as many at a time as there are cores.
fn in_parallel(rows: &[&Row], one: impl Fn(&Row) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = l3net::cores::cores();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(row);
                }
            });
        }
    });
}

/// Why combinations differ where that is known, by name.
fn known() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(data("combinations_known.json")).expect("in the repo");
    let by_reason: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).expect("JSON");
    by_reason
        .iter()
        .flat_map(|(why, names)| names.iter().map(|name| (name.clone(), why.clone())))
        .collect()
}

#[test]
fn every_combination_is_heard_and_seen_as_another_decoder_does() {
    let rows = table();
    let Some(folder) = make::all(&rows) else {
        return skipped(
            "every_combination_is_heard_and_seen_as_another_decoder_does",
            "no ffmpeg here; `make test` installs it",
        );
    };
    let tried: Vec<&Row> = rows.iter().filter(|row| !row.source).collect();
    assert!(tried.len() >= 400, "{} combinations", tried.len());
    let found = Mutex::new(BTreeMap::new());
    in_parallel(&tried, |row| {
        let heard = listen(&folder.join(&row.name));
        let wrong = (row.compare(&heard), heard);
        found
            .lock()
            .expect("no panic")
            .insert(row.name.clone(), wrong);
    });
    let found = found.into_inner().expect("no panic");
    report(&folder, &found);
    let known = known();

    let mut complaints = String::new();
    for (name, (wrong, _)) in &found {
        match (wrong.is_empty(), known.get(name)) {
            (false, None) => writeln!(complaints, "{name}: {wrong}"),
            (true, Some(why)) => writeln!(complaints, "{name}: is right; take it off `{why}`"),
            _ => Ok(()),
        }
        .expect("a string");
    }
    for name in known.keys() {
        assert!(
            found.contains_key(name),
            "{name} is known, but not in the table"
        );
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// Leaves what was found beside the clips, for people.
fn report(folder: &Path, found: &BTreeMap<String, (String, Heard)>) {
    let mut text = String::new();
    for (name, (wrong, heard)) in found {
        let said = if wrong.is_empty() { "right" } else { wrong };
        let _ = writeln!(text, "{name}\t{said}\t{heard:?}");
    }
    let _ = std::fs::write(folder.join("report.txt"), text);
}

/// A part of them, as a user would.
#[test]
fn the_program_tells_of_combinations_what_another_decoder_does() {
    let rows = table();
    let Some(folder) = make::all(&rows) else {
        return skipped(
            "the_program_tells_of_combinations_what_another_decoder_does",
            "no ffmpeg here; `make test` installs it",
        );
    };
    let known = known();
    let fit = |row: &&Row| !row.source && !known.contains_key(&row.name) && !row.moments.is_empty();
    let rows: Vec<&Row> = rows.iter().filter(fit).step_by(23).collect();
    let files: Vec<_> = rows.iter().map(|row| folder.join(&row.name)).collect();
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let done = batch(&files, &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let streams = streams_in(&out);
    assert_eq!(streams.len(), rows.len());
    for row in rows {
        let (name, records) = (&row.name, &streams[&row.name]);
        assert_eq!(records.moments.len(), row.moments.len(), "{name}");
        let (ms, db) = (row.zero_tolerance(), row.tolerances().1);
        for (got, right) in records.moments.iter().zip(&row.moments) {
            let start = got.start_ns.0 as f64 / 1e6 - right.start_ms;
            assert!(start.abs() <= ms, "{name} starts {start} ms off");
            let level = f64::from(got.audio.rms_dbfs) - right.dbfs;
            assert!(level.abs() <= db, "{name} is {level} dB off");
            let frame = got.frame_ns.0 as f64 / 1e6;
            let near = row
                .frames
                .list()
                .into_iter()
                .map(|(_, at)| (at - frame).abs());
            let near = near.fold(f64::MAX, f64::min);
            assert!(near <= ms, "{name}: no frame at {frame} ms");
        }
    }
}

//! `--heatmaps DIR`: for each moment a picture of the frame and one of the spectrogram, with
//! their heatmaps, in one folder per stream.
//!
//! Policy: several threads encode. File names are computed in advance, so records do not
//! wait for pictures. In real time the oldest moment of a full queue gets no pictures, and
//! a failure (such as a full disk) is reported once and counted, and the next pictures are
//! still tried. Otherwise a full queue blocks the run, and a failure ends it. A picture is
//! written to a temporary file and renamed, so no reader sees half of one. Compression is
//! fast, because the network needs the cores. Folders are named after their streams, with
//! unsafe names replaced ([`l3net_data::folder`]).
//!
//! Pictures are numbered: `<stream>/000000.png` and `<stream>/000000.sound.png`; those of an
//! earlier run are overwritten. Live pictures are named by the UTC end of their window,
//! `<stream>/20261128T193000.250Z_000012.png`, so that those of earlier runs stay; limits
//! may apply ([`super::retention`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::retention::{KeepLimits, Retention};
use super::{Annotator, OnFailure, Policy, Sink, SinkError, WhenFull};
use crate::cores::cores;
use crate::draw;
use crate::event::{Event, JudgedMoment};
use crate::picture::Picture;
use crate::png::write_png;
use crate::result::Verdict;
use l3net_data::folder::folder_of;

/// Ending of pictures of the spectrogram.
const SOUND: &str = ".sound.png";
/// Ending of pictures of the frame.
const FRAME: &str = ".png";
/// UTC in file names: sorts as text and is valid on every file system.
const TIME: &str = "%Y%m%dT%H%M%S.%3fZ";
/// How often pictures that are too old are deleted while nothing arrives.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// A folder of heatmap pictures. Clones write to the same folder.
#[derive(Clone, Debug)]
pub struct Heatmaps {
    dir: PathBuf,
    /// Limits of live pictures, if there are any.
    retention: Option<Arc<Retention>>,
}

impl Heatmaps {
    /// Creates the folder and its parents if they are missing. The limits `keep` apply to
    /// all pictures in it that are named by time, including those of earlier runs.
    ///
    /// # Errors
    /// Names the folder and why it cannot be created.
    pub fn create(dir: &Path, keep: KeepLimits) -> Result<Self, SinkError> {
        fs::create_dir_all(dir).map_err(SinkError::io(dir, "make the folder"))?;
        let limited = !keep.is_unlimited();
        Ok(Self {
            dir: dir.to_owned(),
            retention: limited.then(|| Arc::new(Retention::open(dir, keep, date_of))),
        })
    }

    /// Sets the record's names of the pictures that [`write`](Self::write) will write; none
    /// for a moment without picture or spectrogram.
    pub fn name(&self, moment: &mut JudgedMoment) {
        let stem = self.stem(&moment.verdict);
        let evidence = &moment.evidence;
        let verdict = &mut moment.verdict;
        verdict.heatmap.file = evidence.picture.as_ref().map(|_| format!("{stem}{FRAME}"));
        verdict.sound_heatmap.file =
            (evidence.spectrogram.as_ref()).map(|_| format!("{stem}{SOUND}"));
    }

    /// How many of the first `max` moments of a stream have both their pictures in a
    /// folder, without a hole.
    pub fn numbered(dir: &Path, stream: &str, max: u64) -> u64 {
        let is_there = |&seq: &u64| {
            let stem = numbered_stem(stream, seq);
            let file = |ending| dir.join(format!("{stem}{ending}")).is_file();
            file(FRAME) && file(SOUND)
        };
        (0..max).take_while(is_there).count() as u64
    }

    fn stem(&self, verdict: &Verdict) -> String {
        let (stream, seq) = (&verdict.stream, verdict.seq);
        match time_of(verdict) {
            Some(at) => format!("{}/{}_{seq:06}", folder_of(stream), at.strftime(TIME)),
            None => numbered_stem(stream, seq),
        }
    }

    /// Draws and writes the pictures that the record names.
    ///
    /// # Errors
    /// Names the picture and why it cannot be written.
    pub fn write(&self, moment: &JudgedMoment) -> Result<(), SinkError> {
        let verdict = &moment.verdict;
        let (frame, sound) = (&verdict.heatmap.file, &verdict.sound_heatmap.file);
        if frame.is_some() || sound.is_some() {
            let folder = self.dir.join(folder_of(&verdict.stream));
            fs::create_dir_all(&folder).map_err(SinkError::io(&folder, "make the folder"))?;
        }
        if let Some(name) = frame {
            self.put(name, draw::heatmap_picture(moment), verdict)?;
        }
        if let Some(name) = sound {
            self.put(name, draw::sound_picture(moment), verdict)?;
        }
        Ok(())
    }

    fn put(&self, name: &str, picture: Option<Picture>, of: &Verdict) -> Result<(), SinkError> {
        let Some(picture) = picture else {
            return Ok(());
        };
        let path = self.dir.join(name);
        if let Err(error) = write_png(&path, &picture) {
            // Deleting old pictures may free the space that is missing.
            let _ = self.enforce_limits();
            return Err(error.into());
        }
        match (&self.retention, time_of(of)) {
            (Some(retention), Some(at)) => retention.added(&path, at, Timestamp::now()),
            _ => Ok(()),
        }
    }

    fn enforce_limits(&self) -> Result<(), SinkError> {
        (self.retention.as_ref()).map_or(Ok(()), |retention| retention.enforce(Timestamp::now()))
    }
}

/// The names of a moment's pictures where no time names them, without their endings.
fn numbered_stem(stream: &str, seq: u64) -> String {
    format!("{}/{seq:06}", folder_of(stream))
}

/// When a live window ended.
fn time_of(verdict: &Verdict) -> Option<Timestamp> {
    verdict.utc.as_ref()?.parse().ok()
}

/// When the window of a live picture ended, from the picture's name; `None` for any other
/// file.
fn date_of(name: &str) -> Option<Timestamp> {
    let stem = name
        .strip_suffix(SOUND)
        .or_else(|| name.strip_suffix(FRAME))?;
    let (time, seq) = stem.split_once('_')?;
    let is_seq = seq.len() >= 6 && seq.bytes().all(|b| b.is_ascii_digit());
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S%.fZ", time).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    (is_seq && at.strftime(TIME).to_string() == time).then_some(at)
}

impl Sink for Heatmaps {
    fn name(&self) -> &'static str {
        "heatmaps"
    }

    fn policy(&self) -> Policy {
        Policy {
            pictures: true,
            features: false,
            repeats: true,
            // Few, because full-size pictures are held in memory.
            queue: 16,
            when_full: WhenFull::DropOldestIfLive,
            on_failure: OnFailure::ReportFirstIfLive,
            workers: cores().clamp(1, 4),
            tick: self.retention.as_ref().map(|_| EXPIRE_EVERY),
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::Moment(moment) => self.write(moment),
            Event::Gap(_) | Event::Measured(_) | Event::Ended(_) => Ok(()),
        }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.enforce_limits()
    }

    fn annotator(&self) -> Option<Annotator> {
        let names = self.clone();
        Some(Box::new(move |moment| names.name(moment)))
    }

    fn another_worker(&self) -> Option<Box<dyn Sink>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::judged;
    use super::*;

    #[test]
    fn both_pictures_of_a_moment_are_written_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let heatmaps =
            Heatmaps::create(&dir.path().join("new/maps"), KeepLimits::default()).unwrap();
        let mut moment = judged("clips/a.mp4", 12, Picture::filled(160, 90, [60; 3]), 0.9);
        heatmaps.name(&mut moment);
        heatmaps.write(&moment).unwrap();
        let verdict = &moment.verdict;
        let names = [&verdict.heatmap.file, &verdict.sound_heatmap.file].map(Option::as_deref);
        assert_eq!(
            names,
            [
                Some("clips/a.mp4/000012.png"),
                Some("clips/a.mp4/000012.sound.png")
            ]
        );
        let read = |name: Option<&str>| {
            let path = dir.path().join("new/maps").join(name.unwrap());
            let file = std::io::BufReader::new(fs::File::open(path).unwrap());
            image::load(file, image::ImageFormat::Png)
                .unwrap()
                .to_rgb8()
        };
        let drawn = draw::heatmap_picture(&moment).unwrap();
        assert_eq!(read(names[0]).into_raw(), drawn.rgb);
        let drawn = draw::sound_picture(&moment).unwrap();
        assert_eq!(read(names[1]).into_raw(), drawn.rgb);
        let left = fs::read_dir(dir.path().join("new/maps/clips/a.mp4")).unwrap();
        assert_eq!(left.count(), 2, "only the two pictures are left");
    }

    #[test]
    fn a_moment_without_pictures_names_none() {
        let dir = tempfile::tempdir().unwrap();
        let heatmaps = Heatmaps::create(dir.path(), KeepLimits::default()).unwrap();
        let mut moment = judged("a", 0, Picture::filled(2, 2, [60; 3]), 0.9);
        moment.evidence.picture = None;
        moment.evidence.spectrogram = None;
        heatmaps.name(&mut moment);
        heatmaps.write(&moment).unwrap();
        assert_eq!(moment.verdict.heatmap.file, None);
        assert_eq!(moment.verdict.sound_heatmap.file, None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// A moment of a live stream that ended at this second of the day.
    fn live(seq: u64, second: u64) -> JudgedMoment {
        let mut moment = judged("cam", seq, Picture::filled(64, 48, [60; 3]), 0.9);
        moment.verdict.utc = Some(format!("2026-11-28T19:30:{second:02}.250Z"));
        moment
    }

    #[test]
    fn a_live_run_that_starts_again_replaces_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        for second in [1, 2] {
            let heatmaps = Heatmaps::create(dir.path(), KeepLimits::default()).unwrap();
            let mut moment = live(0, second);
            heatmaps.name(&mut moment);
            heatmaps.write(&moment).unwrap();
            let name = moment.verdict.heatmap.file.unwrap();
            assert_eq!(name, format!("cam/20261128T19300{second}.250Z_000000.png"));
        }
        assert_eq!(fs::read_dir(dir.path().join("cam")).unwrap().count(), 4);
    }

    #[test]
    fn live_pictures_are_kept_within_limits_and_numbered_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("cam")).unwrap();
        fs::write(dir.path().join("cam/000000.png"), [0; 99]).unwrap();
        let keep = KeepLimits {
            bytes: Some(1),
            age: None,
        };
        let heatmaps = Heatmaps::create(dir.path(), keep).unwrap();
        let mut moment = live(0, 1);
        heatmaps.name(&mut moment);
        heatmaps.write(&moment).unwrap();
        let left = fs::read_dir(dir.path().join("cam")).unwrap();
        let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["000000.png"]);
    }

    #[test]
    fn the_time_in_a_name_is_read_back_and_other_names_have_none() {
        let at = "2026-11-28T19:30:01.25Z".parse().unwrap();
        assert_eq!(date_of("20261128T193001.250Z_000012.png"), Some(at));
        assert_eq!(date_of("20261128T193001.250Z_000012.sound.png"), Some(at));
        for other in [
            "000012.png",
            "20261128T193001.250Z.png",
            "20261128T193001.250Z_12.png",
            "20261128T193001.250Z_000012.jpg",
            "20261128T193001Z_000012.png",
            "20261328T193001.250Z_000012.png",
            "holiday_000012.png",
        ] {
            assert_eq!(date_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let said =
            Heatmaps::create(&dir.path().join("file/maps"), KeepLimits::default()).unwrap_err();
        assert!(
            said.to_string()
                .contains("file/maps: cannot make the folder"),
            "{said}"
        );
        let heatmaps = Heatmaps::create(dir.path(), KeepLimits::default()).unwrap();
        fs::create_dir_all(dir.path().join("a/000000.png")).unwrap();
        let mut moment = judged("a", 0, Picture::filled(2, 2, [60; 3]), 0.9);
        heatmaps.name(&mut moment);
        let said = heatmaps.write(&moment).unwrap_err().to_string();
        assert!(said.contains("a/000000.png: cannot write"), "{said}");
    }
}

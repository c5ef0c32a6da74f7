//! JSON lines, to stdout or a file.
//!
//! Policy: one record is one line, one write and one flush, so that a reader on a pipe sees
//! each moment at once and never half a line. The run waits for a file, and for stdout
//! unless it is live; a live stdout that is not read loses its oldest moments and gets a
//! gap in their place. A reader that goes away is [`FileError::Closed`]. A file that cannot
//! be written ends the run. For files that a later run can resume, see [`super::archive`].
//!
//! [`FileError::Closed`]: crate::file_error::FileError::Closed

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Policy, Sink, SinkError, WhenFull};
use crate::event::Event;
use crate::result::Record;

/// Writes records as JSON lines.
pub struct JsonLines<W> {
    out: W,
    name: PathBuf,
    line: Vec<u8>,
}

impl JsonLines<File> {
    /// Creates or truncates the file.
    ///
    /// # Errors
    /// Names the file and why it cannot be written.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        let file = File::create(path).map_err(SinkError::io(path, "write"))?;
        Ok(Self::new(file, path))
    }
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`; errors call it `name` ("stdout").
    pub fn new(out: W, name: impl Into<PathBuf>) -> Self {
        Self {
            out,
            name: name.into(),
            line: Vec::with_capacity(1024),
        }
    }

    /// Writes one line and flushes it.
    ///
    /// # Errors
    /// [`SinkError::is_closed`] if the reader has gone; otherwise names the output
    /// and the cause.
    pub fn write(&mut self, record: &Record) -> Result<(), SinkError> {
        to_line(record, &mut self.line);
        self.out
            .write_all(&self.line)
            .and_then(|()| self.out.flush())
            .map_err(SinkError::io(&self.name, "write"))
    }

    /// Returns the output.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// The sink of `--json`.
pub struct JsonSink {
    lines: JsonLines<Box<dyn Write + Send>>,
    when_full: WhenFull,
    /// If the reader goes away, the run ends.
    needs_reader: bool,
    is_closed: bool,
}

impl JsonSink {
    /// To stdout. A live run does not wait for its reader.
    pub fn stdout(needs_reader: bool) -> Self {
        let lines = JsonLines::new(Box::new(std::io::stdout()) as Box<_>, "stdout");
        Self::new(lines, WhenFull::DropOldestIfLive, needs_reader)
    }

    /// Appends to a file. Starts on a new line if an earlier run was killed in the middle of
    /// one.
    ///
    /// # Errors
    /// Names the file and why it cannot be written.
    pub fn append(path: &Path, needs_reader: bool) -> Result<Self, SinkError> {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .map_err(SinkError::io(path, "write"))?;
        if ends_in_a_line(path) == Some(false) {
            file.write_all(b"\n")
                .map_err(SinkError::io(path, "write"))?;
        }
        let lines = JsonLines::new(Box::new(file) as Box<_>, path);
        Ok(Self::new(lines, WhenFull::Wait, needs_reader))
    }

    fn new(
        lines: JsonLines<Box<dyn Write + Send>>,
        when_full: WhenFull,
        needs_reader: bool,
    ) -> Self {
        Self {
            lines,
            when_full,
            needs_reader,
            is_closed: false,
        }
    }
}

/// Whether a regular, non-empty file ends with a newline; `None` if unknown.
fn ends_in_a_line(path: &Path) -> Option<bool> {
    // Pipes and write-only files cannot be checked.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::End(-1)).ok()?;
    let mut last = [0];
    file.read_exact(&mut last).ok()?;
    Some(last == *b"\n")
}

impl Sink for JsonSink {
    fn name(&self) -> &'static str {
        "json"
    }

    fn policy(&self) -> Policy {
        Policy {
            when_full: self.when_full,
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        if self.is_closed {
            return Ok(());
        }
        for record in event.records() {
            match self.lines.write(&record) {
                Err(error) if error.is_closed() && !self.needs_reader => {
                    self.is_closed = true;
                    break;
                }
                written => written?,
            }
        }
        Ok(())
    }
}

/// Replaces `line` with the record and a newline.
pub(crate) fn to_line(record: &Record, line: &mut Vec<u8>) {
    line.clear();
    serde_json::to_writer(&mut *line, record)
        .expect("records have string keys and memory takes all bytes");
    line.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::testing::{every_kind_of_record, measured, moment, nothing_measured};
    use super::*;

    fn every_line() -> Vec<Record> {
        let measured = [measured("clip.mp4", Some(12_345)), nothing_measured("a")];
        every_kind_of_record().into_iter().chain(measured).collect()
    }

    #[test]
    fn every_record_comes_back_from_its_line() {
        let mut out = JsonLines::new(Vec::new(), "memory");
        let records = every_line();
        for record in &records {
            out.write(record).unwrap();
        }
        let text = String::from_utf8(out.into_inner()).unwrap();
        let back: Vec<Record> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(back, records);
    }

    #[test]
    fn the_lines_are_those_of_the_contract() {
        let mut out = JsonLines::new(Vec::new(), "memory");
        for record in every_line() {
            out.write(&record).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(out.into_inner()).unwrap(), @r###"
        {"type":"moment","stream":"clip.mp4","seq":0,"start_ns":0,"end_ns":1000000000,"frame_ns":520000000,"utc":null,"correspondence":0.83,"logits":[-0.7,0.9],"audio":{"rms_dbfs":-21.4,"silent":false},"video":{"width":1280,"height":720,"still":false},"heatmap":{"rows":16,"cols":28,"crop":"full","peak":[0.61,0.42],"max":3.2,"file":"clip.mp4/000000.png"},"sound_heatmap":{"rows":16,"cols":12,"peak_hz":2625.0,"peak_s":0.375,"max":1.9,"file":null},"latency_ms":{"wait":1.2,"features":0.6,"net":31.0,"total":33.1}}
        {"type":"moment","stream":"cam \"1\"\n","seq":7,"start_ns":7000000000,"end_ns":8000000000,"frame_ns":7520000000,"utc":"2024-05-01T12:00:00.25Z","correspondence":0.83,"logits":[-0.7,0.9],"z_score":2.5,"audio":{"rms_dbfs":-21.4,"silent":false,"dc_offset":-0.25,"invalid_samples":3,"clipped_samples":1},"video":{"width":1280,"height":720,"still":false},"heatmap":{"rows":16,"cols":28,"crop":"full","peak":[0.61,0.42],"max":3.2,"file":null},"sound_heatmap":{"rows":16,"cols":12,"peak_hz":2625.0,"peak_s":0.375,"max":1.9,"file":"cam/000007.sound.png"},"latency_ms":{"wait":1.2,"features":0.6,"net":31.0,"total":33.1},"padded":true}
        {"type":"gap","stream":"clip.mp4","start_ns":1000000000,"end_ns":2000000000,"why":"no_audio","lost":1}
        {"type":"summary","stream":"clip.mp4","moments":1,"mean_correspondence":0.83,"gaps":1,"seconds":1.0,"wall_s":0.4}
        {"type":"summary","stream":"empty.mp4","moments":0,"mean_correspondence":null,"gaps":1,"seconds":0.0,"wall_s":0.4,"model":"cameras@0f3a91c2","bytes":12345}
        {"type":"error","stream":"bad.mp4","error":"not a media file: truncated"}
        {"type":"qc","stream":"clip.mp4","video":{"frames":250,"blackdetect":[{"start_s":0.0,"end_s":2.4,"duration_s":2.4}],"freezedetect":[{"start_s":0.0,"end_s":2.4,"duration_s":2.4},{"start_s":6.04,"end_s":9.96,"duration_s":3.92}]},"audio":{"channels":2,"sample_rate":48000,"silencedetect":[],"ebur128":{"integrated_lufs":-23.12,"range_lu":4.2,"true_peak_dbtp":-1.04,"sample_peak_dbfs":-1.31}},"bytes":12345}
        {"type":"qc","stream":"a","video":null,"audio":null}
        "###);
    }

    #[test]
    fn a_moment_of_numbers_that_are_none_is_still_a_line_that_reads_back() {
        let mut verdict = moment("cam", 0);
        verdict.correspondence = f32::NAN;
        verdict.logits = [f32::NAN, f32::INFINITY];
        verdict.heatmap.max = f32::NEG_INFINITY;
        let mut line = Vec::new();
        to_line(&Record::Moment(verdict), &mut line);
        let Record::Moment(back) = serde_json::from_slice(&line).unwrap() else {
            panic!("another kind of record");
        };
        assert!(back.correspondence.is_nan() && back.heatmap.max.is_nan());
    }

    /// Takes whole lines only, as a pipe's reader sees them.
    struct Pipe {
        writes: usize,
        flushed: bool,
        open: bool,
    }

    impl Write for Pipe {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            if !self.open {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            assert_eq!(data.last(), Some(&b'\n'));
            self.writes += 1;
            self.flushed = false;
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushed = true;
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_write_and_a_flush() {
        let pipe = Pipe {
            writes: 0,
            flushed: false,
            open: true,
        };
        let mut out = JsonLines::new(pipe, "stdout");
        out.write(&Record::Moment(moment("cam", 0))).unwrap();
        assert_eq!((out.out.writes, out.out.flushed), (1, true));
    }

    #[test]
    fn a_reader_that_goes_away_is_not_a_failure() {
        let pipe = Pipe {
            writes: 0,
            flushed: false,
            open: false,
        };
        let mut out = JsonLines::new(pipe, "stdout");
        let error = out.write(&Record::Moment(moment("cam", 0))).unwrap_err();
        assert!(error.is_closed());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_with_what_to_do() {
        let mut out = JsonLines::create(Path::new("/dev/full")).unwrap();
        let error = out.write(&Record::Moment(moment("cam", 0))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/dev/full: cannot write: No space left on device (os error 28); \
             free some space and run the same command again"
        );
    }
}

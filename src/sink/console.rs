//! `--table`: results for people, one line per record, on any `Write` (usually stderr, as
//! stdout carries JSON lines only).
//!
//! Policy: lines are never wrapped and need no colour. A live run does not wait for a paused
//! terminal (Ctrl-S); others do. If the terminal goes away, a run without an archive ends,
//! because nobody gets its results.

use std::io::Write;

use super::{OnFailure, Policy, Sink, SinkError, WhenFull};
use crate::draw::{clock, shortened, unit};
use crate::event::Event;
use crate::qc::Stretch;
use crate::result::{Gap, Qc, Record, Summary, Verdict};
use crate::text::{plural, printable};

/// Width of the stream's name.
const NAME: usize = 24;
/// Width of the bar.
const BAR: usize = 20;

/// A table with one line per record.
pub struct Table<W> {
    out: W,
    started: bool,
}

impl<W: Write> Table<W> {
    /// A table on `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            started: false,
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn row(&mut self, record: &Record) -> Result<(), SinkError> {
        if !self.started {
            self.started = true;
            self.line(&format!(
                "{:NAME$} {:>9}  {:<wide$}  {:>9}  {:>7}",
                "stream",
                "time",
                "correspondence",
                "peak x, y",
                "level",
                wide = BAR + 5
            ))?;
        }
        self.line(&match record {
            Record::Moment(verdict) => moment_row(verdict),
            Record::Gap(gap) => gap_row(gap),
            Record::Qc(qc) => qc_row(qc),
            Record::Summary(summary) => summary_line(summary),
            Record::Error(failure) => format!("{}: {}", printable(&failure.stream), failure.error),
        })
    }

    fn line(&mut self, text: &str) -> Result<(), SinkError> {
        writeln!(self.out, "{}", text.trim_end())
            .and_then(|()| self.out.flush())
            .map_err(SinkError::io("terminal".as_ref(), "write"))
    }
}

/// The sink of `--table`.
pub struct TableSink {
    table: Table<Box<dyn Write + Send>>,
    needs_reader: bool,
}

impl TableSink {
    /// A table on `out`. A run that `needs_reader` ends with it.
    pub fn new(out: Box<dyn Write + Send>, needs_reader: bool) -> Self {
        Self {
            table: Table::new(out),
            needs_reader,
        }
    }
}

impl Sink for TableSink {
    fn name(&self) -> &'static str {
        "table"
    }

    fn policy(&self) -> Policy {
        Policy {
            when_full: WhenFull::DropOldestIfLive,
            on_failure: if self.needs_reader {
                OnFailure::EndRun
            } else {
                OnFailure::Detach
            },
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        for record in event.records() {
            // Errors have been printed above the table.
            if !matches!(record, Record::Error(_)) {
                self.table.row(&record)?;
            }
        }
        Ok(())
    }
}

fn moment_row(v: &Verdict) -> String {
    let [x, y] = v.heatmap.peak;
    let offset = v.audio.dc_offset.map(|o| format!("DC offset {o:+.3}"));
    let notes = [
        v.audio.silent.then_some("silent"),
        v.video.still.then_some("still"),
        v.video.black.then_some("black"),
        v.padded.then_some("padded"),
        (!v.audio.damage().is_none()).then_some("damaged sound"),
        offset.as_deref(),
    ];
    let notes = notes.into_iter().flatten();
    format!(
        "{:NAME$} {:>9}  {:4.2} {:BAR$}  {:>9}  {:>4.0} dB  {}",
        shortened(&printable(&v.stream), NAME),
        clock(v.start_ns),
        v.correspondence,
        bar(v.correspondence),
        format!("{:.0}%, {:.0}%", x * 100.0, y * 100.0),
        v.audio.rms_dbfs,
        notes.collect::<Vec<_>>().join(", ")
    )
}

fn gap_row(gap: &Gap) -> String {
    format!(
        "{:NAME$} {:>9}  no verdict to {}: {}{}",
        shortened(&printable(&gap.stream), NAME),
        clock(gap.start_ns),
        clock(gap.end_ns),
        gap.why.name().replace('_', " "),
        match gap.lost {
            0 => String::new(),
            n => format!(", {} lost", plural(n, "moment")),
        }
    )
}

/// What was measured of a file, in one line.
fn qc_row(qc: &Qc) -> String {
    // Not `sum`, which is -0.0 of nothing.
    let length = |stretches: &[Stretch]| stretches.iter().fold(0.0, |sum, s| sum + s.duration_s);
    let mut said = Vec::new();
    if let Some(video) = &qc.video {
        said.push(format!("black {:.1} s", length(&video.blackdetect)));
        said.push(format!("frozen {:.1} s", length(&video.freezedetect)));
    }
    if let Some(audio) = &qc.audio {
        said.push(format!("silent {:.1} s", length(&audio.silencedetect)));
        let loudness = audio.ebur128.as_ref();
        if let Some(lufs) = loudness.and_then(|loudness| loudness.integrated_lufs) {
            said.push(format!("{lufs:.1} LUFS"));
        }
        if let Some(peak) = loudness.and_then(|loudness| loudness.true_peak_dbtp) {
            said.push(format!("{peak:.1} dBTP"));
        }
    }
    format!("{}: {}", printable(&qc.stream), said.join(", "))
}

/// How a stream ended, in one line.
pub fn summary_line(s: &Summary) -> String {
    let mean = s
        .mean_correspondence
        .map_or(String::new(), |m| format!(", mean correspondence {m:.2}"));
    let speed = if s.wall_s > 0.0 && s.seconds > 0.0 {
        format!(" ({:.1} × real time)", s.seconds / s.wall_s)
    } else {
        String::new()
    };
    format!(
        "{}: {} in {:.1} s{mean}, {}, took {:.1} s{speed}",
        printable(&s.stream),
        plural(s.moments, "moment"),
        s.seconds,
        plural(s.gaps, "gap"),
        s.wall_s
    )
}

/// A bar for a value of 0 to 1, in eighths of a column.
fn bar(part: f32) -> String {
    let eighths = (unit(part) * (BAR * 8) as f32).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + rest
}

#[cfg(test)]
mod tests {
    use super::super::testing::{error, gap, measured, moment, summary};
    use super::*;
    use crate::result::GapReason;

    #[test]
    fn the_table_reads_well() {
        let mut table = Table::new(Vec::new());
        let mut odd = moment("archive/2024/a very long name.mp4", 3723);
        odd.correspondence = 1.0;
        odd.audio.silent = true;
        odd.video.still = true;
        odd.audio.rms_dbfs = -120.0;
        odd.heatmap.peak = [0.0, 1.0];
        odd.audio.dc_offset = Some(-0.25);
        odd.audio.invalid_samples = 3;
        let mut none = moment("esc\u{1b}[31m", 1);
        none.correspondence = 0.0;
        for record in [
            Record::Moment(moment("clip.mp4", 0)),
            Record::Moment(odd),
            Record::Moment(none),
            gap("clip.mp4", 1, GapReason::NoAudio),
            measured("clip.mp4", None),
            summary("clip.mp4", 1),
            summary("empty.mp4", 0),
            error("bad.mp4", "not a media file: truncated"),
        ] {
            table.row(&record).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(table.out).unwrap(), @r###"
        stream                        time  correspondence             peak x, y    level
        clip.mp4                      0:00  0.83 ████████████████▋      61%, 42%   -21 dB
        …24/a very long name.mp4   1:02:03  1.00 ████████████████████   0%, 100%  -120 dB  silent, still, damaged sound, DC offset -0.250
        esc·[31m                      0:01  0.00                        61%, 42%   -21 dB
        clip.mp4                      0:01  no verdict to 0:02: no audio, 1 moment lost
        clip.mp4: black 2.4 s, frozen 6.3 s, silent 0.0 s, -23.1 LUFS, -1.0 dBTP
        clip.mp4: 1 moment in 1.0 s, mean correspondence 0.83, 1 gap, took 0.4 s (2.5 × real time)
        empty.mp4: 0 moments in 0.0 s, 1 gap, took 0.4 s
        bad.mp4: not a media file: truncated
        "###);
    }

    #[test]
    fn the_bar_is_as_long_as_the_number_says() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(f32::NAN), "");
        assert_eq!(bar(0.5).chars().count(), BAR / 2);
        assert_eq!(bar(7.0).chars().count(), BAR);
        assert_eq!(bar(1.0 / 160.0), "▏");
    }
}

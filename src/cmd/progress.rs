//! The progress bar, and lines printed above it.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::log;
use crate::media::{Source, SourceKind};
use crate::stats::{RunStats, StreamStats};
use crate::sync::lock;
use crate::text::{plural, printable};

/// How often a bar is redrawn.
pub const BAR_STEP: Duration = Duration::from_millis(200);

/// A progress bar on stderr; hidden if stderr is not a terminal.
#[derive(Clone)]
pub struct Bar {
    /// None where it is hidden: a hidden bar has a lock, too, which a writer to a held
    /// terminal would keep.
    bar: Option<ProgressBar>,
    /// Bytes of each source: the length in seconds is unknown until a file is opened.
    sizes: Vec<u64>,
    /// When it was shown last: with many sources the sum takes time.
    shown: Arc<Mutex<Option<Instant>>>,
}

impl Bar {
    /// No bar.
    pub fn none() -> Self {
        Self {
            bar: None,
            sizes: Vec::new(),
            shown: Arc::default(),
        }
    }

    /// A bar over the bytes of these sources; none if `quiet`.
    pub fn for_files(sources: &[Source], quiet: bool) -> Self {
        if quiet {
            return Self::none();
        }
        let sizes: Vec<u64> = sources
            .iter()
            .map(|s| match &s.kind {
                SourceKind::File(path) => std::fs::metadata(path).map_or(0, |m| m.len()),
                _ => 0,
            })
            .collect();
        let bar = ProgressBar::with_draw_target(
            Some(sizes.iter().sum::<u64>().max(1)),
            ProgressDrawTarget::stderr_with_hz(5),
        );
        let template = "{bar:30} {percent:>3} %  {msg}  {elapsed} so far, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(BAR_STEP);
        Self {
            bar: shown(bar),
            sizes,
            shown: Arc::default(),
        }
    }

    /// A bar over steps whose number [`show_steps`](Self::show_steps) tells.
    pub fn for_steps(kind: &'static str) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(5);
        let bar = ProgressBar::with_draw_target(Some(1), target).with_message(kind);
        let template = "{bar:30} {percent:>3} %  {msg}  {elapsed} so far, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(BAR_STEP);
        Self {
            bar: shown(bar),
            sizes: Vec::new(),
            shown: Arc::default(),
        }
    }

    /// Shows how many of all steps are done.
    pub fn show_steps(&self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
        }
    }

    /// Shows the progress of the streams.
    pub fn show(&self, stats: &RunStats) {
        if self.bar.is_none() {
            return;
        }
        let moments = stats.network.moments();
        let streams = stats.streams();
        let streams = streams.iter().map(|stream| &*stream.stats);
        self.show_at(streams, || plural(moments, "moment"));
    }

    /// Shows the progress of the streams, with a message, unless it was shown a moment ago.
    pub fn show_at<'a>(
        &self,
        streams: impl Iterator<Item = &'a StreamStats>,
        message: impl FnOnce() -> String,
    ) {
        let Some(bar) = &self.bar else {
            return;
        };
        let now = Instant::now();
        let mut shown = lock(&self.shown);
        if shown.is_some_and(|at| now - at < BAR_STEP / 2) {
            return;
        }
        *shown = Some(now);
        let done: f64 = streams
            .zip(&self.sizes)
            .map(|(stream, &size)| {
                let at = stream.position_ns.load(Ordering::Relaxed) as f64;
                let length = stream.length_ns.load(Ordering::Relaxed) as f64;
                let share = if length > 0.0 {
                    (at / length).min(1.0)
                } else {
                    0.0
                };
                share * size as f64
            })
            .sum();
        bar.set_position(done as u64);
        bar.set_message(message());
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        // A closed stderr is not a failure.
        let line = log::formatted(line) + "\n";
        let _ = AboveBar(self.bar.clone()).write_all(line.as_bytes());
    }

    /// Reports that a stream failed.
    pub fn say_failed(&self, stream: &str, error: &str) {
        self.say(&format!("l3net: {}: {error}", printable(stream)));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// A writer to stderr for the log; its lines go above the bar.
    pub fn writer(
        &self,
    ) -> impl for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static {
        let bar = self.bar.clone();
        move || AboveBar(bar.clone())
    }

    /// The same, for a table.
    pub fn lines(&self) -> impl Write + Send + 'static {
        AboveBar(self.bar.clone())
    }
}

/// The bar if anybody sees it.
fn shown(bar: ProgressBar) -> Option<ProgressBar> {
    (!bar.is_hidden()).then_some(bar)
}

struct AboveBar(Option<ProgressBar>);

impl Write for AboveBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

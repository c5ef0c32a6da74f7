//! The progress of training on the terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cmd::common::say;
use crate::train::TrainProgress;

/// Time between progress lines where stderr is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// A bar on a terminal, a line every [`LINE_INTERVAL`] elsewhere.
pub(super) struct ProgressDisplay {
    bar: ProgressBar,
    quiet: bool,
    last: std::cell::Cell<Option<Instant>>,
}

impl ProgressDisplay {
    /// For so many steps; silent if `quiet`.
    pub(super) fn new(steps: u64, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        let template = "{bar:24} {pos}/{len}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            quiet,
            last: std::cell::Cell::new(None),
        }
    }

    /// A step was made.
    pub(super) fn show(&self, progress: &TrainProgress) {
        let line = line(progress);
        self.bar.set_position(progress.step);
        self.bar.set_message(line.clone());
        if self.quiet {
            return;
        }
        if let Some(found) = &progress.validation {
            let text = format!(
                "step {}: validation loss {:.4}, accuracy {:.1} %; training {:.4}, {:.1} %",
                found.step,
                found.loss,
                found.accuracy * 100.0,
                found.train_loss,
                found.train_accuracy * 100.0
            );
            if self.bar.is_hidden() {
                say(&text);
            } else {
                self.bar.println(text);
            }
        }
        self.say_now_and_then(|| format!("step {}/{}  {line}", progress.step, progress.steps));
    }

    /// How many of all examples have passed through the frozen trunks.
    pub(super) fn show_features(&self, done: u64, all: u64) {
        let line = format!("features of frozen trunks: {done} of {all} examples");
        self.bar.set_message(line.clone());
        if !self.quiet {
            self.say_now_and_then(|| line);
        }
    }

    /// A process is slower than the others: its name, seconds of its step and of theirs.
    pub(super) fn show_slow(&self, name: &str, seconds: f64, others: f64) {
        let text = format!(
            "{name} is slower than the others: {seconds:.2} s a step, not {others:.2} s; all wait \
             for it"
        );
        match self.bar.is_hidden() {
            _ if self.quiet => {}
            true => say(&text),
            false => self.bar.println(text),
        }
    }

    /// Says a line where there is no bar, if the last one was some time ago.
    fn say_now_and_then(&self, line: impl FnOnce() -> String) {
        let last = self.last.get();
        if self.bar.is_hidden() && last.is_none_or(|at| at.elapsed() >= LINE_INTERVAL) {
            say(&line());
            self.last.set(Some(Instant::now()));
        }
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(progress: &TrainProgress) -> String {
    let left = (progress.steps - progress.step) as f64;
    let batch_s = progress.examples_per_s.max(1e-9);
    let step_s = progress.batch as f64 / batch_s;
    let classes = match progress.score.classes {
        [0.0, 0.0] => String::new(),
        [seen, heard] => format!("classes {:.0}/{:.0} %  ", seen * 100.0, heard * 100.0),
    };
    format!(
        "loss {:.4}  accuracy {:.1} %  {classes}{:.1} pairs/s  waits {:.1} %  {} left",
        progress.score.loss,
        progress.score.accuracy * 100.0,
        progress.examples_per_s,
        progress.waiting * 100.0,
        indicatif::HumanDuration(Duration::from_secs_f64((left * step_s).min(1e9)))
    )
}

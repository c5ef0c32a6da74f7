//! Which streams a run has: those that it began with, and changes while it runs.
//!
//! Belongs here: which stream has which index, who is to end, and who waits for a stream of
//! the same name to end. Does not: threads ([`super::Engine`]).

use super::Task;
use crate::cancel::CancelToken;
use crate::result::StreamName;

/// A change of a run's streams. Those that it does not name lose nothing.
#[derive(Default)]
pub struct Change {
    /// Streams that end in order.
    pub end: Vec<StreamName>,
    /// Streams that begin. One of the name of a stream that ends begins after it.
    pub begin: Vec<Task>,
}

/// The streams of a run, by their index.
#[derive(Default)]
pub(super) struct Roster {
    rows: Vec<Row>,
    waiting: Vec<Task>,
}

struct Row {
    name: StreamName,
    stop: CancelToken,
    is_over: bool,
}

impl Roster {
    /// Adds a stream that `stop` ends.
    pub fn add(&mut self, name: StreamName, stop: CancelToken) {
        self.rows.push(Row {
            name,
            stop,
            is_over: false,
        });
    }

    /// Asks streams to end. Those of these names that waited do not begin any more.
    pub fn end(&mut self, names: &[StreamName]) {
        let ending = self.rows.iter().filter(|row| names.contains(&row.name));
        ending.for_each(|row| row.stop.cancel());
        self.waiting
            .retain(|task| !names.contains(&task.source.name));
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Streams that can begin at once. The others wait until theirs of the same name is over.
    pub fn begin(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        let (later, now) = tasks
            .into_iter()
            .partition(|task| self.is_there(&task.source.name));
        self.waiting.extend::<Vec<Task>>(later);
        now
    }

    /// A stream is over. What has waited for it can begin.
    pub fn over(&mut self, index: usize) -> Option<Task> {
        let row = self.rows.get_mut(index)?;
        row.is_over = true;
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|task| task.source.name == row.name)?;
        Some(self.waiting.remove(at))
    }

    /// Whether a stream of this name has been part of the run.
    pub fn knows(&self, name: &StreamName) -> bool {
        self.rows.iter().any(|row| row.name == *name)
    }

    fn is_there(&self, name: &StreamName) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| row.name == *name && !row.is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Source, SourceKind};

    fn task(name: &str) -> Task {
        Task::new(Source {
            name: name.into(),
            kind: SourceKind::Camera(0),
            label: None,
            tracks: Default::default(),
        })
    }

    fn names(tasks: &[Task]) -> Vec<&str> {
        tasks.iter().map(|task| &*task.source.name).collect()
    }

    #[test]
    fn a_stream_waits_for_the_one_of_its_name_to_end() {
        let run = CancelToken::default();
        let mut roster = Roster::default();
        for name in ["hall", "door"] {
            roster.add(name.into(), run.part());
        }
        roster.end(&["door".into()]);
        assert!(!roster.rows[0].stop.is_cancelled() && roster.rows[1].stop.is_cancelled());
        let begins = roster.begin(vec![task("door"), task("yard")]);
        assert_eq!(names(&begins), ["yard"]);
        roster.add("yard".into(), run.part());
        assert!(roster.over(0).is_none(), "none waits for the hall");
        let door = roster.over(1).expect("it has waited");
        assert_eq!(names(&[door]), ["door"]);
        assert!(roster.knows(&"door".into()) && !roster.knows(&"attic".into()));

        // Changed again while the last one still ends: only the newest begins.
        assert!(roster.begin(vec![task("yard")]).is_empty());
        roster.end(&["yard".into()]);
        assert_eq!(roster.waiting(), 0);
        assert!(roster.begin(vec![task("yard")]).is_empty());
        assert!(roster.over(2).is_some() && roster.over(2).is_none());

        // It is there again, under another index.
        roster.add("door".into(), run.part());
        assert!(roster.begin(vec![task("door")]).is_empty());
        assert!(roster.over(3).is_some());
    }
}

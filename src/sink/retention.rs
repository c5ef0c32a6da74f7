//! Deletes the oldest files of a folder beyond a limit of size or age.
//!
//! Belongs here: choosing and deleting files. Does not: their contents and names; the caller
//! passes a function that reads the date from a name. Files without a date are neither
//! counted nor deleted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::SinkError;

/// Limits of what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepLimits {
    /// Total size in bytes.
    pub bytes: Option<u64>,
    /// Age, by the date in the name.
    pub age: Option<SignedDuration>,
}

impl KeepLimits {
    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.bytes.is_none() && self.age.is_none()
    }
}

/// The dated files below a folder.
#[derive(Debug)]
pub struct Retention {
    limits: KeepLimits,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Size by date and path, oldest first.
    files: BTreeMap<(Timestamp, PathBuf), u64>,
    bytes: u64,
}

impl Retention {
    /// Indexes the dated files below `folder`, such as those of earlier runs.
    pub fn open(folder: &Path, limits: KeepLimits, date: fn(&str) -> Option<Timestamp>) -> Self {
        let mut index = Index::default();
        let files = walkdir::WalkDir::new(folder).into_iter().flatten();
        for file in files.filter(|file| file.file_type().is_file()) {
            if let Some(at) = file.file_name().to_str().and_then(date)
                && let Ok(facts) = file.metadata()
            {
                index.add(at, file.into_path(), facts.len());
            }
        }
        Self {
            limits,
            index: Mutex::new(index),
        }
    }

    /// Adds a file that has been written, and enforces the limits.
    ///
    /// # Errors
    /// Names a file that cannot be deleted.
    pub fn added(&self, path: &Path, at: Timestamp, now: Timestamp) -> Result<(), SinkError> {
        let bytes = std::fs::metadata(path).map_or(0, |facts| facts.len());
        self.lock().add(at, path.to_owned(), bytes);
        self.enforce(now)
    }

    /// Deletes what is over the limits at `now`.
    ///
    /// # Errors
    /// Names a file that cannot be deleted. It is not tried again in this run.
    pub fn enforce(&self, now: Timestamp) -> Result<(), SinkError> {
        let over = self.lock().take_over(self.limits, now);
        let mut result = Ok(());
        for path in over {
            if let Err(cause) = std::fs::remove_file(&path)
                && cause.kind() != io::ErrorKind::NotFound
            {
                result = result.and(Err(SinkError::io(&path, "remove")(cause)));
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn add(&mut self, at: Timestamp, path: PathBuf, bytes: u64) {
        let before = self.files.insert((at, path), bytes);
        self.bytes += bytes;
        self.bytes -= before.unwrap_or(0);
    }

    /// Removes the oldest files from the index until the limits hold.
    fn take_over(&mut self, limits: KeepLimits, now: Timestamp) -> Vec<PathBuf> {
        let oldest_kept = limits.age.and_then(|age| now.checked_sub(age).ok());
        let mut over = Vec::new();
        while let Some(first) = self.files.first_entry() {
            let too_old = oldest_kept.is_some_and(|kept| first.key().0 < kept);
            let too_much = limits.bytes.is_some_and(|most| self.bytes > most);
            if !too_old && !too_much {
                break;
            }
            let ((_, path), bytes) = first.remove_entry();
            self.bytes -= bytes;
            over.push(path);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    fn dated(name: &str) -> Option<Timestamp> {
        let digits = name.strip_suffix(".png")?;
        Timestamp::from_second(digits.parse().ok()?).ok()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("a file")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_also_those_of_an_earlier_run_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["100.png", "200.png", "holiday.png", "notes.txt"] {
            std::fs::write(path(name), [0; 10]).expect("written");
        }
        let limits = KeepLimits {
            bytes: Some(25),
            age: None,
        };
        let retention = Retention::open(folder.path(), limits, dated);
        std::fs::write(path("300.png"), [0; 10]).expect("written");
        let added = retention.added(&path("300.png"), second(300), second(301));
        added.expect("deleted");
        assert_eq!(
            names(folder.path()),
            ["200.png", "300.png", "holiday.png", "notes.txt"]
        );
    }

    #[test]
    fn files_over_their_age_go_at_the_next_look() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["100.png", "200.png"] {
            std::fs::write(folder.path().join(name), [0; 10]).expect("written");
        }
        let limits = KeepLimits {
            bytes: None,
            age: Some(SignedDuration::from_secs(60)),
        };
        let retention = Retention::open(folder.path(), limits, dated);
        retention.enforce(second(160)).expect("nothing to do");
        assert_eq!(names(folder.path()).len(), 2, "60 s is not over 60 s");
        retention.enforce(second(161)).expect("deleted");
        assert_eq!(names(folder.path()), ["200.png"]);
        // Somebody else has deleted it already.
        std::fs::remove_file(folder.path().join("200.png")).expect("removed");
        retention.enforce(second(900)).expect("gone is gone");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_within_the_limits_and_is_the_newest(
            files in prop::collection::vec((0_i64..50, 0_u64..100), 0..40),
            bytes in prop::option::of(0_u64..600),
            age in prop::option::of(0_i64..60),
        ) {
            let mut index = Index::default();
            for (i, (at, bytes)) in files.iter().enumerate() {
                index.add(second(*at), format!("{i}").into(), *bytes);
            }
            let all = index.files.clone();
            let limits = KeepLimits { bytes, age: age.map(SignedDuration::from_secs) };
            let over = index.take_over(limits, second(50));
            prop_assert_eq!(index.bytes, index.files.values().sum::<u64>());
            prop_assert_eq!(over.len() + index.files.len(), all.len());
            prop_assert!(bytes.is_none_or(|most| index.bytes <= most));
            let youngest_gone = all.keys().filter(|key| over.contains(&key.1)).max();
            let oldest_kept = index.files.keys().next();
            if let (Some(gone), Some(kept)) = (youngest_gone, oldest_kept) {
                prop_assert!(gone < kept);
            }
            if let Some(age) = age {
                prop_assert!(index.files.keys().all(|key| key.0 >= second(50 - age)));
            }
        }
    }
}

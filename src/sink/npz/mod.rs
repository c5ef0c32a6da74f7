//! Vectors of moments as a `.npz`, which `numpy.load` opens.
//!
//! Policy:
//! - Rows are collected in unnamed temporary files next to the output, not in memory: an hour
//!   is 220 MB. They are freed column by column while the output is written, so that takes
//!   only the space of the widest column in addition.
//! - The file appears atomically, at [`Npz::finish`]. An existing file is never overwritten
//!   unasked, even if it was created meanwhile.
//! - Rows are sorted by stream and time, so the same sources give the same file.
//! - No array needs pickle.

mod draft;

use std::path::Path;

pub use draft::{Draft, Existing};

use super::SinkError;
use crate::file_error::FileError;
use crate::result::StreamName;
use crate::time::MediaTime;

/// The window of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the stream.
    pub stream: usize,
    /// Start of the window.
    pub start: MediaTime,
    /// End of the window.
    pub end: MediaTime,
    /// Time of the frame.
    pub frame: MediaTime,
}

/// A table of vectors that becomes a `.npz`.
pub struct Npz {
    draft: Draft,
    places: Vec<Place>,
}

impl Npz {
    /// Starts a table with matrices of these names and widths.
    ///
    /// # Errors
    /// If `out` does not end in `.npz`, exists already, or is in a folder that cannot be
    /// written.
    pub fn create(out: &Path, columns: &[(&'static str, usize)]) -> Result<Self, SinkError> {
        let ending = out.extension().unwrap_or_default();
        if !ending.eq_ignore_ascii_case("npz") {
            return Err(FileError::Extension {
                path: out.to_owned(),
                expected: ".npz",
            }
            .into());
        }
        if out.symlink_metadata().is_ok() {
            return Err(SinkError::Foreign {
                path: out.to_owned(),
                why: "it is there already".to_owned(),
            });
        }
        Ok(Self {
            draft: Draft::create(out, columns)?,
            places: Vec::new(),
        })
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// Adds a row: one vector for each matrix, in order.
    ///
    /// # Errors
    /// Names the output and the cause.
    ///
    /// # Panics
    /// If a vector and its matrix differ in width.
    pub fn push(&mut self, place: Place, vectors: &[&[f32]]) -> Result<(), SinkError> {
        self.draft.push(vectors)?;
        self.places.push(place);
        Ok(())
    }

    /// Writes the file: the matrices, each row's `stream`, `start_ns`, `end_ns` and
    /// `frame_ns`, and the `model`.
    ///
    /// # Errors
    /// Names the output and the cause; no file is left. If the output was created by
    /// someone else meanwhile, names the file that has the data instead.
    pub fn finish(self, streams: &[StreamName], model: &str) -> Result<(), SinkError> {
        let places = self.places;
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|&row| (places[row].stream, places[row].start));
        self.draft.finish(&order, Existing::Keep, |archive| {
            let names: Vec<&str> = order.iter().map(|&r| &*streams[places[r].stream]).collect();
            archive.texts("stream", &names, &format!("({},)", names.len()))?;
            let rows = || order.iter().map(|&row| &places[row]);
            archive.times("start_ns", rows().map(|place| place.start))?;
            archive.times("end_ns", rows().map(|place| place.end))?;
            archive.times("frame_ns", rows().map(|place| place.frame))?;
            archive.texts("model", &[model], "()")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    fn place(stream: usize, second: u64) -> Place {
        let at = |ns| MediaTime(second * 1_000_000_000 + ns);
        Place {
            stream,
            start: at(0),
            end: at(1_000_000_000),
            frame: at(500_000_000),
        }
    }

    /// The bytes of an array behind its header, and the header's dictionary.
    fn array(file: &Path, name: &str) -> (String, Vec<u8>) {
        let mut zip = zip::ZipArchive::new(File::open(file).expect("there")).expect("a zip");
        let mut bytes = Vec::new();
        let mut entry = zip.by_name(&format!("{name}.npy")).expect("an array");
        entry.read_to_end(&mut bytes).expect("read");
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + len) % 64, 0);
        let dict = String::from_utf8(bytes[10..10 + len].to_vec()).expect("text");
        (dict.trim_end().to_owned(), bytes[10 + len..].to_vec())
    }

    #[test]
    fn rows_stand_in_the_order_of_streams_and_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("a.npz");
        let mut npz = Npz::create(&out, &[("two", 2), ("one", 1)]).expect("begun");
        for (stream, second) in [(1, 0), (0, 1), (0, 0)] {
            let value = (10 * stream + second) as f32;
            npz.push(place(stream, second as u64), &[&[value, 0.5], &[-value]])
                .expect("written");
        }
        assert_eq!(npz.rows(), 3);
        assert!(!out.exists(), "it appears whole");
        let streams = ["é.mp4".into(), "b".into()];
        npz.finish(&streams, "base@1").expect("written");
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            let words = bytes.as_chunks::<4>().0.iter();
            words.map(|b| f32::from_le_bytes(*b)).collect()
        };
        let (dict, two) = array(&out, "two");
        assert_eq!(
            dict,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"
        );
        assert_eq!(floats(two), [0.0, 0.5, 1.0, 0.5, 10.0, 0.5]);
        assert_eq!(floats(array(&out, "one").1), [-0.0, -1.0, -10.0]);
        let (dict, names) = array(&out, "stream");
        assert!(dict.contains("'<U5'") && dict.contains("(3,)"), "{dict}");
        let words = names.as_chunks::<4>().0.iter();
        let names: String = words
            .filter_map(|b| char::from_u32(u32::from_le_bytes(*b)))
            .collect();
        assert_eq!(names, "é.mp4é.mp4b\0\0\0\0");
        let (_, starts) = array(&out, "start_ns");
        assert_eq!(starts[8..16], 1_000_000_000_i64.to_le_bytes());
        assert!(array(&out, "model").0.contains("'shape': ()"));
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "nothing else lies about");
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.npz"), "somebody's").expect("written");
        for (out, cause) in [
            (at("a.npz"), "there already"),
            (at("a.npy"), ".npz"),
            (at("none/a.npz"), "make the folder first"),
        ] {
            let error = Npz::create(&out, &[("x", 1)]).err().expect("refused");
            let error = error.to_string();
            assert!(error.contains(cause), "{error}");
        }
        // It comes while the rows are gathered.
        let late = at("b.npz");
        let mut npz = Npz::create(&late, &[("x", 1)]).expect("begun");
        npz.push(place(0, 0), &[&[1.0]]).expect("written");
        std::fs::write(&late, "somebody's").expect("written");
        let error = npz.finish(&["s".into()], "m").expect_err("it is taken");
        let error = error.to_string();
        let kept = error
            .split(" is in ")
            .nth(1)
            .and_then(|rest| rest.split(';').next());
        let kept = kept.expect("the other file");
        assert!(array(Path::new(kept), "x").0.contains("(1, 1)"), "{error}");
        for file in ["a.npz", "b.npz"] {
            let left = std::fs::read(at(file)).expect("there");
            assert_eq!(left, b"somebody's");
        }
    }
}

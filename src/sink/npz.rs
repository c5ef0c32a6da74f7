//! Vectors of moments as a `.npz`, which `numpy.load` opens.
//!
//! Policy:
//! - Rows are collected in unnamed temporary files next to the output, not in memory: an hour
//!   is 220 MB. They are freed column by column while the output is written, so that takes
//!   only the space of the widest column in addition.
//! - The file appears atomically, at [`Npz::finish`]. An existing file is never overwritten,
//!   even if it was created meanwhile.
//! - Rows are sorted by stream and time, so the same sources give the same file.
//! - No array needs pickle.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

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
    out: PathBuf,
    columns: Vec<Column>,
    places: Vec<Place>,
}

struct Column {
    name: &'static str,
    width: usize,
    rows: BufWriter<File>,
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
        let folder = folder_of(out);
        let column = |&(name, width)| {
            let rows = tempfile::tempfile_in(folder).map_err(SinkError::io(out, "write"))?;
            Ok(Column {
                name,
                width,
                rows: BufWriter::new(rows),
            })
        };
        Ok(Self {
            out: out.to_owned(),
            columns: columns
                .iter()
                .map(column)
                .collect::<Result<_, SinkError>>()?,
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
        assert_eq!(vectors.len(), self.columns.len());
        for (column, vector) in self.columns.iter_mut().zip(vectors) {
            assert_eq!(vector.len(), column.width, "{}", column.name);
            let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
            let written = column.rows.write_all(&bytes);
            written.map_err(SinkError::io(&self.out, "write"))?;
        }
        self.places.push(place);
        Ok(())
    }

    /// Writes the file: the matrices, each row's `stream`, `start_ns`, `end_ns` and
    /// `frame_ns`, and the `model`.
    ///
    /// # Errors
    /// Names the output and the cause; no file is left. If the output was created by
    /// someone else meanwhile, names the file that has the data instead.
    pub fn finish(mut self, streams: &[StreamName], model: &str) -> Result<(), SinkError> {
        let out = self.out.clone();
        let io = |error| SinkError::io(&out, "write")(error);
        let mut part = tempfile::Builder::new()
            .prefix(&out.file_name().unwrap_or_default())
            .suffix(".part")
            .permissions(std::fs::Permissions::from_mode(0o666)) // less what umask says
            .tempfile_in(folder_of(&out))
            .map_err(io)?;
        let written = self.write(part.as_file_mut(), streams, model);
        written
            .and_then(|()| part.as_file().sync_all())
            .map_err(io)?;
        let Err(taken) = part.persist_noclobber(&out) else {
            return Ok(());
        };
        if taken.error.kind() != io::ErrorKind::AlreadyExists {
            return Err(io(taken.error));
        }
        let (_, kept) = taken.file.keep().map_err(|e| io(e.error))?;
        Err(SinkError::Foreign {
            path: out.clone(),
            why: format!(
                "it has come into being meanwhile, and what was to be written is in {}",
                kept.display()
            ),
        })
    }

    fn write(&mut self, file: &mut File, streams: &[StreamName], model: &str) -> io::Result<()> {
        let mut zip = Archive(ZipWriter::new(BufWriter::new(file)));
        if let Err(error) = self.fill(&mut zip, streams, model) {
            // Its Drop would try to finish again.
            std::mem::forget(zip);
            return Err(error);
        }
        zip.0.finish()?.flush()
    }

    fn fill<W: Write + Seek>(
        &mut self,
        zip: &mut Archive<W>,
        streams: &[StreamName],
        model: &str,
    ) -> io::Result<()> {
        let places = &self.places;
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|&row| (places[row].stream, places[row].start));

        let names: Vec<&str> = order.iter().map(|&r| &*streams[places[r].stream]).collect();
        zip.texts("stream", &names, &format!("({},)", names.len()))?;
        let rows = || order.iter().map(|&row| &places[row]);
        zip.times("start_ns", rows().map(|place| place.start))?;
        zip.times("end_ns", rows().map(|place| place.end))?;
        zip.times("frame_ns", rows().map(|place| place.frame))?;
        for column in &mut self.columns {
            let shape = format!("({}, {})", order.len(), column.width);
            zip.begin(column.name, "<f4", &shape)?;
            column.rows.flush()?;
            let mut row_bytes = vec![0; column.width * 4];
            let rows = column.rows.get_mut();
            for &row in &order {
                rows.seek(SeekFrom::Start((row * row_bytes.len()) as u64))?;
                rows.read_exact(&mut row_bytes)?;
                zip.0.write_all(&row_bytes)?;
            }
            rows.set_len(0)?;
        }
        zip.texts("model", &[model], "()")
    }
}

fn folder_of(out: &Path) -> &Path {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes arrays to a zip, uncompressed: floats do not compress well.
struct Archive<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Archive<W> {
    /// Starts an array; its values follow, row by row.
    fn begin(&mut self, name: &str, kind: &str, shape: &str) -> io::Result<()> {
        // The size is unknown in advance and may exceed 4 GiB.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        self.0.start_file(format!("{name}.npy"), options)?;
        self.0.write_all(&header(kind, shape))
    }

    fn times(
        &mut self,
        name: &str,
        times: impl ExactSizeIterator<Item = MediaTime>,
    ) -> io::Result<()> {
        self.begin(name, "<i8", &format!("({},)", times.len()))?;
        for time in times {
            // Times of a stream stay below i64::MAX.
            let ns = i64::try_from(time.0).unwrap_or(i64::MAX);
            self.0.write_all(&ns.to_le_bytes())?;
        }
        Ok(())
    }

    /// Strings in UTF-32, padded to the longest.
    fn texts(&mut self, name: &str, texts: &[&str], shape: &str) -> io::Result<()> {
        let longest = texts.iter().map(|t| t.chars().count()).max();
        let longest = longest.unwrap_or(0).max(1);
        self.begin(name, &format!("<U{longest}"), shape)?;
        for text in texts {
            let padded = text.chars().map(u32::from).chain(std::iter::repeat(0));
            for c in padded.take(longest) {
                self.0.write_all(&c.to_le_bytes())?;
            }
        }
        Ok(())
    }
}

/// The header of a `.npy`, version 1.0 (numpy.lib.format).
fn header(kind: &str, shape: &str) -> Vec<u8> {
    let mut dict = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    // Values start at a multiple of 64 bytes.
    while (10 + dict.len() + 1) % 64 != 0 {
        dict.push(' ');
    }
    dict.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dict.len() as u16).to_le_bytes());
    bytes.extend(dict.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
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

//! Matrices that grow row by row and become a `.npz` at the end.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::sink::SinkError;
use crate::time::MediaTime;

/// What becomes of a file that has the output's name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the output is kept under another name.
    Keep,
    /// It is replaced.
    Replace,
}

/// Matrices with equally many rows.
pub struct Draft {
    out: PathBuf,
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    width: usize,
    rows: BufWriter<File>,
}

impl Draft {
    /// Starts matrices of these names and widths, in temporary files beside `out`.
    ///
    /// # Errors
    /// If its folder cannot be written.
    pub fn create(out: &Path, columns: &[(&'static str, usize)]) -> Result<Self, SinkError> {
        let folder = folder_of(out);
        let column = |&(name, width)| {
            let rows = tempfile::tempfile_in(folder).map_err(SinkError::io(out, "write"))?;
            Ok(Column {
                name,
                width,
                rows: BufWriter::new(rows),
            })
        };
        let columns = columns.iter().map(column);
        Ok(Self {
            out: out.to_owned(),
            columns: columns.collect::<Result<_, SinkError>>()?,
        })
    }

    /// Adds a row: one vector for each matrix, in order.
    ///
    /// # Errors
    /// Names the output and the cause.
    ///
    /// # Panics
    /// If a vector and its matrix differ in width.
    pub fn push(&mut self, vectors: &[&[f32]]) -> Result<(), SinkError> {
        assert_eq!(vectors.len(), self.columns.len());
        for (column, vector) in self.columns.iter_mut().zip(vectors) {
            assert_eq!(vector.len(), column.width, "{}", column.name);
            let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
            let written = column.rows.write_all(&bytes);
            written.map_err(SinkError::io(&self.out, "write"))?;
        }
        Ok(())
    }

    /// Writes the file: these rows of the matrices, in this order, and what `others` adds.
    ///
    /// # Errors
    /// Names the output and the cause; no file is left. If the output is there and stays,
    /// names the file that has the data instead.
    pub fn finish(
        mut self,
        order: &[usize],
        existing: Existing,
        others: impl FnOnce(&mut Archive<BufWriter<&mut File>>) -> io::Result<()>,
    ) -> Result<(), SinkError> {
        let out = self.out.clone();
        let io = |error| SinkError::io(&out, "write")(error);
        let mut part = tempfile::Builder::new()
            .prefix(&out.file_name().unwrap_or_default())
            .suffix(".part")
            .permissions(std::fs::Permissions::from_mode(0o666)) // less what umask says
            .tempfile_in(folder_of(&out))
            .map_err(io)?;
        let written = self.write(part.as_file_mut(), order, others);
        written
            .and_then(|()| part.as_file().sync_all())
            .map_err(io)?;
        if existing == Existing::Replace {
            let persisted = part.persist(&out);
            return persisted.map(drop).map_err(|error| io(error.error));
        }
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

    fn write<'a>(
        &mut self,
        file: &'a mut File,
        order: &[usize],
        others: impl FnOnce(&mut Archive<BufWriter<&'a mut File>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut archive = Archive(ZipWriter::new(BufWriter::new(file)));
        let filled = others(&mut archive).and_then(|()| self.fill(&mut archive, order));
        if let Err(error) = filled {
            // Its Drop would try to finish again.
            std::mem::forget(archive);
            return Err(error);
        }
        archive.0.finish()?.flush()
    }

    fn fill<W: Write + Seek>(
        &mut self,
        archive: &mut Archive<W>,
        order: &[usize],
    ) -> io::Result<()> {
        for column in &mut self.columns {
            let shape = format!("({}, {})", order.len(), column.width);
            archive.begin(column.name, "<f4", &shape)?;
            column.rows.flush()?;
            let mut row_bytes = vec![0; column.width * 4];
            let rows = column.rows.get_mut();
            for &row in order {
                rows.seek(SeekFrom::Start((row * row_bytes.len()) as u64))?;
                rows.read_exact(&mut row_bytes)?;
                archive.0.write_all(&row_bytes)?;
            }
            rows.set_len(0)?;
        }
        Ok(())
    }
}

fn folder_of(out: &Path) -> &Path {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes arrays to a zip, uncompressed: floats do not compress well.
pub struct Archive<W: Write + Seek>(ZipWriter<W>);

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

    /// Times as whole nanoseconds.
    ///
    /// # Errors
    /// Those of the system.
    pub fn times(
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

    /// Numbers in double precision.
    ///
    /// # Errors
    /// Those of the system.
    pub fn numbers(&mut self, name: &str, numbers: &[f64]) -> io::Result<()> {
        self.begin(name, "<f8", &format!("({},)", numbers.len()))?;
        for number in numbers {
            self.0.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    /// Strings in UTF-32, padded to the longest.
    ///
    /// # Errors
    /// Those of the system.
    pub fn texts(&mut self, name: &str, texts: &[&str], shape: &str) -> io::Result<()> {
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

//! Finds the recordings in a file: where each begins. Pure; believes no size.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::walk::{Container, next_recording};

/// The most recordings that are looked for: a day of cameras that begin a file every
/// 20 seconds.
const MOST: usize = 4_096;

/// Bytes that can be read anywhere.
pub(super) trait ReadAt {
    /// Reads what is there; returns how many bytes.
    fn read_at(&self, at: u64, into: &mut [u8]) -> usize;

    /// How many there are.
    fn len(&self) -> u64;
}

impl ReadAt for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            match FileExt::read_at(self, &mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }

    fn len(&self) -> u64 {
        self.metadata().map_or(0, |meta| meta.len())
    }
}

/// The recordings in a file that were joined byte by byte, of one container or of several.
/// One, the whole file, if there are no others.
pub(super) fn parts(bytes: &dyn ReadAt) -> Vec<Range<u64>> {
    let mut starts = vec![0];
    while let Some(&start) = starts.last()
        && starts.len() < MOST
        && let Some(container) = Container::at(bytes, start)
        && let Some(next) = next_recording(bytes, container, start)
    {
        starts.push(next);
    }
    let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(begin, end)| begin..end)
        .collect()
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;

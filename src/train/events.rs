//! Training curves for TensorBoard.
//!
//! An event file is a sequence of records: length, its checksum, a protobuf `Event`,
//! its checksum (TensorFlow's `record_writer.cc` and `event.proto`). Only scalars are
//! written, which needs six fields; a protobuf compiler for six fields would be more
//! to maintain than this.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes scalars to one event file.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Creates a new file in `folder`, and the folder if needed. Files of earlier runs
    /// stay: TensorBoard joins them.
    ///
    /// # Errors
    /// The error of the system.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let now = seconds();
        let pid = std::process::id();
        let name = format!("events.out.tfevents.{:010}.{pid}.l3net", now as u64);
        let mut file = Self {
            file: File::create(folder.join(name))?,
        };
        let mut event = Vec::new();
        double(&mut event, 1, now); //                     wall_time
        bytes(&mut event, 3, b"brain.Event:2"); //         file_version
        file.record(&event)?;
        Ok(file)
    }

    /// Writes one value of each curve.
    ///
    /// # Errors
    /// The error of the system.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut one = Vec::new();
            bytes(&mut one, 1, tag.as_bytes()); //         tag
            key(&mut one, 2, 5); //                        simple_value
            one.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one); //               value
        }
        let mut event = Vec::new();
        double(&mut event, 1, seconds()); //               wall_time
        key(&mut event, 2, 0); //                          step
        varint(&mut event, step);
        bytes(&mut event, 5, &summary); //                 summary
        self.record(&event)
    }

    /// One write per record, so that a concurrent reader sees only complete ones.
    fn record(&mut self, event: &[u8]) -> io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(event);
        record.extend(masked_crc(event).to_le_bytes());
        self.file.write_all(&record)
    }
}

fn seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |d| d.as_secs_f64())
}

/// As in TensorFlow: a CRC of data that contains CRCs is weak unless they are masked.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A field's number and its wire type.
fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksum and bytes as TensorFlow wrote them for `scalar("a", 0.5, step=3)`.
    #[test]
    fn a_record_is_that_of_tensorflow() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path()).expect("a file");
        events
            .scalars(300, &[("a", 0.5), ("b/c", -2.0)])
            .expect("written");
        let file = folder.path().read_dir().expect("a folder").next();
        let bytes = std::fs::read(file.expect("one").expect("a file").path()).expect("bytes");
        let mut rest = bytes.as_slice();
        let mut records = Vec::new();
        while let Some((length, tail)) = rest.split_at_checked(8) {
            let len = u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize;
            assert_eq!(tail[..4], masked_crc(length).to_le_bytes());
            let event = &tail[4..4 + len];
            assert_eq!(tail[4 + len..8 + len], masked_crc(event).to_le_bytes());
            records.push(event.to_vec());
            rest = &tail[8 + len..];
        }
        assert!(rest.is_empty());
        assert!(records[0].ends_with(b"\x1a\x0dbrain.Event:2"));
        let summary = b"\x10\xac\x02\x2a\x16\x0a\x08\x0a\x01a\x15\0\0\0\x3f\
                        \x0a\x0a\x0a\x03b/c\x15\0\0\0\xc0";
        assert_eq!(records[1][0], 0x09);
        assert_eq!(&records[1][9..], summary.as_slice());
        // RFC 3720, B.4: 32 bytes of zero.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }
}

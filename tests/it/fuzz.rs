//! Damaged files by the hundred: a run ends with an answer to each.
//!
//! `cargo nextest run --run-ignored only -E 'test(two_thousand)'` for the long one; its
//! figures go to stderr. What a seed makes is the same on every machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use l3net::hash::{GOLDEN_GAMMA, mix};
use l3net::media::is_media;
use l3net::result::Record;

use crate::common::{DEADLINE, Running, batch_args, data, l3net, read};

/// Larger files would only take longer: what decoders trip over is at the start.
const MAX_BYTES: u64 = 200_000;

/// A generator of numbers that stays the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// One of `0..n`.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A range in `0..length`, mostly short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        let most = if self.below(4) == 0 { length } else { 64 };
        start..(start + 1 + self.below(most)).min(length)
    }

    /// A place in a file; every second one where containers have their headers.
    fn place(&mut self, length: usize) -> usize {
        let near = self.below(length.min(2_048));
        match self.below(4) {
            0 => near,
            1 => length - 1 - near,
            _ => self.below(length),
        }
    }
}

/// Damages a file in one to four ways.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match numbers.below(7) {
            0 => {
                for _ in 0..=numbers.below(48) {
                    let at = numbers.place(length);
                    bytes[at] ^= 1 << numbers.below(8);
                }
            }
            1 => {
                let range = numbers.range(length);
                bytes[range].fill_with(|| numbers.next() as u8);
            }
            2 => bytes.truncate(numbers.place(length)),
            3 => drop(bytes.drain(numbers.range(length))),
            4 => {
                let copied = bytes[numbers.range(length)].to_vec();
                let at = numbers.place(length);
                bytes.splice(at..at, copied);
            }
            // A number at one of its limits: a size, a count, an offset.
            5 => {
                let at = numbers.place(length);
                let limits = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x1000_0000];
                let limit = limits[numbers.below(limits.len())].to_be_bytes();
                let end = (at + 4).min(length);
                bytes[at..end].copy_from_slice(&limit[..end - at]);
            }
            _ => {
                let from = numbers.range(length);
                let to = numbers.below(length);
                let end = (to + from.len()).min(length);
                bytes.copy_within(from.start..from.start + (end - to), to);
            }
        }
    }
}

/// Files to damage, in a fixed order.
fn healthy() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["clips", "made", "odd"]
        .iter()
        .flat_map(|folder| fs::read_dir(data(folder)).expect("there").flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
            is_media(path) && (1..MAX_BYTES).contains(&bytes)
        })
        .collect();
    files.sort();
    files
}

/// Runs a batch over so many damaged files; returns how they ended.
fn fuzz(count: usize, seed: u64) -> BTreeMap<&'static str, usize> {
    let dir = tempfile::tempdir().expect("a folder");
    let films = dir.path().join("films");
    fs::create_dir(&films).expect("a folder");
    let (healthy, mut numbers) = (healthy(), Numbers(seed));
    let mut names = Vec::new();
    for i in 0..count {
        let origin = &healthy[numbers.below(healthy.len())];
        let mut bytes = fs::read(origin).expect("there");
        mutate(&mut bytes, &mut numbers);
        let name = origin.file_name().expect("a file").to_string_lossy();
        let name = format!("{i:04}-{name}");
        fs::write(films.join(&name), bytes).expect("written");
        names.push(name);
    }
    let out = dir.path().join("out.jsonl");
    let running = Running::start(l3net(batch_args(&[&films], &out, &["--seconds", "2"])));
    let done = running.wait_at_most(DEADLINE * (1 + count as u32 / 200));
    done.assert_no_panic();
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let ends = answers(&out, &names);
    let told = ends.iter().map(|(how, n)| format!("{n} {how}"));
    let told = told.collect::<Vec<_>>().join(", ");
    let seconds = done.took.as_secs();
    let _ = writeln!(
        std::io::stderr(),
        "{count} files, seed {seed}: {told}; {seconds} s"
    );
    ends
}

/// Each file has been answered, once.
fn answers(out: &Path, names: &[String]) -> BTreeMap<&'static str, usize> {
    let mut by_file: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for record in read(out) {
        let file = record.stream().to_string();
        match record {
            Record::Summary(_) => by_file.entry(file).or_default().push("judged"),
            Record::Error(error) => {
                let how = match &error.error {
                    e if e.contains("decoder crashed") => "crashed",
                    e if e.contains("of memory") => "took too much memory",
                    e if e.contains("the source hangs") => "hung",
                    _ => "refused",
                };
                by_file.entry(file).or_default().push(how);
            }
            Record::Moment(verdict) => {
                let p = verdict.correspondence;
                assert!((0.0..=1.0).contains(&p), "{file}: {p}");
            }
            Record::Gap(_) | Record::Qc(_) => {}
        }
    }
    let mut ends = BTreeMap::new();
    for name in names {
        let answers = by_file.remove(name).unwrap_or_default();
        let last = answers
            .last()
            .unwrap_or_else(|| panic!("no answer to {name}"));
        *ends.entry(*last).or_default() += 1;
    }
    assert!(by_file.is_empty(), "{by_file:?}");
    ends
}

#[test]
fn damaged_files_are_answered_each() {
    let ends = fuzz(40, 16);
    assert_eq!(ends.values().sum::<usize>(), 40);
    assert!(ends["judged"] > 0 && ends["refused"] > 0, "{ends:?}");
}

#[test]
#[ignore = "takes minutes"]
fn two_thousand_damaged_files_are_answered_each() {
    assert_eq!(fuzz(2_000, 2_026).values().sum::<usize>(), 2_000);
}

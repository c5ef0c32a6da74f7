//! Finds tables to correct, and corrects them wherever they are repeated.

use std::collections::BTreeMap;

use super::codec::Codec;
use super::packets::{Grid, PACKET, Packet, after_pes_header};
use super::tables::{self, Declared, PAT_PID};

/// How much of an undeclared stream is looked at, in bytes, at least and at most.
const LEAST: usize = 2_048;
const MOST: usize = 1 << 16;

/// What the first part of a stream tells.
pub(super) struct Found {
    /// Tables to correct, if any.
    pub rewriter: Option<Rewriter>,
    /// More data would tell no more.
    pub is_whole: bool,
}

/// Finds the tables in the first part of a stream that lack what a stream is.
pub(super) fn find(data: &[u8]) -> Found {
    let mut finder = Finder::default();
    let grid = Grid::of(data);
    for packet in grid.iter().flat_map(|grid| grid.packets(data)) {
        finder.read(&packet);
    }
    let tables = finder.corrections();
    Found {
        is_whole: finder.is_whole(),
        rewriter: grid
            .filter(|_| !tables.is_empty())
            .map(|grid| Rewriter::new(grid, tables)),
    }
}

/// A stream that its table does not declare.
struct Undeclared {
    declared: Declared,
    /// Its PES packets' id, once one has begun.
    id: Option<u8>,
    data: Vec<u8>,
    codec: Option<Codec>,
}

/// The table of a program, and the streams that it does not declare.
type Program = (Vec<u8>, Vec<Undeclared>);

#[derive(Default)]
struct Finder {
    /// The beginnings of tables, by PID.
    sections: BTreeMap<u16, Vec<u8>>,
    /// Tables of programs by PID; empty until seen.
    programs: BTreeMap<u16, Vec<Program>>,
}

impl Finder {
    /// Whether all streams of the tables so far have been recognised, or cannot be. Programs
    /// may be announced that are not there.
    fn is_whole(&self) -> bool {
        let is_decided = |stream: &Undeclared| stream.codec.is_some() || stream.data.len() >= MOST;
        let mut tables = self.programs.values().flatten().peekable();
        tables.peek().is_some() && tables.all(|(_, streams)| streams.iter().all(is_decided))
    }

    fn read(&mut self, packet: &Packet<'_>) {
        let is_program = self.programs.contains_key(&packet.pid);
        if packet.pid == PAT_PID || is_program {
            for section in self.sections(packet) {
                self.take(packet.pid, section);
            }
            return;
        }
        let tables = self.programs.values_mut().flatten();
        let mut streams = tables.flat_map(|(_, streams)| streams);
        if let Some(stream) = streams.find(|stream| stream.declared.pid == packet.pid) {
            stream.read(packet);
        }
    }

    /// The tables that end in a packet.
    fn sections(&mut self, packet: &Packet<'_>) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        let mut rest = packet.payload;
        if packet.is_start {
            let Some((&pointer, payload)) = rest.split_first() else {
                return whole;
            };
            let Some((end, begin)) = payload.split_at_checked(usize::from(pointer)) else {
                return whole;
            };
            if let Some(mut open) = self.sections.remove(&packet.pid) {
                open.extend_from_slice(end);
                whole.extend(cut(&mut open));
            }
            rest = begin;
        } else if !self.sections.contains_key(&packet.pid) {
            return whole;
        }
        let open = self.sections.entry(packet.pid).or_default();
        open.extend_from_slice(rest);
        whole.extend(std::iter::from_fn(|| cut(open)));
        whole
    }

    fn take(&mut self, pid: u16, section: Vec<u8>) {
        if pid == PAT_PID {
            for program in tables::programs(&section).unwrap_or_default() {
                self.programs.entry(program).or_default();
            }
            return;
        }
        let Some(tables) = self.programs.get_mut(&pid) else {
            return;
        };
        let Some(streams) = tables::streams(&section) else {
            return;
        };
        if tables.iter().any(|(known, _)| *known == section) {
            return;
        }
        let unknown = streams.into_iter().filter(|stream| !stream.is_known);
        let unknown = unknown.map(|declared| Undeclared {
            declared,
            id: None,
            data: Vec::new(),
            codec: None,
        });
        tables.push((section, unknown.collect()));
    }

    fn corrections(&self) -> Vec<Table> {
        let tables = self.programs.iter().flat_map(|(pid, tables)| {
            tables
                .iter()
                .map(|(section, streams)| (*pid, section, streams))
        });
        let corrected = tables.filter_map(|(pid, section, streams)| {
            let types: Vec<_> = streams.iter().filter_map(Undeclared::correction).collect();
            (!types.is_empty()).then(|| Table {
                pid,
                corrected: tables::with_types(section, &types),
                original: section.clone(),
            })
        });
        corrected.collect()
    }
}

impl Undeclared {
    fn read(&mut self, packet: &Packet<'_>) {
        if self.codec.is_some() || self.data.len() >= MOST {
            return;
        }
        let data = match packet.is_start {
            true => after_pes_header(packet.payload),
            false => Some(packet.payload).filter(|_| self.id.is_some()),
        };
        let Some(data) = data else {
            return;
        };
        if packet.is_start && self.data.len() >= LEAST {
            self.codec = self.recognise();
        }
        if packet.is_start {
            self.id = packet.payload.get(3).copied();
        }
        self.data.extend_from_slice(data);
    }

    fn recognise(&self) -> Option<Codec> {
        match self.id? {
            0xe0..=0xef => Codec::of_pictures(&self.data),
            _ => Codec::of_sound(&self.data),
        }
    }

    /// Place of its type in the table, and the type that it should have. Data that ended
    /// before it was enough may still tell.
    fn correction(&self) -> Option<(usize, u8)> {
        let codec = self.codec.or_else(|| self.recognise())?;
        let Declared { at, is_bluray, .. } = self.declared;
        Some((at, codec.stream_type(is_bluray)))
    }
}

/// Cuts a whole table off the data.
fn cut(open: &mut Vec<u8>) -> Option<Vec<u8>> {
    // The rest of a packet is filled with ones.
    if open.first() == Some(&0xff) {
        open.clear();
    }
    let length = tables::length(open)?;
    (open.len() >= length).then(|| open.drain(..length).collect())
}

/// A table and what to put in its place, of the same length.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    pid: u16,
    original: Vec<u8>,
    corrected: Vec<u8>,
}

/// Corrects tables in a stream that comes in pieces of any size.
pub(super) struct Rewriter {
    grid: Grid,
    tables: Vec<Table>,
    /// Where the next piece begins, if it follows.
    next: u64,
    /// The first part of a packet that the last piece has cut.
    cut: Vec<u8>,
    /// By PID, the table that continues in a later packet, and how much of it has been.
    open: BTreeMap<u16, (usize, usize)>,
}

impl Rewriter {
    fn new(grid: Grid, tables: Vec<Table>) -> Self {
        Self {
            grid,
            tables,
            next: 0,
            cut: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Corrects a piece of the stream that begins at byte `at`, or follows the last one.
    pub fn correct(&mut self, at: Option<u64>, data: &mut [u8]) {
        let start = at.unwrap_or(self.next);
        if start != self.next {
            self.cut.clear();
            self.open.clear();
        }
        self.next = start + data.len() as u64;
        if !self.cut.is_empty() {
            let mut packet = std::mem::take(&mut self.cut);
            let known = packet.len();
            let rest = data.len().min(PACKET - known);
            packet.extend_from_slice(&data[..rest]);
            self.correct_packet(&packet, known, &mut data[..rest]);
        }
        for begin in (self.grid.first(start)..data.len()).step_by(self.grid.stride) {
            let end = data.len().min(begin + PACKET);
            if end - begin == PACKET {
                self.correct_tables(&mut data[begin..end]);
            } else {
                let packet = data[begin..end].to_vec();
                self.correct_packet(&packet, 0, &mut data[begin..end]);
            }
        }
    }

    /// Corrects a packet of which `data` is what follows the first `known` bytes. One that
    /// is not whole yet is kept for the next piece.
    fn correct_packet(&mut self, packet: &[u8], known: usize, data: &mut [u8]) {
        let open = (packet.len() < PACKET).then(|| self.open.clone());
        let mut corrected = packet.to_vec();
        self.correct_tables(&mut corrected);
        data.copy_from_slice(&corrected[known..]);
        if let Some(open) = open {
            self.open = open;
            self.cut = packet.to_vec();
        }
    }

    fn correct_tables(&mut self, bytes: &mut [u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        let (pid, is_start, begins) = (packet.pid, packet.is_start, packet.begins);
        if !self.tables.iter().any(|table| table.pid == pid) {
            return;
        }
        let first = match bytes.get(begins).filter(|_| is_start) {
            Some(&pointer) => bytes.len().min(begins + 1 + usize::from(pointer)),
            None => bytes.len(),
        };
        if let Some((table, done)) = self.open.remove(&pid) {
            self.put(table, done, bytes, begins + usize::from(is_start)..first);
        }
        let mut at = first;
        // Several tables may lie in a packet.
        while let Some(table) = bytes.get(at..).and_then(|rest| self.begins(pid, rest)) {
            let end = bytes.len();
            match self.put(table, 0, bytes, at..end) {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    /// The table that these bytes are the beginning of.
    fn begins(&self, pid: u16, bytes: &[u8]) -> Option<usize> {
        self.tables.iter().position(|table| {
            let known = bytes.len().min(table.original.len());
            known > 0 && table.pid == pid && table.original[..known] == bytes[..known]
        })
    }

    /// Puts the rest of a corrected table into its place; returns where it ends.
    fn put(
        &mut self,
        table: usize,
        done: usize,
        bytes: &mut [u8],
        place: std::ops::Range<usize>,
    ) -> Option<usize> {
        let Table {
            pid,
            original,
            corrected,
        } = &self.tables[table];
        let next = (done + place.len()).min(original.len());
        let place = place.start..place.start + next - done;
        let bytes = bytes.get_mut(place.clone())?;
        if *bytes != original[done..next] {
            return None;
        }
        bytes.copy_from_slice(&corrected[done..next]);
        if next < original.len() {
            self.open.insert(*pid, (table, next));
        }
        Some(place.end)
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;

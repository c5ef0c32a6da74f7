//! Names of streams in topics.
//!
//! Belongs here: how a stream's name becomes part of a topic or of an id, and back. Does
//! not: what is published there.

use std::collections::BTreeMap;

use l3net_data::result::StreamName;

/// The part of a topic that stands for each stream.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_part: BTreeMap<String, StreamName>,
    by_stream: BTreeMap<StreamName, String>,
}

impl Topics {
    /// The part for a stream, which keeps it as long as the program runs, even if it comes
    /// and goes.
    pub(super) fn part(&mut self, stream: &StreamName) -> String {
        if let Some(part) = self.by_stream.get(stream) {
            return part.clone();
        }
        let safe = safe(stream);
        let mut part = safe.clone();
        let mut n = 2;
        while self.by_part.contains_key(&part) {
            part = format!("{safe}_{n}");
            n += 1;
        }
        self.by_part.insert(part.clone(), stream.clone());
        self.by_stream.insert(stream.clone(), part.clone());
        part
    }

    /// The parts for these streams. Those whose names can stay as they are do so, whatever
    /// their order.
    pub(super) fn add<'a>(&mut self, streams: impl Iterator<Item = &'a StreamName> + Clone) {
        for stream in streams.clone().filter(|name| safe(name) == ***name) {
            self.part(stream);
        }
        for stream in streams {
            self.part(stream);
        }
    }

    /// The stream that a part stands for.
    pub(super) fn stream(&self, part: &str) -> Option<&StreamName> {
        self.by_part.get(part)
    }
}

/// The name without what topics may not have.
fn safe(name: &str) -> String {
    let bad = |c: char| matches!(c, '/' | '+' | '#') || c.is_control();
    name.chars().map(|c| if bad(c) { '_' } else { c }).collect()
}

/// An id as Home Assistant wants it: letters, digits, `_` and `-` of ASCII. Names that differ
/// only in other characters get different ids, which do not depend on what else there is:
/// settings that people make in Home Assistant hang on them.
pub(super) fn id(prefix: &str, name: &str) -> String {
    let slug = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        text.chars()
            .map(|c| if plain(c) { c } else { '_' })
            .collect()
    };
    let slugged = slug(name);
    let (prefix, hash) = (slug(prefix), fnv(name));
    match slugged == name {
        true => format!("{prefix}_{slugged}"),
        false => format!("{prefix}_{slugged}_{hash:08x}"),
    }
}

/// 32-bit FNV-1a: the same in all versions, as the standard library's hash is not.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_safe_and_unique() {
        let names = ["a/b", "a_b", "a+b", "Tür 1", "x\u{7}y"];
        let names: Vec<StreamName> = names.into_iter().map(Into::into).collect();
        let mut topics = Topics::default();
        topics.add(names.iter());
        let parts: Vec<_> = names.iter().map(|name| topics.part(name)).collect();
        assert_eq!(parts, ["a_b_2", "a_b", "a_b_3", "Tür 1", "x_y"]);
        for (name, part) in names.iter().zip(&parts) {
            assert_eq!(topics.stream(part), Some(name));
        }
        assert_eq!(topics.stream("none"), None);
    }

    #[test]
    fn ids_are_plain_and_stable() {
        assert_eq!(id("l3net", "door"), "l3net_door");
        let [a, b] = ["Tür", "Tor "].map(|name| id("l3net", name));
        assert!(
            a.starts_with("l3net_T_r_") && b.starts_with("l3net_Tor__"),
            "{a} {b}"
        );
        assert_ne!(id("p", "ä"), id("p", "ö"));
        assert_eq!(fnv("foobar"), 0xbf9c_f968);
    }
}

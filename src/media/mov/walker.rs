//! Finds the movie's header in a stream of bytes and corrects it on the way. Pure.

use super::atoms::{Start, start};
use super::header::Movie;

/// The largest header that is held back until it is whole.
const LARGEST: u64 = 256 << 20;

/// Follows a stream from atom to atom.
#[derive(Debug, Default)]
pub(super) struct Walker {
    /// Bytes until the next atom begins.
    skip: u64,
    /// Bytes held back: the beginning of an atom.
    held: Vec<u8>,
}

/// What to send on.
#[derive(Debug, PartialEq)]
pub(super) enum Sent {
    /// The bytes as they are.
    Same,
    /// Other bytes; empty if some are held back.
    Instead(Vec<u8>),
}

impl Walker {
    /// Begins again, at the beginning of an atom: the reader has moved.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the next bytes of the stream; also returns the movie whose header they
    /// complete.
    pub fn take(&mut self, bytes: &[u8]) -> (Sent, Option<Movie>) {
        if self.held.is_empty() && self.skip >= bytes.len() as u64 {
            self.skip -= bytes.len() as u64;
            return (Sent::Same, None);
        }
        let mut all = std::mem::take(&mut self.held);
        let before = all.len();
        all.extend_from_slice(bytes);
        let mut found = None;
        let mut changed = before > 0;
        loop {
            // Nothing was held back if bytes are to be skipped.
            let Some(at) = usize::try_from(self.skip).ok().filter(|at| *at < all.len()) else {
                self.skip -= all.len() as u64;
                break;
            };
            let size = match start(&all[at..]) {
                Start::Short => None,
                Start::Wrong => Some(u64::MAX),
                Start::Head(head) if head.kind == *b"moov" => match head.size {
                    Some(size) if size > LARGEST => Some(size),
                    Some(size) if size > (all.len() - at) as u64 => None,
                    Some(size) => {
                        let end = at + size as usize;
                        if let Some(movie) = Movie::read_pushed(&all[at..end]) {
                            changed |= movie.correct(&mut all[at..end]);
                            found.get_or_insert(movie);
                        }
                        Some(size)
                    }
                    None => Some(u64::MAX),
                },
                Start::Head(head) => Some(head.size.unwrap_or(u64::MAX)),
            };
            match size {
                Some(size) => self.skip = self.skip.saturating_add(size),
                None => {
                    self.held = all.split_off(at);
                    self.skip = 0;
                    changed = true;
                    break;
                }
            }
        }
        let sent = match changed {
            true => Sent::Instead(all),
            false => Sent::Same,
        };
        (sent, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = 8 + body.len() as u32;
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    fn movie(length: u32) -> Vec<u8> {
        let fields = [0, 0, 0, 1_000, length, 0x1_0000];
        let body: Vec<u8> = fields.iter().flat_map(|f: &u32| f.to_be_bytes()).collect();
        atom(b"moov", &atom(b"mvhd", &body))
    }

    /// What comes out of a stream that is sent in pieces, and the movies in it.
    fn send(stream: &[u8], piece: usize) -> (Vec<u8>, Vec<Movie>) {
        let mut walker = Walker::default();
        let (mut out, mut movies) = (Vec::new(), Vec::new());
        for bytes in stream.chunks(piece) {
            let (sent, movie) = walker.take(bytes);
            match sent {
                Sent::Same => out.extend_from_slice(bytes),
                Sent::Instead(other) => out.extend(other),
            }
            movies.extend(movie);
        }
        (out, movies)
    }

    #[test]
    fn a_header_is_corrected_wherever_it_is_and_however_it_is_cut() {
        let (kind, media) = (atom(b"ftyp", b"qt  "), atom(b"mdat", &movie(7_000)));
        for parts in [
            [&kind[..], &movie(5_000), &media],
            [&kind[..], &media, &movie(5_000)],
            [&movie(5_000)[..], &media, &kind],
        ] {
            let stream = parts.concat();
            let expected = parts.map(|p| {
                if p == movie(5_000) {
                    movie(0)
                } else {
                    p.to_vec()
                }
            });
            for piece in 1..=stream.len() {
                let (out, movies) = send(&stream, piece);
                assert!(out == expected.concat(), "in pieces of {piece}");
                assert_eq!(movies.len(), 1);
                assert_eq!(movies[0].length_ns, Some(5_000_000_000));
            }
        }
    }

    #[test]
    fn what_is_no_movie_passes_unchanged() {
        let huge = [&(u32::MAX).to_be_bytes()[..], b"moov", &[0; 40]].concat();
        let endless = [&[0; 4][..], b"mdat", &movie(5_000)].concat();
        let noise: Vec<u8> = (0..2_000_u32).map(|i| ((i * 7_919) >> 3) as u8).collect();
        for stream in [&huge, &endless, &noise, &atom(b"moov", b"short")] {
            for piece in [1, 5, 64, 4_096] {
                let (out, movies) = send(stream, piece);
                assert!(stream.starts_with(&out) && stream.len() - out.len() < 16);
                assert!(movies.is_empty());
            }
        }
    }
}

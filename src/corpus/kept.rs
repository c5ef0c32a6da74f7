//! What was decoded once and is kept, as far as there is room.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Room for things of a kind, over all of the program.
pub struct Room {
    bytes: usize,
    used: AtomicUsize,
}

impl Room {
    /// Room for so many bytes.
    pub const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            used: AtomicUsize::new(0),
        }
    }

    /// Takes some of it; false if there is not so much.
    fn take(&self, bytes: usize) -> bool {
        let fits = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.bytes;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file's content, decoded when it is first asked for. It is kept while there is
/// room, else decoded again each time.
pub struct Kept<T: ?Sized> {
    room: &'static Room,
    /// With its bytes.
    content: OnceLock<(Arc<T>, usize)>,
}

impl<T: ?Sized> Kept<T> {
    /// Nothing yet.
    pub fn new(room: &'static Room) -> Self {
        Self {
            room,
            content: OnceLock::new(),
        }
    }

    /// The content, and what `decode` makes of the file if it is not there: itself and
    /// its bytes.
    ///
    /// # Errors
    /// Those of `decode`.
    pub fn get<E>(&self, decode: impl FnOnce() -> Result<(Arc<T>, usize), E>) -> Result<Arc<T>, E> {
        if let Some((content, _)) = self.content.get() {
            return Ok(Arc::clone(content));
        }
        let (content, bytes) = decode()?;
        // Two threads may have decoded it; either's does.
        if self.room.take(bytes) && self.content.set((Arc::clone(&content), bytes)).is_err() {
            self.room.give_back(bytes);
        }
        Ok(content)
    }
}

impl<T: ?Sized> Drop for Kept<T> {
    fn drop(&mut self) {
        if let Some((_, bytes)) = self.content.get() {
            self.room.give_back(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    static ROOM: Room = Room::new(10);

    fn decode(kept: &Kept<str>, bytes: usize) -> bool {
        let mut decoded = false;
        let found = kept.get(|| {
            decoded = true;
            Ok::<_, Infallible>((Arc::from("content"), bytes))
        });
        assert!(found.is_ok_and(|text| &*text == "content"));
        decoded
    }

    #[test]
    fn what_fits_is_decoded_once_and_its_room_is_free_when_it_goes() {
        let [small, large, late] = [(); 3].map(|()| Kept::new(&ROOM));
        assert!(decode(&small, 6) && !decode(&small, 6));
        assert!(decode(&large, 5) && decode(&large, 5), "there is no room");
        // Another thread was faster: what it found stays, and is counted once.
        let raced = late.get(|| {
            decode(&late, 2);
            Ok::<_, Infallible>((Arc::from("content"), 2))
        });
        assert!(raced.is_ok());
        assert_eq!(ROOM.used.load(Ordering::Relaxed), 8);
        drop(small);
        assert!(decode(&large, 5) && !decode(&large, 5));
        drop((large, late));
        assert_eq!(ROOM.used.load(Ordering::Relaxed), 0);
    }
}

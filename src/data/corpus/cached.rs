//! Decoded files that stay in memory, up to a limit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// How much memory the cached files of a kind may take, over all of the program.
pub struct CacheLimit {
    bytes: usize,
    used: AtomicUsize,
}

impl CacheLimit {
    /// A limit in bytes.
    pub const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            used: AtomicUsize::new(0),
        }
    }

    /// Reserves memory; false if the limit does not allow it.
    fn reserve(&self, bytes: usize) -> bool {
        let fits = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.bytes;
        if !fits {
            self.release(bytes);
        }
        fits
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file's content, decoded on first use. It is cached if the limit allows, else
/// decoded again each time.
pub struct Cached<T: ?Sized> {
    limit: &'static CacheLimit,
    /// With its bytes.
    content: OnceLock<(Arc<T>, usize)>,
}

impl<T: ?Sized> Cached<T> {
    /// Nothing yet.
    pub fn new(limit: &'static CacheLimit) -> Self {
        Self {
            limit,
            content: OnceLock::new(),
        }
    }

    /// The content. `decode` yields it with its bytes if it is not cached.
    ///
    /// # Errors
    /// Those of `decode`.
    pub fn get<E>(&self, decode: impl FnOnce() -> Result<(Arc<T>, usize), E>) -> Result<Arc<T>, E> {
        if let Some((content, _)) = self.content.get() {
            return Ok(Arc::clone(content));
        }
        let (content, bytes) = decode()?;
        // Two threads may have decoded it; either's does.
        if self.limit.reserve(bytes) && self.content.set((Arc::clone(&content), bytes)).is_err() {
            self.limit.release(bytes);
        }
        Ok(content)
    }
}

impl<T: ?Sized> Drop for Cached<T> {
    fn drop(&mut self) {
        if let Some((_, bytes)) = self.content.get() {
            self.limit.release(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    static LIMIT: CacheLimit = CacheLimit::new(10);

    fn decode(cached: &Cached<str>, bytes: usize) -> bool {
        let mut decoded = false;
        let found = cached.get(|| {
            decoded = true;
            Ok::<_, Infallible>((Arc::from("content"), bytes))
        });
        assert!(found.is_ok_and(|text| &*text == "content"));
        decoded
    }

    #[test]
    fn what_fits_is_decoded_once_and_its_room_is_free_when_it_goes() {
        let [small, large, late] = [(); 3].map(|()| Cached::new(&LIMIT));
        assert!(decode(&small, 6) && !decode(&small, 6));
        assert!(decode(&large, 5) && decode(&large, 5), "there is no room");
        // Another thread was faster: what it found stays, and is counted once.
        let raced = late.get(|| {
            decode(&late, 2);
            Ok::<_, Infallible>((Arc::from("content"), 2))
        });
        assert!(raced.is_ok());
        assert_eq!(LIMIT.used.load(Ordering::Relaxed), 8);
        drop(small);
        assert!(decode(&large, 5) && !decode(&large, 5));
        drop((large, late));
        assert_eq!(LIMIT.used.load(Ordering::Relaxed), 0);
    }
}

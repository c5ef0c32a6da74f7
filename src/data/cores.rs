//! How many cores there are to share out work among.

use std::num::NonZero;

/// The cores that this process may use, 1 where the system does not say.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

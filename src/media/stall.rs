//! When silence from a source means that it hangs.

/// Whether silence from a source means that it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Silence is never an error.
    Never,
    /// Only after something has arrived.
    OnceBegun,
    /// From the start.
    Always,
}

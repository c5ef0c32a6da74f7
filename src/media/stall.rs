//! When silence from a source means that it hangs.

/// Whether silence from a source means that it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// It may wait for as long as it likes.
    Never,
    /// Once something has come, more has to.
    OnceBegun,
    /// From the start.
    Always,
}

//! Files that one program at a time writes.

use std::fs::{File, TryLockError};

/// Locks a file, or a folder that is open, for as long as it stays open. False if
/// another program has it. A file system without locks is used without.
pub fn lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || File::open(folder.path()).expect("opened");
        let first = open();
        assert!(lock(&first));
        assert!(!lock(&open()));
        drop(first);
        assert!(lock(&open()));
    }
}

//! Walks the atoms ("boxes") of MP4 and MOV. Pure; believes no size.

/// A kind of atom, as in the file.
pub(super) type FourCc = [u8; 4];

/// The first bytes of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// What it is.
    pub kind: FourCc,
    /// Bytes of the head itself.
    pub len: usize,
    /// Bytes of the whole atom; `None` if it reaches to the end of the file.
    pub size: Option<u64>,
}

/// What the first bytes of an atom say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A head.
    Head(Head),
    /// Too few bytes.
    Short,
    /// No atom.
    Wrong,
}

/// Reads the head of an atom.
pub(super) fn start(bytes: &[u8]) -> Start {
    let (Some(small), Some(kind)) = (u32_at(bytes, 0), bytes.get(4..8)) else {
        return Start::Short;
    };
    let kind = [kind[0], kind[1], kind[2], kind[3]];
    let (len, size) = match small {
        0 => (8, None),
        1 => match u64_at(bytes, 8) {
            Some(size) => (16, Some(size)),
            None => return Start::Short,
        },
        size => (8, Some(u64::from(size))),
    };
    if size.is_some_and(|size| size < len as u64) {
        return Start::Wrong;
    }
    Start::Head(Head { kind, len, size })
}

/// An atom with all its contents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atom<'a> {
    /// What it is.
    pub kind: FourCc,
    /// Where it begins, counted from where the walk began.
    pub at: usize,
    /// Where its contents begin, counted likewise.
    pub body_at: usize,
    /// Its contents.
    pub body: &'a [u8],
}

impl<'a> Atom<'a> {
    /// The atoms in it that follow `skip` bytes of its own.
    pub fn atoms(&self, skip: usize) -> Atoms<'a> {
        Atoms {
            bytes: self.body.get(skip..).unwrap_or_default(),
            at: self.body_at + skip,
        }
    }

    /// The first atom of a kind in it.
    pub fn first(&self, kind: &FourCc) -> Option<Atom<'a>> {
        self.atoms(0).find(|atom| atom.kind == *kind)
    }
}

/// The atoms of some bytes, up to the first that is not whole.
pub(super) fn atoms(bytes: &[u8]) -> Atoms<'_> {
    Atoms { bytes, at: 0 }
}

/// An iterator over atoms.
pub(super) struct Atoms<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Atoms<'a> {
    type Item = Atom<'a>;

    fn next(&mut self) -> Option<Atom<'a>> {
        let Start::Head(head) = start(self.bytes) else {
            return None;
        };
        let size = match head.size {
            Some(size) => usize::try_from(size).ok()?,
            None => self.bytes.len(),
        };
        let (whole, rest) = self.bytes.split_at_checked(size)?;
        let atom = Atom {
            kind: head.kind,
            at: self.at,
            body_at: self.at + head.len,
            body: whole.get(head.len..)?,
        };
        self.bytes = rest;
        self.at += size;
        Some(atom)
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*field))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_are_walked_up_to_the_first_that_is_not_whole() {
        let whole = b"\0\0\0\x08free\0\0\0\x01wide\0\0\0\0\0\0\0\x12xy\0\0\0\x09moovz";
        let found = |bytes: &[u8]| {
            let found = atoms(bytes).map(|a| (a.kind, a.at, a.body.to_vec()));
            found.collect::<Vec<_>>()
        };
        let free = (*b"free", 0, vec![]);
        let wide = (*b"wide", 8, b"xy".to_vec());
        let moov = (*b"moov", 26, b"z".to_vec());
        assert_eq!(found(whole), [free.clone(), wide.clone(), moov]);
        assert_eq!(found(&whole[..34]), [free, wide]);
        assert_eq!(found(&whole[..12]).len(), 1);
    }

    #[test]
    fn sizes_that_cannot_be_are_not_believed() {
        // (bytes, atoms in them)
        let cases: [(&[u8], usize); 7] = [
            (b"\0\0\0\x07free", 0),
            (b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f", 0),
            (b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff", 0),
            (b"\xff\xff\xff\xfffree", 0),
            (b"\0\0\0\0free and so on", 1),
            (b"\0\0\0", 0),
            (b"", 0),
        ];
        for (bytes, expected) in cases {
            assert_eq!(atoms(bytes).count(), expected, "{bytes:?}");
        }
    }
}

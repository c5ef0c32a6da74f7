//! Transport packets: where they lie in a file, what they carry.

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;
/// First byte of each packet.
const SYNC: u8 = 0x47;
/// Distances between packets: plain, Blu-ray's with a time stamp of 4 bytes before each,
/// broadcast's with 16 or 20 bytes of error correction after each.
const STRIDES: [usize; 4] = [PACKET, 192, 204, 208];
/// Packets in a row that make a grid.
const IN_A_ROW: usize = 4;

/// Where packets lie: at `phase`, and every `stride` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub stride: usize,
    pub phase: usize,
}

impl Grid {
    /// The grid of data that starts with whole packets, nearly: a few bytes may lie before.
    pub fn of(data: &[u8]) -> Option<Self> {
        let grids = (0..STRIDES[3]).flat_map(|phase| STRIDES.map(|stride| Self { stride, phase }));
        let is_one = |grid: &Self| {
            let syncs = data.iter().skip(grid.phase).step_by(grid.stride);
            let mut syncs = syncs.take(IN_A_ROW);
            syncs.len() == IN_A_ROW && syncs.all(|&byte| byte == SYNC)
        };
        grids.into_iter().find(is_one)
    }

    /// The packets of the beginning of a stream. Damaged ones are skipped.
    pub fn packets<'a>(&self, data: &'a [u8]) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let places = (self.first(0)..data.len()).step_by(self.stride);
        places.filter_map(move |at| Packet::parse(data[at..].get(..PACKET)?))
    }

    /// Bytes from byte `start` of the stream to the first packet that begins at or after it.
    pub fn first(&self, start: u64) -> usize {
        let stride = self.stride as u64;
        let into = (start + stride - self.phase as u64 % stride) % stride;
        // Less than a stride.
        ((stride - into) % stride) as usize
    }
}

/// A packet's header and payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// A table or PES packet begins in it.
    pub is_start: bool,
    /// Place of the payload in the packet.
    pub begins: usize,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `bytes` may be the first part of a packet.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let &[SYNC, high, low, control, ..] = bytes else {
            return None;
        };
        let is_damaged = high & 0x80 != 0;
        let has_payload = control & 0x10 != 0;
        if is_damaged || !has_payload {
            return None;
        }
        let begins = match control & 0x20 {
            0 => 4,
            _ => 5 + usize::from(*bytes.get(4)?),
        };
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1f, low]),
            is_start: high & 0x40 != 0,
            begins,
            payload: bytes.get(begins..)?,
        })
    }
}

/// The data of a stream in a PES packet's first payload.
pub(super) fn after_pes_header(payload: &[u8]) -> Option<&[u8]> {
    /// Streams without the optional header: map, padding, navigation, ECM, EMM, DSM-CC,
    /// H.222.1 E, directory.
    const PLAIN: [u8; 8] = [0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff];
    match payload {
        [0, 0, 1, id, ..] if PLAIN.contains(id) => None,
        [0, 0, 1, _, _, _, _, _, length, rest @ ..] => rest.get(usize::from(*length)..),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_found_wherever_it_begins() {
        for (stride, phase) in [(188, 0), (192, 4), (204, 0), (208, 0), (188, 77), (192, 0)] {
            let mut data = vec![0; phase + 10 * stride];
            for at in (phase..data.len()).step_by(stride) {
                data[at] = SYNC;
            }
            assert_eq!(Grid::of(&data), Some(Grid { stride, phase }));
        }
        assert_eq!(Grid::of(&[0; 2_000]), None);
        assert_eq!(Grid::of(&[SYNC; 300]), None, "too short");
    }

    #[test]
    fn the_first_packet_after_a_byte() {
        let grid = Grid {
            stride: 192,
            phase: 4,
        };
        let firsts = [0, 4, 5, 195, 196, 197, 1_924].map(|start| grid.first(start));
        assert_eq!(firsts, [4, 0, 191, 1, 0, 191, 0]);
    }

    #[test]
    fn a_packet_with_and_without_an_adaptation_field() {
        let mut bytes = [0xaa; PACKET];
        bytes[..4].copy_from_slice(&[SYNC, 0x51, 0x00, 0x10]);
        let packet = Packet::parse(&bytes).expect("it is one");
        assert_eq!((packet.pid, packet.is_start), (0x1100, true));
        assert_eq!((packet.begins, packet.payload.len()), (4, 184));
        bytes[3] = 0x30;
        bytes[4] = 100;
        let packet = Packet::parse(&bytes).expect("it is one");
        assert_eq!((packet.begins, packet.payload.len()), (105, 83));
        bytes[4] = 184;
        assert!(Packet::parse(&bytes).is_none(), "longer than the packet");
        bytes[3] = 0x20;
        assert!(Packet::parse(&bytes).is_none(), "no payload");
        bytes[..4].copy_from_slice(&[SYNC, 0x91, 0x00, 0x10]);
        assert!(Packet::parse(&bytes).is_none(), "damaged");
    }
}

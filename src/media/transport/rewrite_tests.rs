//! Streams put together by hand.

use super::super::tables::tests::{pmt, table};
use super::*;

const PROGRAM: u16 = 0x100;
const SOUND: u16 = 0x1100;

/// A packet; its payload is filled up with ones.
fn packet(pid: u16, is_start: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let mut packet = vec![0x47, high | u8::from(is_start) << 6, low, 0x10];
    packet.extend_from_slice(payload);
    assert!(packet.len() <= PACKET, "it fits");
    packet.resize(PACKET, 0xff);
    packet
}

/// A table in as many packets as it takes; `pointer` bytes lie before it.
fn table_packets(pid: u16, pointer: u8, section: &[u8]) -> Vec<u8> {
    let mut payload = vec![pointer];
    payload.resize(1 + usize::from(pointer), 0xff);
    payload.extend_from_slice(section);
    let pieces = payload.chunks(184).enumerate();
    pieces
        .flat_map(|(i, piece)| packet(pid, i == 0, piece))
        .collect()
}

/// MP2 frames of 144 bytes as one PES packet.
fn sound() -> Vec<u8> {
    let mut frame = vec![0xff, 0xfd, 0x14, 0xc4];
    frame.resize(96, 0x5a);
    let frames = frame.repeat(30);
    let mut pes = vec![0, 0, 1, 0xbd, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
    pes.extend_from_slice(&frames);
    let pieces = pes.chunks(184).enumerate();
    pieces
        .flat_map(|(i, piece)| packet(SOUND, i == 0, piece))
        .collect()
}

/// The table as it is written, and as it should be.
fn tables() -> [Vec<u8>; 2] {
    // Over 184 bytes: it takes two packets.
    let long = [[0x0a, 60].as_slice(), &[b'x'; 60]].concat().repeat(3);
    [0x06, 0x03].map(|kind| {
        pmt(
            b"\x05\x04HDMV",
            &[(0x1b, 0x1011, &long), (kind, SOUND, b"")],
        )
    })
}

/// A stream with that table, packets `stride` bytes apart.
fn stream(pmt: &[u8], stride: usize, pointer: u8) -> Vec<u8> {
    let [high, low] = PROGRAM.to_be_bytes();
    let pat = table(0, &[0, 1, 0xe0 | high, low]);
    let begin = [
        table_packets(0, 0, &pat),
        table_packets(PROGRAM, pointer, pmt),
        sound(),
    ];
    let packets = begin.concat().repeat(3);
    let mut stream = Vec::new();
    for packet in packets.chunks(PACKET) {
        stream.resize(stream.len() + (stride - PACKET), 0);
        stream.extend_from_slice(packet);
    }
    stream
}

#[test]
fn every_table_is_corrected_however_the_stream_is_cut() {
    let [wrong, right] = tables();
    for (stride, pointer) in [(188, 0), (192, 0), (192, 20), (204, 3)] {
        let (written, expected) = (
            stream(&wrong, stride, pointer),
            stream(&right, stride, pointer),
        );
        assert_ne!(written, expected);
        for piece in [1, 3, 100, 187, 188, 192, 1_000, 65_536] {
            let found = find(&written);
            assert!(found.is_whole);
            let mut rewriter = found.rewriter.expect("there is one to correct");
            let mut corrected = written.clone();
            for data in corrected.chunks_mut(piece) {
                rewriter.correct(None, data);
            }
            assert!(
                corrected == expected,
                "{stride} {pointer}, pieces of {piece}"
            );
        }
    }
}

#[test]
fn a_demuxer_may_read_here_and_there() {
    let [wrong, right] = tables();
    let (written, expected) = (stream(&wrong, 192, 0), stream(&right, 192, 0));
    let mut rewriter = find(&written).rewriter.expect("there is one to correct");
    let third = written.len() / 3;
    for (from, to) in [
        (0, 500),
        (2 * third, 3 * third),
        (0, third),
        (third, written.len()),
    ] {
        let mut data = written[from..to].to_vec();
        rewriter.correct(Some(from as u64), &mut data);
        assert!(data == expected[from..to], "{from} to {to}");
    }
}

#[test]
fn what_is_declared_or_damaged_stays_as_it_is() {
    let [wrong, right] = tables();
    let found = find(&stream(&right, 188, 0));
    assert!(found.is_whole && found.rewriter.is_none());
    let mut damaged = wrong.clone();
    *damaged.last_mut().expect("it has bytes") ^= 1;
    assert!(find(&stream(&damaged, 188, 0)).rewriter.is_none());
    assert!(!find(&[0; 5_000]).is_whole);
    // Another table in between.
    let mut rewriter = find(&stream(&wrong, 188, 0))
        .rewriter
        .expect("one to correct");
    let other = pmt(b"", &[(0x06, SOUND, b"")]);
    let written = [stream(&other, 188, 0), stream(&wrong, 188, 0)].concat();
    let expected = [stream(&other, 188, 0), stream(&right, 188, 0)].concat();
    let mut corrected = written;
    rewriter.correct(Some(0), &mut corrected);
    assert!(corrected == expected);
}

#[test]
fn a_stream_that_comes_late_is_waited_for() {
    let [wrong, _] = tables();
    let all = stream(&wrong, 188, 0);
    let short = find(&all[..4 * PACKET]);
    assert!(!short.is_whole);
    assert!(short.rewriter.is_none());
}

//! Recordings that were joined byte by byte.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use l3net::result::{GapReason, Verdict};

use crate::common::{Done, StreamRecords, batch, data, only, streams_in};

/// As a DVD's cells, and what `cat a.mpg b.mpg` makes: the timestamps begin anew.
#[test]
fn recordings_that_were_joined_are_judged_to_their_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = std::fs::read(data("clips/grid_sbwe5n.mpg")).expect("there");
    let [joined, out] = ["joined.mpg", "out.jsonl"].map(|name| dir.path().join(name));
    std::fs::write(&joined, one.repeat(3)).expect("written");
    let done = batch(&[&joined], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = only(streams_in(&out));
    // Each has 2.95 s of sound, as ffprobe says.
    assert_eq!(told.moments.len(), 6, "{told:?}");
    let gaps: Vec<_> = told.gaps.iter().map(|gap| gap.why).collect();
    assert_eq!(gaps[..2], [GapReason::Discontinuity; 2], "{:?}", told.gaps);
    let length = told.summaries[0].seconds;
    assert!((9.0..9.5).contains(&length), "{length}");
    // The middle one without sound: what comes after it is not heard over its pictures.
    let sound = b"\x00\x00\x01\xc0";
    let mut mute = one.clone();
    for at in 0..mute.len() - 3 {
        if &mute[at..at + 4] == sound {
            mute[at + 3] = 0xbe; // padding
        }
    }
    let other = dir.path().join("mute.mpg");
    std::fs::write(&other, [&one[..], &mute, &one].concat()).expect("written");
    let out = dir.path().join("mute.jsonl");
    let done = batch(&[&other], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let starts =
        |told: &StreamRecords| -> Vec<u64> { told.moments.iter().map(|m| m.start_ns.0).collect() };
    let with_mute = starts(&only(streams_in(&out)));
    let [.., fifth, sixth] = starts(&told)[..] else {
        panic!()
    };
    assert_eq!(with_mute.len(), 4, "{with_mute:?}");
    for (start, expected) in with_mute[2..].iter().zip([fifth, sixth]) {
        assert!(start.abs_diff(expected) < 200_000_000, "{with_mute:?}");
    }
    for (first, later) in told.moments[..2].iter().cycle().zip(&told.moments) {
        // The same pictures, and the same sound but for a few milliseconds.
        let shown = |m: &Verdict| m.frame_ns.0.abs_diff(m.start_ns.0) / 1_000_000;
        assert!(shown(first).abs_diff(shown(later)) <= 40, "{later:?}");
        let off = first.correspondence - later.correspondence;
        assert!(off.abs() < 0.1, "{first:?} {later:?}");
    }
}

/// What `cat a.mp4 b.mp4` makes. Each is judged as it is alone, one after the other.
#[test]
fn files_that_were_joined_are_judged_one_after_the_other() {
    let dir = tempfile::tempdir().expect("a folder");
    // (name, its parts, how many moments each has)
    type Case<'a> = (&'a str, &'a [&'a str], &'a [usize]);
    let aac = ["made/whole_3s_aac.mp4", "made/whole_3s_aac.mov"];
    let (pcm, avi) = ("movies/cut_pcm.mov", "made/whole_3s_pcm.avi");
    let [flac, short, lacks] = ["whole_3s_flac", "short_400ms", "lacks_5ms"];
    let [flac, short, lacks] = [flac, short, lacks].map(|name| format!("made/{name}.mkv"));
    let webm = ["odd/no_duration.webm", "made/whole_3s_opus.webm"];
    let [flv, wmv, ogg] = ["flashvideo", "windowsmedia", "oggmedia"];
    let [flv, wmv, ogg] = [flv, wmv, ogg].map(|end| format!("made/two_seconds.{end}"));
    let [flv, wmv, ogg] = [&flv[..], &wmv, &ogg];
    let cases: [Case<'_>; 12] = [
        ("two.mp4", &[aac[0], "made/one_frame_a_second.mp4"], &[3, 4]),
        ("cut.mov", &[pcm, pcm, aac[1]], &[4, 4, 3]),
        ("two.mkv", &[&flac, &short, &lacks], &[3, 0, 3]),
        ("live.webm", &webm, &[4, 3]),
        ("three.avi", &[avi; 3], &[3, 3, 3]),
        ("three.flv", &[flv; 3], &[2, 2, 2]),
        ("two.wmv", &[wmv; 2], &[2, 2]),
        ("two.ogv", &[ogg; 2], &[2, 2]),
        (
            "mixed.mp4",
            &[aac[0], flv, &flac, wmv, avi, ogg, aac[1]],
            &[3, 2, 3, 2, 3, 2, 3],
        ),
        ("behind.ts", &["made/interlaced.ts", &flac], &[3, 3]),
        ("behind.m2ts", &["made/private_aac.m2ts", wmv], &[2, 2]),
        ("behind.mpg", &["clips/grid_sbwe5n.mpg", flv], &[2, 2]),
    ];
    // All in one run, and each part by itself in another.
    let parts: BTreeSet<_> = cases.iter().flat_map(|(_, files, _)| *files).collect();
    let parts: Vec<_> = parts.into_iter().map(|file| data(file)).collect();
    let joined: Vec<_> = cases
        .iter()
        .map(|(name, files, _)| {
            let bytes = files.iter().map(|f| std::fs::read(data(f)).expect("there"));
            let path = dir.path().join(name);
            std::fs::write(&path, bytes.collect::<Vec<_>>().concat()).expect("written");
            path
        })
        .collect();
    let judge = |files: &[PathBuf], out: &str| {
        let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        let out = dir.path().join(out);
        let done = batch(&files, &out);
        assert_eq!(done.code, Some(0), "{}", done.err);
        streams_in(&out)
    };
    let alone = judge(&parts, "alone.jsonl");
    let together = judge(&joined, "joined.jsonl");
    for (name, files, moments) in cases {
        let mut left = &together[name].moments[..];
        let mut begin = 0;
        for (file, expected) in files.iter().zip(moments) {
            let (_, file) = file.split_once('/').expect("a folder");
            let own = alone[file].moments.iter().filter(|m| !m.padded);
            let own: Vec<_> = own.collect();
            assert_eq!(own.len(), *expected, "{file}");
            let (these, rest) = left.split_at(own.len());
            left = rest;
            for (alone, here) in own.iter().zip(these) {
                let off = here.start_ns.0 - alone.start_ns.0;
                let follows = off >= begin && off < begin + 1_500_000_000;
                assert!(follows, "{name}: {here:?}");
                let louder = here.audio.rms_dbfs - alone.audio.rms_dbfs;
                assert!(louder.abs() < 0.1, "{name}: {here:?}");
                let frame_off = (here.frame_ns.0 - off).abs_diff(alone.frame_ns.0);
                assert!(frame_off < 1_000_000, "{name}: {here:?}");
            }
            begin = these.last().map_or(begin, |last| last.end_ns.0);
        }
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_broken_recording_behind_another_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let [joined, out] = ["joined.mp4", "out.jsonl"].map(|name| dir.path().join(name));
    let [good, bad] = ["made/whole_3s_aac.mp4", "odd/invalid-codec.mp4"];
    let parts = [good, bad].map(|file| std::fs::read(data(file)).expect("there"));
    std::fs::write(&joined, parts.concat()).expect("written");
    let (done, told) = alone(&joined, &out);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert_eq!(told.moments.len(), 3);
    assert_eq!(told.errors.len(), 1, "{:?}", told.errors);
    let error = &told.errors[0].error;
    assert!(
        error.starts_with("recording 2 of the 2 that were joined in it: "),
        "{error}"
    );
}

/// Judges one file.
fn alone(file: &Path, out: &Path) -> (Done, StreamRecords) {
    let done = batch(&[file], out);
    (done, only(streams_in(out)))
}

//! Pictures that are not decoded, where every frame that is looked at comes out the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use l3net::features::Crop;
use l3net::media::{Ending, Frame, Looks, SessionOptions, expand};
use l3net::time::{Hop, MediaTime};
use l3net::window::{MomentMaker, MomentOrGap, Pace, Timed};
use l3net::window_spec::WindowSpec;

use crate::common::{batch_with, data, ffmpeg, only, shared, streams_in};
use crate::moments;

fn described(made: &MomentOrGap<Frame>) -> String {
    match made {
        MomentOrGap::Gap(gap) => format!("{gap:?}"),
        MomentOrGap::Moment(moment) => {
            let mut hash = DefaultHasher::new();
            let seen = moment.frame.look(Crop::Center).map(|seen| seen.image.rgb);
            seen.hash(&mut hash);
            let (start, at, pixels) = (moment.start.0, moment.frame.at().0, hash.finish());
            format!("{start}: {at} {pixels:x} {}", moment.padded)
        }
    }
}

/// What comes of a file, and how many frames were decoded for it.
fn read(file: &Path, hop: Hop, every: MediaTime, looks: Option<Looks>) -> (Vec<String>, usize) {
    let name = file.to_str().expect("text").to_owned();
    let source = expand(&[name]).expect("a file").remove(0);
    let options = SessionOptions {
        looks,
        ..SessionOptions::default()
    };
    let maker = MomentMaker::new(WindowSpec::PAPER, hop, Pace::File).with_frame_every(every);
    let mut told = Vec::new();
    let read = moments::read(&source, options, maker, |made| told.push(described(&made)));
    if let Ending::Failed(cause) = &read.ending {
        told.push(cause.to_string());
    }
    told.push(format!("{:?}", read.length));
    (told, read.frames)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let is_media = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| !matches!(e, "md" | "csv" | "json"))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .flatten()
        .map(|e| e.path())
        .filter(is_media)
        .collect();
    files.sort();
    files
}

#[test]
fn without_skipped_pictures_every_moment_is_the_same() {
    let mut all = files(&data("clips"));
    all.extend(files(&data("movies")));
    all.extend(shared("data/clips").iter().flat_map(|folder| files(folder)));
    let ways = [(1.0, 0.0), (0.2, 0.5)];
    let mut skipped: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for file in &all {
        for (hop, every) in ways {
            let hop = Hop::from_secs(hop).expect("in range");
            let every = MediaTime::from_secs_f64(every);
            let looks = match every.0 {
                0 => Looks::Windows {
                    window: WindowSpec::PAPER.window_samples,
                    hop: hop.samples(),
                },
                every => Looks::Steps(every),
            };
            let (with_all, decoded) = read(file, hop, every, None);
            let (without, fewer) = read(file, hop, every, Some(looks));
            assert_eq!(with_all, without, "{}, {looks:?}", file.display());
            *skipped.entry(file.clone()).or_default() += decoded - fewer;
        }
    }
    // H.264 with B-frames.
    let clip = data("clips/friday.mp4");
    assert!(skipped[&clip] > 20, "{}", skipped[&clip]);
}

/// A name, container and options of ffmpeg, and how many of a hundred pictures are decoded at
/// most: those between the last that is looked at and a new start are not.
const FORMATS: [(&str, &str, u32); 13] = [
    ("mjpeg", "avi -c:v mjpeg -q:v 3", 50),
    ("mjpeg_mkv", "mkv -c:v mjpeg -pix_fmt yuvj422p", 50),
    ("prores", "mov -c:v prores_ks -profile:v 0", 50),
    (
        "dnxhd",
        "mov -c:v dnxhd -s 1280x720 -b:v 60M -pix_fmt yuv422p",
        50,
    ),
    ("dv", "avi -target pal-dv", 50),
    ("huffyuv", "avi -c:v huffyuv", 50),
    ("camera", "mkv -c:v libx264 -bf 0 -g 12 -sc_threshold 0", 80),
    (
        "hevc",
        "mkv -c:v libx265 -x265-params keyint=12:bframes=0:open-gop=0:log-level=none",
        80,
    ),
    (
        "mpeg2",
        "ts -c:v mpeg2video -g 12 -bf 0 -flags +cgop -sc_threshold 1000000000",
        80,
    ),
    (
        "vp8",
        "webm -c:v libvpx -g 12 -b:v 300k -deadline realtime",
        80,
    ),
    (
        "vp9",
        "webm -c:v libvpx-vp9 -g 12 -b:v 300k -deadline realtime -cpu-used 8",
        80,
    ),
    (
        "vp8_alpha",
        "webm -c:v libvpx -pix_fmt yuva420p -auto-alt-ref 0 -g 12 -deadline realtime",
        100,
    ),
    (
        "vp9_alpha",
        "webm -c:v libvpx-vp9 -pix_fmt yuva420p -g 12 -deadline realtime -cpu-used 8",
        100,
    ),
];

#[test]
fn what_begins_anew_is_decoded_in_part_and_every_moment_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let looks = Looks::Windows {
        window: WindowSpec::PAPER.window_samples,
        hop: 48_000,
    };
    let mut wrong = Vec::new();
    for (name, how, most) in FORMATS {
        let (container, options) = how.split_once(' ').expect("two");
        let file = folder.path().join(format!("{name}.{container}"));
        let mut arguments: Vec<&str> = "-f lavfi -i testsrc2=s=640x360:r=25:d=8 \
             -f lavfi -i sine=d=8:r=48000"
            .split_whitespace()
            .collect();
        arguments.extend(options.split(' '));
        ffmpeg(&arguments, None, &file);
        let [all, some] =
            [None, Some(looks)].map(|looks| read(&file, Hop::SECOND, MediaTime::ZERO, looks));
        assert_eq!(all.0, some.0, "{name}");
        assert!(all.1 > 190, "{name}: {} frames", all.1);
        let share = 100 * some.1 / all.1;
        wrong.extend((share > most as usize).then_some((name, share)));
    }
    // Where sound happens to be decoded late, less is known of what is looked at.
    assert!(wrong.len() <= 2, "{wrong:?}");
}

#[test]
fn key_pictures_alone_give_the_nearest_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.jsonl");
    let clip = data("clips/friday.mp4");
    let done = batch_with(&[&clip], &out, &["--keyframes"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = only(streams_in(&out));
    assert_eq!(told.moments.len(), 6);
    assert!(told.summaries[0].keyframes);
    let all = folder.path().join("all.jsonl");
    batch_with(&[&clip], &all, &[]);
    let all = only(streams_in(&all));
    assert!(!all.summaries[0].keyframes);
    // Its key pictures are 1.2 s apart, and not in the middle of windows.
    let times = |moments: &[l3net::result::Verdict]| -> Vec<_> {
        moments.iter().map(|moment| moment.frame_ns).collect()
    };
    assert_ne!(times(&told.moments), times(&all.moments));
}

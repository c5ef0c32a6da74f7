//! Colours of decoded frames, held against what ffmpeg makes of the same clips
//! (`tests/data/colours.zip`, made by `tests/oracle/colours.py`).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::common::data;
use l3net::features::{Crop, FrameScaler};
use l3net::media::{Feed, Frame, GstOpener, Opener, SessionOptions, expand};
use l3net::picture::ToPicture;

/// Patches in a row; they are squares.
const COLS: u32 = 4;

type Colours = Vec<[u8; 3]>;

/// Unpacks the clips; what ffmpeg says of each.
fn unpack(folder: &Path) -> BTreeMap<String, Colours> {
    let pack = File::open(data("colours.zip")).expect("it is there");
    let mut pack = zip::ZipArchive::new(pack).expect("a zip file");
    pack.extract(folder).expect("unpacked");
    let expected = File::open(folder.join("expected.json")).expect("in it");
    serde_json::from_reader(expected).expect("JSON")
}

fn first_frame(file: &Path) -> Result<Frame, String> {
    let name = file.to_str().expect("text").to_owned();
    let source = expand(&[name]).expect("a file").remove(0);
    let mut feed: Box<dyn Feed> = GstOpener
        .open(&source, SessionOptions::default())
        .map_err(|e| e.to_string())?;
    let mut end = None;
    loop {
        if let Some(frame) = feed.next_frame() {
            return Ok(frame);
        }
        if let Some(end) = end {
            return Err(format!("no picture: {end:?}"));
        }
        end = feed.poll();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// The middles of the patches of a picture of this size.
fn patches(rgb: &[u8], width: u32, height: u32) -> Colours {
    let side = width / COLS;
    let rows = height / side;
    let places = (0..rows).flat_map(|y| (0..COLS).map(move |x| (x, y)));
    let middle = |(x, y)| {
        let (x, y) = (side * x + side / 2, side * y + side / 2);
        let at = (y * width + x) as usize * 3;
        [0, 1, 2].map(|channel| rgb[at + channel])
    };
    places.map(middle).collect()
}

/// Of the whole picture; of what the network sees of the frame; and of the picture scaled for
/// it, which is the same by another way.
fn colours(file: &Path) -> Result<[Colours; 3], String> {
    let frame = first_frame(file)?;
    let picture = frame.to_picture()?;
    let seen = frame.look(Crop::Full)?.image;
    let scaled = FrameScaler::new(Crop::Full).scale(&picture);
    Ok([
        patches(&picture.rgb, picture.width, picture.height),
        patches(&seen.rgb, seen.width, seen.height),
        patches(&scaled.rgb, scaled.width, scaled.height),
    ])
}

#[test]
fn colours_are_those_that_ffmpeg_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = unpack(folder.path());
    assert!(expected.len() > 70, "{} clips", expected.len());
    let mut wrong = String::new();
    for (name, expected) in &expected {
        let [whole, seen, scaled] = match colours(&folder.path().join(name)) {
            Ok(all) => all,
            Err(cause) => {
                wrong += &format!("{name}: {cause}\n");
                continue;
            }
        };
        for (what, found, expected) in [("picture", &whole, expected), ("seen", &seen, &scaled)] {
            assert_eq!(found.len(), expected.len(), "{name}, {what}");
            let off: Vec<u8> = (found.iter().flatten())
                .zip(expected.iter().flatten())
                .map(|(a, b)| a.abs_diff(*b))
                .collect();
            let mean = off.iter().map(|&v| f64::from(v)).sum::<f64>() / off.len() as f64;
            if mean >= 1.5 || off.iter().any(|&v| v > 3) {
                wrong += &format!("{name}, {what}: {mean:.2} off: {found:?}, not {expected:?}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

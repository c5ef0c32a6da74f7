//! Writing and reading together, and shards that are not as they should be.

use std::path::Path;

use proptest::prelude::*;

use super::testing::{MS, clip, info, noise, number_of, recording, write};
use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |e: std::io::Result<std::fs::DirEntry>| e.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|e| name(e).into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// A tar of any members.
fn tar_of(file: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(std::fs::File::create(file).expect("made"));
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).expect("written");
    }
    tar.finish().expect("finished");
}

fn error(file: &Path) -> String {
    read_shard(file).expect_err("refused").to_string()
}

#[test]
fn clips_come_back_as_they_went_in() {
    let dir = folder();
    let clips = recording("cams/a b.mp4", 12_345, 23.5, 40, 250);
    write(dir.path(), &clips);
    let shards = find_shards(dir.path()).expect("a folder");
    let back = read_shard(&shards[0]).expect("a shard");
    assert_eq!(back.len(), clips.len());
    for (stored, clip) in back.iter().zip(&clips) {
        assert_eq!(stored.info, clip.info);
        for i in 0..clip.frames.len() {
            assert_eq!(number_of(&stored.frame(i).expect("a frame")), i % 64);
        }
        let pcm = stored.sound(1_000, 70_000).expect("sound");
        let first = clip.info.start_sample + 1_000;
        let noise = noise("cams/a b.mp4");
        let heard = |i: usize| f32::from(noise(first + i as u64)) / 32768.0;
        assert!(pcm.iter().enumerate().all(|(i, &v)| v == heard(i)));
        let over = stored.sound(clip.info.samples - 10, 11).expect_err("ends");
        assert!(over.to_string().contains(".flac: damaged"), "{over}");
    }
}

#[test]
fn shards_have_their_size_and_get_their_names_when_they_are_whole() {
    let dir = folder();
    let clips = recording("a", 0, 70.0, 0, 250);
    let mut writer = ShardWriter::open(dir.path(), 2_000_000).expect("a folder");
    let mut closed = 0;
    for clip in &clips {
        closed += u32::from(writer.append(clip).expect("written"));
    }
    assert!(closed >= 2 && writer.has_unfinished());
    let during = names(dir.path());
    assert_eq!(during.len() as u32, closed + 1);
    assert!(during.last().is_some_and(|n| n.ends_with(".tar.part")));
    // A killed program leaves what is there now.
    let left = dir.path().join(during.last().expect("one"));
    let bytes = std::fs::read(&left).expect("read");
    drop(writer);
    std::fs::write(&left, bytes).expect("written");

    let writer = ShardWriter::open(dir.path(), 2_000_000).expect("a folder");
    drop(writer);
    assert!(names(dir.path()).iter().all(|n| n.ends_with(".tar")));
    write(dir.path(), &clips[..1]);
    let after = names(dir.path());
    assert_eq!(after.len() as u32, closed + 1);
    assert_eq!(
        after.last().map(String::as_str),
        Some(&*format!("shard-{closed:06}.tar"))
    );
}

#[test]
fn the_same_clips_make_the_same_bytes() {
    let (a, b) = (folder(), folder());
    for dir in [&a, &b] {
        write(dir.path(), &recording("a", 0, 3.0, 0, 500));
    }
    let bytes = |dir: &Path| std::fs::read(dir.join("shard-000000.tar")).expect("read");
    assert!(bytes(a.path()) == bytes(b.path()));
}

#[test]
fn a_full_disk_is_reported_and_leaves_nothing_half() {
    let dir = folder();
    let mut writer = ShardWriter::open(dir.path(), 100).expect("a folder");
    let clips = recording("a", 0, 20.0, 0, 500);
    writer.append(&clips[0]).expect("written");
    let part = dir.path().join("shard-000001.tar.part");
    std::os::unix::fs::symlink("/dev/full", &part).expect("linked");
    let error = writer.append(&clips[1]).expect_err("full").to_string();
    assert!(
        error.contains("shard-000001.tar") && error.contains("make room"),
        "{error}"
    );
    drop(writer);
    assert_eq!(names(dir.path()), ["shard-000000.tar"]);
    assert_eq!(
        read_shard(&dir.path().join("shard-000000.tar"))
            .expect("whole")
            .len(),
        1
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Wherever a shard is cut, the clips before are there, and only they.
    #[test]
    fn whole_clips_of_a_shard_that_was_cut_off_are_used(cut in 0.0_f64..1.0) {
        let dir = folder();
        let clips: Vec<Clip> = ["a", "b", "c"]
            .iter()
            .map(|name| clip(name, 0, 50_000, &[0, 250 * MS]))
            .collect();
        write(dir.path(), &clips);
        let file = dir.path().join("shard-000000.tar");
        let whole = std::fs::read(&file).expect("read");
        let len = (whole.len() as f64 * cut) as usize;
        std::fs::write(&file, &whole[..len]).expect("written");

        let back = read_shard(&file).map_err(|e| e.to_string());
        let bytes = |clip: &Clip| {
            let json = serde_json::to_vec(&clip.info).expect("json").len();
            let members = [json, clip.sound.len()].into_iter().chain(clip.frames.iter().map(Vec::len));
            members.map(|m| 512 + m.next_multiple_of(512)).collect::<Vec<usize>>()
        };
        let mut fit = 0;
        let mut end = 0;
        for clip in &clips {
            let members = bytes(clip);
            let last = clip.frames.last().expect("one").len();
            let unpadded = end + members.iter().sum::<usize>() - (last.next_multiple_of(512) - last);
            end += members.iter().sum::<usize>();
            fit += usize::from(unpadded <= len);
        }
        match back {
            Ok(back) => {
                prop_assert_eq!(back.len(), fit, "of {} bytes {}", whole.len(), len);
                for clip in back {
                    prop_assert!(clip.frame(1).is_ok() && clip.sound(0, 50_000).is_ok());
                }
            }
            // Not even one header.
            Err(e) => prop_assert!(len < 512, "{len}: {e}"),
        }
    }
}

#[test]
fn what_is_no_shard_of_ours_is_named() {
    let dir = folder();
    let file = dir.path().join("x.tar");

    std::fs::write(&file, vec![b'x'; 4096]).expect("written");
    assert!(error(&file).contains("x.tar: no tar"), "{}", error(&file));

    tar_of(&file, &[("cat.jpg", b"x"), ("cat.txt", b"y")]);
    let foreign = error(&file);
    assert!(
        foreign.contains("x.tar: no clip") && foreign.contains("l3net prepare"),
        "{foreign}"
    );

    tar_of(
        &file,
        &[("cat.json", br#"{"width":3}"#), ("cat.flac", b"y")],
    );
    let foreign = error(&file);
    assert!(
        foreign.contains("x.tar: cat.json: not made by l3net"),
        "{foreign}"
    );

    tar_of(&file, &[("cat.json", b"nonsense"), ("cat.flac", b"y")]);
    let nonsense = error(&file);
    assert!(nonsense.contains("x.tar: cat.json: no JSON"), "{nonsense}");
}

#[test]
fn a_shard_of_another_version_is_named() {
    let dir = folder();
    let file = dir.path().join("x.tar");
    let mut newer = info("a", 0, 48_000);
    newer.format = "l3net-shard/2".to_owned();
    let json = serde_json::to_vec(&newer).expect("json");
    tar_of(&file, &[("k.json", &json), ("k.flac", b"")]);
    let error = error(&file);
    for part in ["x.tar: k.json", "l3net-shard/2", "l3net-shard/1", "prepare"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_member_that_is_missing_or_damaged_is_named() {
    let dir = folder();
    let file = dir.path().join("x.tar");
    let clip = clip("a", 0, 50_000, &[0, 250 * MS]);
    let json = serde_json::to_vec(&clip.info).expect("json");
    let key = clip.info.key();
    let name = |end: &str| format!("{key}.{end}");
    tar_of(
        &file,
        &[
            (&name("json"), &json),
            (&name("flac"), &clip.sound),
            (&name("0000.jpg"), &clip.frames[0]),
        ],
    );
    let missing = error(&file);
    assert!(missing.contains(&name("0001.jpg: missing")), "{missing}");

    tar_of(
        &file,
        &[
            (&name("json"), &json),
            (&name("flac"), &clip.sound[..clip.sound.len() / 2]),
            (&name("0000.jpg"), &clip.frames[0]),
            (&name("0001.jpg"), b"\xff\xd8\xff no picture"),
        ],
    );
    let back = read_shard(&file).expect("all members are there");
    let error = |e: CorpusError| e.to_string();
    let picture = back[0].frame(1).map_err(error).expect_err("damaged");
    assert!(
        picture.contains("x.tar") && picture.contains(&name("0001.jpg: damaged")),
        "{picture}"
    );
    let sound = back[0]
        .sound(0, 50_000)
        .map_err(error)
        .expect_err("damaged");
    assert!(
        sound.contains("x.tar") && sound.contains(&name("flac: damaged")),
        "{sound}"
    );
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let dir = folder();
    let file = dir.path().join("x.tar");
    let mut late = info("a", 0, 48_000);
    late.frame_times_ns = vec![1_000 * MS];
    for (info, defect) in [
        (late, "outside its sound"),
        // Numbers that would fill the memory, or run over.
        (info("a", 0, 1_000_000_000_000), "1000000000000 samples"),
        (info("a", 0, 1 << 62), "samples long"),
        (
            info("a", u64::MAX, 48_000),
            "begins at sample 18446744073709551615",
        ),
        (info("a", 1 << 63, 48_000), "begins at sample"),
    ] {
        let json = serde_json::to_vec(&info).expect("json");
        tar_of(&file, &[("k.json", &json), ("k.flac", b"")]);
        let error = error(&file);
        assert!(
            error.contains("x.tar: k.json") && error.contains(defect),
            "{error}"
        );
    }
}

#[test]
fn shards_that_other_tools_packed_again_are_read() {
    let dir = folder();
    let file = dir.path().join("x.tar");
    let clip = clip("a", 0, 50_000, &[0]);
    let json = serde_json::to_vec(&clip.info).expect("json");
    // Another order, in a folder, with a name that needs an extended header.
    let key = format!("./{}/{}", "deep/".repeat(30), clip.info.key());
    tar_of(
        &file,
        &[
            (&format!("{key}.0000.jpg"), &clip.frames[0]),
            (&format!("{key}.flac"), &clip.sound),
            (&format!("{key}.json"), &json),
        ],
    );
    let back = read_shard(&file).expect("a shard");
    assert_eq!(back[0].info, clip.info);
    assert!(back[0].frame(0).is_ok() && back[0].sound(0, 50_000).is_ok());
}

/// A shard that an earlier program wrote, and what Python reads in it.
#[test]
fn shards_of_this_format_stay_readable() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let expected = std::fs::read(data.join("expected_shard_v1.json")).expect("read");
    let expected: serde_json::Value = serde_json::from_slice(&expected).expect("json");
    let clips = read_shard(&data.join("shard_v1.tar")).expect("a shard");
    assert_eq!(clips.len(), 1);
    let clip = &clips[0];
    let told = &expected[clip.info.key()];
    let info: ClipInfo = serde_json::from_value(told["info"].clone()).expect("a clip");
    assert_eq!(clip.info, info);

    let pcm = clip.sound(0, info.samples).expect("sound");
    let power: f64 = pcm.iter().map(|&v| f64::from(v).powi(2)).sum();
    let level = 10.0 * (power / pcm.len() as f64).log10();
    let expected = told["rms_dbfs"].as_f64().expect("a number");
    assert!((level - expected).abs() < 0.01, "{level} dBFS");

    for (i, frame) in told["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .enumerate()
    {
        let picture = clip.frame(i).expect("a frame");
        let size = serde_json::json!([picture.width, picture.height]);
        assert_eq!(size, frame["size"]);
        for (channel, expected) in frame["mean_rgb"]
            .as_array()
            .expect("three")
            .iter()
            .enumerate()
        {
            let values = picture.rgb.iter().skip(channel).step_by(3);
            let sum: f64 = values.map(|&v| f64::from(v)).sum();
            let mean = sum / f64::from(picture.width * picture.height);
            let expected = expected.as_f64().expect("a number");
            // Decoders of JPEG round colours each in their own way.
            assert!((mean - expected).abs() < 1.0, "{mean}, not {expected}");
        }
    }
}

#[test]
fn a_folder_is_of_shards_by_their_names_or_by_nothing_else_in_it() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    assert!(!holds_shards(folder.path()));
    // What somebody packed and named, and what a tar was unpacked into.
    std::fs::write(at("mine.tar"), "").expect("written");
    assert!(holds_shards(folder.path()) && holds_shards(&at("mine.tar")));
    std::fs::create_dir(at("mine")).expect("made");
    assert!(!holds_shards(folder.path()));
    // A model that was trained on them lies among them, with its folder of curves.
    std::fs::write(at("shard-000000.tar"), "").expect("written");
    assert!(holds_shards(folder.path()));
}

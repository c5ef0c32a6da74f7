//! OpenL3's weights and command line, held against what its own code answers
//! (`tests/oracle/openl3.py`), and a fusion that is learnt on its trunks.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use l3net::corpus::read_sound_as_it_is;
use l3net::features::LogSpectrogram;
use l3net::openl3::{InputRepr, Windows, resample};

use crate::common::{Arrays, Done, batch_with, data, only, run, shared, skipped, streams_in};

/// The mean error that an embedding may have, whose values are around 1.
const TOLERANCE: f32 = 1e-4;

/// More arguments of a command.
type More = &'static [&'static str];

fn fixture(name: &str) -> PathBuf {
    data("openl3").join(name)
}

/// `l3net model import FILES -o OUT`.
fn import(files: &[&Path], out: &Path, more: &[&str]) -> Done {
    let mut args = vec!["model".into(), "import".into()];
    args.extend(files.iter().map(|file| file.as_os_str().to_owned()));
    args.extend(["-o".into(), out.as_os_str().to_owned()]);
    args.extend(more.iter().map(Into::into));
    run(args)
}

/// A model with OpenL3's trunks for mel256, of random weights.
fn both_trunks(folder: &Path) -> PathBuf {
    let model = folder.join("openl3-env-mel256.safetensors");
    let files = ["audio", "image"].map(|what| fixture(&format!("openl3_{what}_mel256_env.h5.gz")));
    let done = import(&[&files[0], &files[1]], &model, &[]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("next: l3net adapt"), "{}", done.out);
    model
}

/// `l3net embed --openl3 KIND INPUTS -o FOLDER --model MODEL`.
fn embed(kind: &str, inputs: &[&Path], folder: &Path, model: &Path, more: &[&str]) -> Done {
    let mut args: Vec<std::ffi::OsString> = vec!["embed".into(), "--openl3".into(), kind.into()];
    args.extend(inputs.iter().map(|input| input.as_os_str().to_owned()));
    args.extend(["-o".into(), folder.as_os_str().to_owned()]);
    args.extend(["--model".into(), model.as_os_str().to_owned()]);
    args.extend(more.iter().map(Into::into));
    run(args)
}

/// Rows that differ by little in the mean, and nowhere by much.
#[track_caller]
fn assert_near(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_within(TOLERANCE, found, expected, what);
}

#[track_caller]
fn assert_within(tolerance: f32, found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}");
        let off: Vec<f32> = (found.iter().zip(expected))
            .map(|(a, b)| (a - b).abs())
            .collect();
        let mean = off.iter().sum::<f32>() / off.len() as f32;
        let most = off.iter().copied().fold(0.0, f32::max);
        assert!(mean < tolerance, "{what}, row {row}: {mean} in the mean");
        assert!(most < 100.0 * tolerance, "{what}, row {row}: {most}");
    }
}

#[test]
fn sounds_have_the_embeddings_that_openl3_answers() {
    let dir = tempfile::tempdir().expect("a folder");
    let expected = Arrays::read(&fixture("expected.npz"));
    for kind in ["linear", "mel128", "mel256"] {
        let model = dir.path().join(format!("{kind}.safetensors"));
        let file = fixture(&format!("openl3_audio_{kind}_env.h5.gz"));
        let done = import(&[&file], &model, &[]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        for size in ["512", "6144"] {
            let sound = fixture("sound.wav");
            let more = ["-i", kind, "-as", size, "-x", size];
            let done = embed("audio", &[&sound], &dir.path().join(kind), &model, &more);
            assert_eq!(done.code, Some(0), "{}", done.err);
            let found = Arrays::read(&dir.path().join(kind).join(format!("sound_{size}.npz")));
            let mut rows = found.matrix("embedding");
            // Of the large ones two rows are kept.
            if size == "6144" {
                rows = rows[4..6].to_vec();
            }
            let name = format!("audio_{kind}_{size}");
            assert_near(&rows, &expected.matrix(&name), &name);
            let times: Vec<f64> = found.values("timestamps");
            assert_eq!(times, expected.values::<f64>("timestamps"));
        }
    }
    for kind in ["linear", "mel128", "mel256"] {
        let model = dir.path().join(format!("{kind}.safetensors"));
        let more = [
            "-i", kind, "-as", "512", "-t", "0.5", "-af", "librosa", "-x", kind,
        ];
        let done = embed("audio", &[&fixture("sound.wav")], dir.path(), &model, &more);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let found = Arrays::read(&dir.path().join(format!("sound_{kind}.npz")));
        let name = format!("librosa_{kind}_0.5");
        // OpenL3 hands librosa samples in double precision, of which the quiet bins tell.
        let (found, expected) = (found.matrix("embedding"), expected.matrix(&name));
        assert_within(1e-2, &found, &expected, &name);
    }
    let model = dir.path().join("mel256.safetensors");
    let more = "--no-centering --hop-size 0.3 --embedding-size 512 -x bare".split(' ');
    let more: Vec<&str> = more.collect();
    let done = embed("audio", &[&fixture("sound.wav")], dir.path(), &model, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let found = Arrays::read(&dir.path().join("sound_bare.npz"));
    let expected = expected.matrix("uncentred_0.3");
    assert_near(&found.matrix("embedding"), &expected, "not centred");
}

/// Every value, but for the last digit of a logarithm: the quiet ones are rounding errors of
/// the transform.
#[test]
fn spectrograms_are_those_of_openl3_down_to_their_rounding_errors() {
    let expected = Arrays::read(&fixture("expected.npz"));
    let (pcm, rate) = read_sound_as_it_is(&fixture("sound.wav")).expect("a sound");
    let pcm = resample(pcm, rate, 48_000);
    let windows = Windows::new(&pcm, true, 0.1).expect("windows");
    let mut window = Vec::new();
    windows.write(3, &mut window);
    for repr in InputRepr::ALL {
        let spec = repr.spec();
        let values = LogSpectrogram::new(spec).of(&window);
        let rows = values.chunks_exact(spec.frames).step_by(5);
        let found: Vec<f32> = rows
            .flat_map(|row| row.iter().copied().step_by(7))
            .collect();
        let expected: Vec<f32> = expected.values(&format!("spectrogram_{}", repr.name()));
        assert_eq!(found.len(), expected.len());
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < 1e-3, "{}, value {i}: {a}, {b}", repr.name());
        }
    }
}

#[test]
fn pictures_have_the_embeddings_that_openl3_answers() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = both_trunks(dir.path());
    let expected = Arrays::read(&fixture("expected.npz"));
    let names = ["cropped", "scaled", "whole"];
    let files = names.map(|name| fixture(&format!("{name}.png")));
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    for size in ["512", "8192"] {
        let done = embed("image", &files, dir.path(), &model, &["-is", size, "-ow"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        for name in names {
            let found = Arrays::read(&dir.path().join(format!("{name}.npz")));
            assert_eq!(found.names(), ["embedding"]);
            let key = format!("image_{name}_{size}");
            assert_near(&found.matrix("embedding"), &expected.matrix(&key), &key);
        }
    }
    // In the range that the network was trained on, only the whole one is the same.
    let more = ["-is", "512", "--picture-range", "trained", "-ow"];
    let done = embed("image", &files, dir.path(), &model, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let off = |name: &str| {
        let found = Arrays::read(&dir.path().join(format!("{name}.npz")));
        let expected = expected.matrix(&format!("image_{name}_512"));
        let (a, b) = (&found.matrix("embedding")[0], &expected[0]);
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / 512.0
    };
    assert!(off("whole") < TOLERANCE);
    assert!(off("cropped") > 0.01 && off("scaled") > 0.01);
}

/// The same with kernels that are full, where they are at hand.
#[test]
fn full_weights_have_the_embeddings_that_openl3_answers() {
    let Some(folder) = shared("openl3") else {
        return skipped("full weights", "no ../shared/openl3 here");
    };
    let dir = tempfile::tempdir().expect("a folder");
    for kind in ["linear", "mel128", "mel256"] {
        let model = dir.path().join(format!("{kind}.safetensors"));
        let file = folder.join(format!("openl3_audio_{kind}_env.h5.gz"));
        let done = import(&[&file], &model, &[]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let expected = Arrays::read(&folder.join(format!("expected_audio_{kind}.npz")));
        let samples: Vec<f64> = expected.values("samples");
        let rate: Vec<u32> = expected.values("sr");
        let sound = dir.path().join("a.wav");
        fs::write(&sound, crate::common::float_wav(rate[0], 1, 32, &samples)).expect("written");
        let done = embed("audio", &[&sound], dir.path(), &model, &["-ow"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let found = Arrays::read(&dir.path().join("a.npz"));
        let expected = expected.matrix("embedding_6144");
        assert_near(&found.matrix("embedding"), &expected, kind);
    }
}

#[test]
fn files_are_named_skipped_and_replaced_as_by_openl3() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = both_trunks(dir.path());
    let sounds = dir.path().join("in");
    fs::create_dir(&sounds).expect("made");
    for name in ["a.wav", "b.wav"] {
        fs::write(sounds.join(name), crate::common::tone(8_000, 1, 440.0, 0.3)).expect("written");
    }
    fs::write(sounds.join("notes.txt"), "no sound").expect("written");
    let quick = ["--hop-size", "1", "--embedding-size", "512"];
    // What is no sound fails alone, in one line.
    let beside = |more: &[&str]| {
        let mut args = vec!["embed", "--openl3", "audio"];
        args.extend([
            sounds.to_str().expect("text"),
            "--model",
            model.to_str().expect("text"),
        ]);
        args.extend(quick);
        args.extend(more);
        run(args)
    };
    let done = beside(&[]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("notes.txt: "), "{}", done.err);
    assert_eq!(
        Arrays::read(&sounds.join("a.npz")).shape("embedding"),
        [2, 512]
    );
    fs::remove_file(sounds.join("notes.txt")).expect("removed");

    // The same again: the output lies among the inputs now, and is there already.
    let first = fs::read(sounds.join("a.npz")).expect("there");
    fs::write(sounds.join("b.npz"), "somebody's").expect("written");
    let done = beside(&[]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    for name in ["a.npz", "b.npz"] {
        let said = format!("{name}: is there already, skipped");
        assert!(done.err.contains(&said), "{}", done.err);
    }
    assert_eq!(
        fs::read(sounds.join("b.npz")).expect("there"),
        b"somebody's"
    );
    let done = beside(&["-ow", "-q"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(fs::read(sounds.join("a.npz")).expect("there"), first);
    assert!(
        fs::read(sounds.join("b.npz"))
            .expect("there")
            .starts_with(b"PK")
    );
    // Two inputs of one name: the second is named, the first written.
    fs::copy(sounds.join("a.wav"), sounds.join("a.wave")).expect("copied");
    let done = beside(&["-ow"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("a.wave: "), "{}", done.err);
    assert!(done.err.contains("a.npz is that of"), "{}", done.err);
    assert_eq!(fs::read(sounds.join("a.npz")).expect("there"), first);
}

#[test]
fn of_a_video_sound_and_frames_are_embedded_or_both_on_one_grid() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = both_trunks(dir.path());
    // 2 s at 1 frame a second.
    let clip = data("made/one_frame_a_second.mp4");
    let quick = ["--hop-size", "0.5", "--embedding-size", "512"];
    let read =
        |what: &str| Arrays::read(&dir.path().join(format!("one_frame_a_second_{what}.npz")));
    let done = embed("video", &[&clip], dir.path(), &model, &quick);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (sound, image) = (read("audio"), read("image"));
    let times: Vec<f64> = image.values("timestamps");
    assert_eq!(image.shape("embedding"), [times.len(), 512]);
    let steps: Vec<f64> = times.windows(2).map(|t| t[1] - t[0]).collect();
    assert!(
        steps.iter().all(|step| (step - 1.0).abs() < 1e-6),
        "{times:?}"
    );
    let all = image.matrix("embedding");

    let more = [&quick[..], &["--align", "--suffix", "grid"]].concat();
    let done = embed("video", &[&clip], dir.path(), &model, &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (same, aligned) = (read("audio_grid"), read("image_grid"));
    assert_eq!(same.matrix("embedding"), sound.matrix("embedding"));
    assert_eq!(
        aligned.values::<f64>("timestamps"),
        sound.values::<f64>("timestamps")
    );
    // The frame that is shown at each time.
    let rows = aligned.matrix("embedding");
    for (row, time) in rows.iter().zip(sound.values::<f64>("timestamps")) {
        let shown = times.iter().rposition(|at| *at <= time).unwrap_or(0);
        let expected = std::slice::from_ref(&all[shown]);
        assert_near(std::slice::from_ref(row), expected, &format!("at {time}"));
    }
}

#[test]
fn what_cannot_be_embedded_is_said_with_the_next_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = both_trunks(dir.path());
    let audio = dir.path().join("audio.safetensors");
    import(&[&fixture("openl3_audio_mel256_env.h5.gz")], &audio, &[]);
    let small = dir.path().join("small.png");
    image::RgbImage::new(100, 300)
        .save(&small)
        .expect("written");
    let (sound, none) = (fixture("sound.wav"), dir.path().join("none.wav"));
    let silent = data("odd/video_rotation_90.mp4");
    let table: [(&str, &Path, &Path, More, i32, &str); 8] = [
        (
            "audio",
            &none,
            &model,
            &[],
            2,
            "none.wav: there is no such file",
        ),
        (
            "audio",
            &sound,
            &model,
            &["-t", "0"],
            2,
            "--audio-hop-size 0: not a number",
        ),
        (
            "audio",
            &sound,
            &dir.path().join("x.safetensors"),
            &[],
            1,
            "x.safetensors: cannot read",
        ),
        (
            "image",
            &small,
            &model,
            &[],
            1,
            "is 100 × 300; OpenL3 takes pictures of 224 × 224",
        ),
        ("image", &sound, &model, &[], 1, "sound.wav: not a picture"),
        (
            "image",
            &fixture("whole.png"),
            &audio,
            &[],
            1,
            "has no vision trunk, only audio",
        ),
        (
            "video",
            &sound,
            &model,
            &["-t", "1", "--embedding-size", "512"],
            1,
            "no picture",
        ),
        (
            "video",
            &silent,
            &model,
            &["--embedding-size", "512"],
            1,
            "no sound",
        ),
    ];
    for (kind, input, model, more, code, expected) in table {
        let done = embed(kind, &[input], &dir.path().join("out"), model, more);
        assert_eq!(done.code, Some(code), "{expected}: {}", done.err);
        assert!(done.err.contains(expected), "{expected}: {}", done.err);
    }
    // What there was of each video is written.
    assert!(dir.path().join("out/sound_audio.npz").exists());
    assert!(dir.path().join("out/video_rotation_90_image.npz").exists());
    // Without a model, the one that is missing is named, with the command that makes it.
    let sound = sound.to_str().expect("text");
    let done = run([
        "embed", "--openl3", "audio", sound, "-c", "music", "-i", "linear",
    ]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(
        done.err
            .contains("l3net model import openl3_audio_linear_music.h5"),
        "{}",
        done.err
    );
    // What was asked for and what the model is for differ.
    let shipped = crate::common::repo().join("models/l3net-base.safetensors");
    let table: [(&Path, More, &str); 3] = [
        (&shipped, &[], "has not OpenL3's trunks"),
        (
            &model,
            &["-i", "linear"],
            "is for openl3-mel256, not for --input-repr linear",
        ),
        (
            &model,
            &["-c", "music"],
            "was trained on env, not --content-type music",
        ),
    ];
    for (model, more, expected) in table {
        let done = embed("audio", &[Path::new(sound)], dir.path(), model, more);
        assert_eq!(done.code, Some(2), "{expected}: {}", done.err);
        assert!(done.err.contains(expected), "{expected}: {}", done.err);
    }
}

#[test]
fn what_is_no_trunk_of_openl3_is_refused_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let audio = fixture("openl3_audio_mel256_env.h5.gz");
    let image = fixture("openl3_image_mel256_env.h5.gz");
    let linear = fixture("openl3_audio_linear_env.h5.gz");
    let packed = fs::read(&audio).expect("there");
    let put = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        fs::write(&file, bytes).expect("written");
        file
    };
    let cut = put("openl3_audio_mel256_env.h5.gz", &packed[..packed.len() / 2]);
    let text = put("openl3_audio_mel256_music.h5", b"not HDF5");
    let unnamed = put("weights.h5.gz", &packed);
    let lies = put("openl3_image_mel256_env.h5.gz", &packed);
    let other_kind = put("openl3_audio_linear_music.h5.gz", &packed);
    let model = crate::common::repo().join("models/l3net-random.safetensors");
    let music = put(
        "openl3_image_mel256_music.h5.gz",
        &fs::read(&image).expect("there"),
    );
    let none = dir.path().join("none.h5");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut plain)
        .expect("gzip");
    let half = put("openl3_audio_mel256_env.h5", &plain[..plain.len() / 2]);
    let [other, double, lacking] =
        ["other_model.h5", "double.h5", "names_what_is_not_there.h5"].map(fixture);
    let table: [(&[&Path], More, &str); 17] = [
        (&[&none], &[], "none.h5: cannot read it"),
        (&[&cut], &[], "cannot be unpacked"),
        (&[&text], &[], "not an HDF5 file"),
        (&[&model], &[], "not an HDF5 file"),
        (&[&unnamed], &[], "say it: --input-repr"),
        (
            &[&audio],
            &["--input-repr", "linear"],
            "its name says mel256, --input-repr linear",
        ),
        (
            &[&lies],
            &[],
            "its name says another trunk than it holds: the audio one",
        ),
        (
            &[&other_kind],
            &[],
            "holds an audio trunk for mel128 or mel256, not linear",
        ),
        (&[&audio, &audio], &[], "is a second audio trunk"),
        (
            &[&linear, &image],
            &[],
            "was not trained together with openl3_audio_linear_env",
        ),
        (&[&audio, &music], &[], "(mel256 music and mel256 env)"),
        (
            &[&audio],
            &["--content-type", "music"],
            "its name says env, --content-type music",
        ),
        (&[&half], &[], "the HDF5 in it is damaged"),
        (
            &[&other],
            &["--input-repr", "mel256"],
            "is not the batch norm of sounds",
        ),
        (
            &[&double],
            &["--input-repr", "mel256"],
            "kernel:0 of its layer conv2d is not in single",
        ),
        (
            &[&lacking],
            &["--input-repr", "mel256"],
            "which is not in it",
        ),
        (&[], &[], "required"),
    ];
    let out = dir.path().join("out.safetensors");
    for (files, more, expected) in table {
        let done = import(files, &out, more);
        assert_ne!(done.code, Some(0), "{expected}");
        assert!(done.err.contains(expected), "{expected}: {}", done.err);
        assert!(!out.exists(), "{expected}");
    }
    let done = import(&[&unnamed], &out, &["--input-repr", "mel256"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let done = import(&[&audio], &out, &[]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("--force replaces it"), "{}", done.err);
}

#[test]
fn one_trunk_has_its_own_features_and_judges_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("audio.safetensors");
    import(&[&fixture("openl3_audio_mel256_env.h5.gz")], &model, &[]);
    let clip = data("clips/bento.mp4");
    let clip = clip.to_str().expect("text");
    let model = model.to_str().expect("text");
    let out = dir.path().join("features.npz");
    let out = out.to_str().expect("text");
    let done = run([
        "embed",
        clip,
        "-o",
        out,
        "--model",
        model,
        "--precision",
        "f32",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let found = Arrays::read(Path::new(out));
    assert!(found.names().contains(&"audio_6144"));
    assert!(!found.names().contains(&"vision_512"));
    let results = dir.path().join("results.jsonl");
    let results = results.to_str().expect("text");
    let new = dir.path().join("new.safetensors");
    let new = new.to_str().expect("text");
    let table: [&[&str]; 5] = [
        &[
            "embed",
            clip,
            "-o",
            "x.npz",
            "--only",
            "vision_512",
            "--model",
            model,
        ],
        &["batch", clip, "-o", results, "--model", model],
        &["live", clip, "--model", model],
        &["adapt", clip, clip, "-o", new, "--model", model],
        &[
            "train", "synth:", "-o", new, "--init", model, "--freeze", "trunks",
        ],
    ];
    for args in table {
        let done = run(args);
        assert_eq!(done.code, Some(1), "{args:?}: {}", done.err);
        let expected = "audio.safetensors: has no vision trunk, only audio";
        assert!(done.err.contains(expected), "{args:?}: {}", done.err);
    }
}

#[test]
fn a_fusion_is_learnt_on_openl3s_trunks_and_the_program_judges_by_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let base = both_trunks(dir.path());
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let clip = data("clips/bento.mp4");
    // Nothing is on top yet.
    let results = dir.path().join("results.jsonl");
    let with = |model: &Path, out: &Path| {
        let model = text(model);
        batch_with(
            &[&clip],
            out,
            &["--model", &model, "--crop", "center", "--precision", "f32"],
        )
    };
    let done = with(&base, &results);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("l3net adapt --model"), "{}", done.err);
    // The trunks stay as they are.
    let head = dir.path().join("head.safetensors");
    let train = |more: &[&str]| {
        let mut args = vec!["train", "synth:", "--batch", "8"];
        let (head, base) = (text(&head), text(&base));
        args.extend(["--validation-pairs", "8", "--validate-every", "6"]);
        args.extend(["--precision", "f32", "-o", &head, "--init", &base]);
        args.extend(more);
        run(args)
    };
    let done = train(&[]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("add --freeze trunks"), "{}", done.err);
    let frozen = ["--freeze", "trunks", "--pool", "16"];
    let done = train(&[&frozen[..], &["--steps", "6"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let done = train(&[&frozen[..], &["--steps", "12", "--resume"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let [before, after] =
        [&base, &head].map(|model| l3net::net::Weights::read(model).expect("a model"));
    assert!(after.has_trunks_of(&before) && before.check_judges().is_err());
    for key in ["licence", "source", "imported_from"] {
        assert_eq!(after.metadata()[key], before.metadata()[key], "{key}");
    }
    let done = with(&head, &results);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let moments = only(streams_in(&results)).moments;
    let heatmap = &moments[0].heatmap;
    assert_eq!((heatmap.rows, heatmap.cols), (28, 28));
    let sound = &moments[0].sound_heatmap;
    assert_eq!((sound.rows, sound.cols), (32, 24));

    // The same trunks know cameras after `adapt`.
    let cameras = dir.path().join("cameras.safetensors");
    let clips = ["friday.mp4", "movie_5.mp4"].map(|name| text(&data("clips").join(name)));
    let (base, cameras) = (text(&base), text(&cameras));
    let args = [
        "adapt", &clips[0], &clips[1], "-o", &cameras, "--model", &base,
    ];
    let more = [
        "--crop",
        "center",
        "--precision",
        "f32",
        "--steps",
        "60",
        "--force",
    ];
    let done = run(args.into_iter().chain(more));
    assert_eq!(done.code, Some(0), "{}", done.err);
    let model = l3net::net::Weights::read(Path::new(&cameras)).expect("a model");
    assert_eq!(model.cameras().len(), 2);
    assert_eq!(model.metadata()["licence"], before.metadata()["licence"]);
}

//! Sound that is not what it should be: samples that are NaN, infinite or absurdly loud,
//! and constant offsets, through every command that hears sound from outside.

use std::path::{Path, PathBuf};

use crate::common::{StreamRecords, batch, float_wav, run, streams_in};
use tempfile::TempDir;

const SECONDS: usize = 4;
/// The second that is damaged.
const DAMAGED: usize = 2;
/// Of a sine of amplitude 0.3.
const TONE_DBFS: f32 = -13.468;

/// A source with this sound and a test picture, as a description in a file.
struct Sound {
    name: &'static str,
    rate: u32,
    channels: u16,
    bits: u16,
    /// The sample of a channel, by its number.
    at: fn(u32, usize, u16) -> f64,
}

fn tone(rate: u32, i: usize) -> f64 {
    0.3 * (std::f64::consts::TAU * 440.0 * i as f64 / f64::from(rate)).sin()
}

/// In the middle of the damaged second.
fn is_middle(rate: u32, i: usize) -> bool {
    i == rate as usize * DAMAGED + rate as usize / 2
}

const CLEAN: Sound = Sound {
    name: "clean",
    rate: 48_000,
    channels: 1,
    bits: 32,
    at: |rate, i, _| tone(rate, i),
};
const NAN: Sound = Sound {
    name: "nan",
    at: |rate, i, _| {
        if is_middle(rate, i) {
            f64::NAN
        } else {
            tone(rate, i)
        }
    },
    ..CLEAN
};
/// In one of two channels, and of another rate: mixed and resampled before it is heard.
const INFINITE: Sound = Sound {
    name: "infinite",
    rate: 44_100,
    channels: 2,
    bits: 64,
    at: |rate, i, channel| match is_middle(rate, i) && channel == 1 {
        true => f64::NEG_INFINITY,
        false => tone(rate, i),
    },
};
const LOUD: Sound = Sound {
    name: "loud",
    rate: 8_000,
    at: |rate, i, _| {
        if is_middle(rate, i) {
            1e30
        } else {
            tone(rate, i)
        }
    },
    ..CLEAN
};
/// A whole second.
const NOTHING: Sound = Sound {
    name: "nothing",
    at: |rate, i, _| match i / rate as usize == DAMAGED {
        true => f64::NAN,
        false => tone(rate, i),
    },
    ..CLEAN
};
const OFFSET: Sound = Sound {
    name: "offset",
    rate: 44_100,
    at: |_, _, _| 0.02,
    ..CLEAN
};
const OFFSET_TONE: Sound = Sound {
    name: "offset_tone",
    at: |rate, i, _| tone(rate, i) - 0.3,
    ..CLEAN
};

fn source(folder: &Path, sound: &Sound) -> PathBuf {
    let frames = SECONDS * sound.rate as usize;
    let samples = (0..frames)
        .flat_map(|i| (0..sound.channels).map(move |channel| (sound.at)(sound.rate, i, channel)));
    let samples: Vec<f64> = samples.collect();
    let wav = folder.join(format!("{}.wav", sound.name));
    let bytes = float_wav(sound.rate, sound.channels, sound.bits, &samples);
    std::fs::write(&wav, bytes).expect("written");
    let launch = folder.join(format!("{}.launch", sound.name));
    let text = format!(
        "filesrc location={} ! wavparse ! audio.\n\
         videotestsrc num-buffers={} ! video/x-raw,width=64,height=64,framerate=5/1 ! video.\n",
        wav.display(),
        5 * SECONDS
    );
    std::fs::write(&launch, text).expect("written");
    launch
}

fn sources(sounds: &[Sound]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sounds.iter().map(|sound| source(folder.path(), sound));
    let sources = sources.collect();
    (folder, sources)
}

#[test]
fn damage_is_reported_and_harms_only_its_own_second() {
    let (folder, sources) = sources(&[CLEAN, NAN, INFINITE, LOUD, NOTHING, OFFSET, OFFSET_TONE]);
    let out = folder.path().join("out.jsonl");
    let paths: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    let done = batch(&paths, &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let lines = std::fs::read_to_string(&out).expect("there");
    assert!(!lines.contains("\"rms_dbfs\":null"), "{lines}");
    let streams = streams_in(&out);
    let records_of = |sound: &Sound| -> &StreamRecords {
        let records = &streams[sound.name];
        assert_eq!(records.moments.len(), SECONDS, "{}", sound.name);
        assert!(
            records.gaps.is_empty() && records.errors.is_empty(),
            "{records:?}"
        );
        records
    };
    let clean = records_of(&CLEAN);
    for (sound, level_of_damaged) in [
        (&NAN, TONE_DBFS),
        (&INFINITE, TONE_DBFS),
        // 8 ms of a resampler's ringing at the limit of 8.
        (&LOUD, -0.0),
        (&NOTHING, -120.0),
    ] {
        for (second, (moment, like)) in records_of(sound)
            .moments
            .iter()
            .zip(&clean.moments)
            .enumerate()
        {
            let case = format!("{}, second {second}: {moment:?}", sound.name);
            let audio = moment.audio;
            let damaged = second == DAMAGED;
            let is_reported = audio.invalid_samples + audio.clipped_samples > 0;
            assert_eq!(is_reported, damaged, "{case}");
            assert!(audio.dc_offset.is_none() || damaged, "{case}");
            let (level, tolerance) = match damaged {
                true if sound.name == "loud" => (level_of_damaged, 5.0),
                true => (level_of_damaged, 0.1),
                false => (TONE_DBFS, 0.05),
            };
            assert!((audio.rms_dbfs - level).abs() < tolerance, "{case}");
            assert_eq!(audio.silent, level < -70.0, "{case}");
            assert!(moment.correspondence.is_finite(), "{case}");
            if !damaged && sound.rate == CLEAN.rate {
                let off = (moment.correspondence - like.correspondence).abs();
                assert!(off < 1e-3, "{case}");
            }
        }
        let warning = format!("WARN {}: damaged sound", sound.name);
        let warnings = done.err.matches(&warning).count();
        assert_eq!(warnings, 1, "{}", done.err);
    }
    let invalid = |sound| records_of(sound).moments[DAMAGED].audio.invalid_samples;
    assert_eq!((invalid(&NAN), invalid(&NOTHING)), (1, 48_000));
    for moment in &clean.moments {
        assert!(
            (moment.audio.rms_dbfs - TONE_DBFS).abs() < 0.01,
            "{moment:?}"
        );
        assert_eq!(moment.audio.dc_offset, None);
    }
    for (sound, offset, level) in [(&OFFSET, 0.02, -120.0), (&OFFSET_TONE, -0.3, TONE_DBFS)] {
        // A resampler swings up to an offset that begins with the file.
        for moment in &records_of(sound).moments[1..3] {
            let audio = moment.audio;
            let found = audio.dc_offset.expect("it is large");
            assert!((found - offset).abs() < 1e-3, "{}: {audio:?}", sound.name);
            assert_eq!(audio.silent, level < -70.0, "{}: {audio:?}", sound.name);
            let off = audio.rms_dbfs - level;
            assert!(
                audio.silent || off.abs() < 0.05,
                "{}: {audio:?}",
                sound.name
            );
        }
    }
}

#[test]
fn prepare_and_embed_count_what_they_clean() {
    let (folder, sources) = sources(&[NAN, CLEAN]);
    let shards = folder.path().join("shards");
    let mut prepare = vec!["prepare".into()];
    prepare.extend(sources.iter().map(|s| s.as_os_str().to_owned()));
    prepare.extend(["-o".into(), shards.as_os_str().to_owned()]);
    let done = run(&prepare);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let warning = "  nan: damaged sound: 1 NaN or infinite sample (made silent)";
    assert!(done.err.contains(warning), "{}", done.err);
    assert_eq!(done.err.matches("damaged").count(), 1, "{}", done.err);

    let mut embed = vec!["embed".into()];
    embed.extend(sources.iter().map(|s| s.as_os_str().to_owned()));
    embed.extend(["-o".into(), folder.path().join("out.npz").into_os_string()]);
    embed.extend(["--only".into(), "audio_512".into()]);
    let done = run(&embed);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let warning = "\ndamaged sound: 1 NaN or infinite sample (made silent)";
    assert!(done.err.contains(warning), "{}", done.err);
}

//! Sound files as the network hears sound: mono, 48 kHz.
//!
//! Belongs here: decoding without GStreamer, for folders of sounds and for
//! shards on machines that have none. Does not: what is cut out of them.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::TrackType;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::{MediaSource, MediaSourceStream};

use super::error::CorpusError;
use crate::features::{Damage, clean};
use crate::time::SAMPLE_RATE;

/// Sample rates that sounds have. With a damaged one the resampler would take all of
/// the memory: 4.4 GB at 40 MHz.
const RATES: RangeInclusive<u32> = 1_000..=768_000;

/// What [`read_sound`] reads, by the end of the file's name.
pub const SOUND_EXTENSIONS: [&str; 6] = ["flac", "mp3", "oga", "ogg", "wav", "wave"];

/// All of a sound file: mono (the mean of its channels), 48 000 Hz, f32 in
/// `[-1, 1]`. WAV, FLAC, Ogg Vorbis and MP3.
///
/// Damaged samples are made harmless ([`clean`]), counted and reported once for each
/// file; a file of which more than half is NaN or infinite is refused.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn read_sound(file: &Path) -> Result<Vec<f32>, CorpusError> {
    let (pcm, rate) = read_sound_as_it_is(file)?;
    resampled(pcm, rate).map_err(|what| not_a_sound(file, &what))
}

/// The same at the file's own sample rate, which is returned too.
///
/// # Errors
/// As [`read_sound`].
pub fn read_sound_as_it_is(file: &Path) -> Result<(Vec<f32>, u32), CorpusError> {
    let opened = std::fs::File::open(file).map_err(|e| CorpusError::file(file, e))?;
    read(Box::new(opened), file)
}

/// The same of a file that is already in memory; `name` tells its kind and is
/// its name in errors.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn read_sound_bytes(bytes: Vec<u8>, name: &Path) -> Result<Vec<f32>, CorpusError> {
    let (pcm, rate) = read(Box::new(Cursor::new(bytes)), name)?;
    resampled(pcm, rate).map_err(|what| not_a_sound(name, &what))
}

fn not_a_sound(file: &Path, what: &str) -> CorpusError {
    CorpusError::file(file, format!("not a sound: {what}"))
}

/// Mono, and its sample rate.
fn read(source: Box<dyn MediaSource>, file: &Path) -> Result<(Vec<f32>, u32), CorpusError> {
    let refuse = |what: String| not_a_sound(file, &what);
    let mut hint = Hint::new();
    if let Some(extension) = file.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source, Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, Default::default(), Default::default())
        .map_err(|e| refuse(e.to_string()))?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| refuse("it has no sound track".to_owned()))?;
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio());
    let parameters = parameters.ok_or_else(|| refuse("an unknown codec".to_owned()))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|e| refuse(e.to_string()))?;
    let (mut mono, mut block, mut rate) = (Vec::new(), Vec::new(), None);
    let (mut damage, mut samples) = (Damage::default(), 0);
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => packet,
            Ok(Some(_)) => continue,
            // A file that was cut off ends where it was cut.
            Ok(None) | Err(Error::IoError(_) | Error::ResetRequired) => break,
            Err(e) => return Err(refuse(e.to_string())),
        };
        match decoder.decode(&packet) {
            Ok(decoded) => {
                rate = Some(decoded.spec().rate());
                let channels = decoded.spec().channels().count().max(1);
                decoded.copy_to_vec_interleaved::<f32>(&mut block);
                // Before channels are mixed and resampled, which would spread it.
                damage += clean(&mut block);
                samples += block.len() as u64;
                let means = block.chunks_exact(channels);
                mono.extend(means.map(|c| c.iter().sum::<f32>() / channels as f32));
            }
            // One bad packet is a hole in the sound, not its end.
            Err(Error::DecodeError(_) | Error::IoError(_)) => {}
            Err(e) => return Err(refuse(e.to_string())),
        }
    }
    if 2 * damage.invalid > samples {
        let invalid = damage.invalid;
        let what = format!("{invalid} of its {samples} samples are NaN or infinite");
        return Err(refuse(what));
    }
    if !damage.is_none() && is_news(file) {
        tracing::warn!("{}: damaged sound: {damage}", file.display());
    }
    match rate {
        None => Err(refuse("nothing in it can be decoded".to_owned())),
        Some(rate) if RATES.contains(&rate) => Ok((mono, rate)),
        Some(rate) => Err(refuse(format!(
            "its sample rate is {rate} Hz; those of {} to {} Hz are read",
            RATES.start(),
            RATES.end()
        ))),
    }
}

/// Whether damage of this file has not been reported yet: training reads files again.
fn is_news(file: &Path) -> bool {
    static REPORTED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    reported.insert(file.to_owned())
}

fn resampled(pcm: Vec<f32>, rate: u32) -> Result<Vec<f32>, String> {
    if rate == SAMPLE_RATE || pcm.is_empty() {
        return Ok(pcm);
    }
    let mut resampler = Fft::<f32>::new(
        rate as usize,
        SAMPLE_RATE as usize,
        1024,
        1,
        FixedSync::Both,
    )
    .map_err(|e| format!("{rate} Hz: {e}"))?;
    let input = InterleavedSlice::new(&pcm, 1, pcm.len()).map_err(|e| e.to_string())?;
    let output = resampler
        .process_all(&input, pcm.len(), None)
        .map_err(|e| format!("{rate} Hz: {e}"))?;
    let mut output = output.take_data();
    // The resampler works in blocks and may return a sample more.
    let len = pcm.len() as u64 * u64::from(SAMPLE_RATE) / u64::from(rate);
    output.resize(len as usize, 0.0);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::super::wav::wav;
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_its_level_and_its_length() {
        for rate in [8_000_u32, 44_100, 48_000, 96_000] {
            let tone = |rate: u32| {
                (0..rate).map(move |i| {
                    0.5 * (std::f32::consts::TAU * 440.0 * i as f32 / rate as f32).sin()
                })
            };
            let name = Path::new("tone.wav");
            let pcm = read_sound_bytes(wav(rate, tone(rate)), name).expect("a sound");
            assert_eq!(pcm.len(), 48_000, "{rate}");
            // The ends are where a resampler rings.
            let off = pcm
                .iter()
                .zip(tone(48_000))
                .skip(2_000)
                .take(44_000)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            // A sample later or earlier is 0.029.
            assert!(off < 0.02, "{rate}: {off}");
        }
    }

    #[test]
    fn a_damaged_sample_rate_is_refused() {
        for rate in [0, 7, 999, 768_001, 40_000_000, 4_294_967_291_u32] {
            // All else of it is whole.
            let mut bytes = wav(8_000, (0..8_000).map(|i| (i % 20) as f32 / 40.0));
            bytes[24..28].copy_from_slice(&rate.to_le_bytes());
            let error = read_sound_bytes(bytes, Path::new("a.wav")).expect_err("refused");
            assert!(
                error.to_string().starts_with("a.wav: not a sound: "),
                "{error}"
            );
        }
        for rate in [1_000, 768_000] {
            let bytes = wav(rate, (0..rate).map(|_| 0.1));
            read_sound_bytes(bytes, Path::new("a.wav")).expect("a sound");
        }
    }

    include!("../../../tests/it/float_wav.rs");

    #[test]
    fn damaged_samples_harm_only_themselves() {
        for (rate, channels, bits) in [
            (48_000, 1, 32),
            (48_000, 2, 32),
            (44_100, 1, 32),
            (8_000, 2, 64),
        ] {
            let count = rate as usize * usize::from(channels);
            let tone = |i: usize| 0.3 * (i as f64 * 0.05).sin();
            let whole: Vec<f64> = (0..count).map(tone).collect();
            let mut damaged = whole.clone();
            for (i, bad) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, 1e300]
                .into_iter()
                .enumerate()
            {
                damaged[count / 2 + i] = bad;
            }
            let read = |samples: &[f64]| {
                let bytes = float_wav(rate, channels, bits, samples);
                read_sound_bytes(bytes, Path::new("damaged.wav")).expect("a sound")
            };
            let (whole, damaged) = (read(&whole), read(&damaged));
            assert!(damaged.iter().all(|v| v.abs() < 12.0), "{rate} Hz");
            let place = whole.len() / 2;
            for (i, (a, b)) in whole.iter().zip(&damaged).enumerate() {
                // A resampler works in blocks of some thousand samples.
                if i.abs_diff(place) > 8_000 {
                    assert!((a - b).abs() < 1e-4, "{rate} Hz, sample {i}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn a_sound_of_mostly_no_numbers_is_refused() {
        let mut samples = vec![0.1; 1_000];
        samples[..501].fill(f64::NAN);
        let read = |samples: &[f64]| {
            read_sound_bytes(float_wav(48_000, 1, 32, samples), Path::new("nan.wav"))
        };
        let error = read(&samples).expect_err("refused").to_string();
        assert_eq!(
            error,
            "nan.wav: not a sound: 501 of its 1000 samples are NaN or infinite"
        );
        samples[..501].fill(0.1);
        samples[..500].fill(f64::NAN);
        read(&samples).expect("half of it is there");
    }

    #[test]
    fn what_is_no_sound_is_named() {
        let error = read_sound_bytes(b"hello".to_vec(), Path::new("a/b.ogg")).expect_err("text");
        assert!(
            error.to_string().starts_with("a/b.ogg: not a sound"),
            "{error}"
        );
        let missing = read_sound(Path::new("/no/such.wav")).expect_err("no file");
        assert!(missing.to_string().contains("/no/such.wav"), "{missing}");
    }
}

//! Sound to FLAC and back, pictures to JPEG and back.
//!
//! FLAC, as nothing of the sound should be lost before features are made of it,
//! and since any second of it can be decoded by itself: 0.3 ms, where a piece of
//! ten takes 2 to 3.

use std::io::Cursor;

use flac_codec::encode::{FlacSampleWriter, Options};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{SeekMode, SeekTo, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::units::Timestamp;

use crate::picture::Picture;
use crate::time::SAMPLE_RATE;

/// Samples that memory is reserved for at once: a clip's 11 s. The number of samples
/// is read from a file that may be damaged.
const MAX_RESERVED: usize = 11 * SAMPLE_RATE as usize;

/// Quality of the JPEGs.
pub const JPEG_QUALITY: u8 = 90;

/// Mono sound at 48 kHz as FLAC, exactly.
///
/// # Errors
/// Says in one line what the encoder says.
pub fn encode_sound(pcm: &[i16]) -> Result<Vec<u8>, String> {
    let mut file = Cursor::new(Vec::with_capacity(pcm.len()));
    // A seek point for each block of 85 ms, 18 bytes: a second is found at once.
    let options = Options::default().no_padding().seektable_frames(1);
    let samples: Vec<i32> = pcm.iter().map(|&v| i32::from(v)).collect();
    let total = Some(samples.len() as u64);
    let mut writer = FlacSampleWriter::new(&mut file, options, SAMPLE_RATE, 16, 1, total)
        .map_err(|e| e.to_string())?;
    writer.write(&samples).map_err(|e| e.to_string())?;
    writer.finalize().map_err(|e| e.to_string())?;
    Ok(file.into_inner())
}

/// `samples` of the sound from `start` on, in `[-1, 1]`; fewer where it ends.
pub(super) fn decode_sound(
    flac: Vec<u8>,
    start: usize,
    samples: usize,
) -> Result<Vec<f32>, String> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(flac)), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            Hint::new().with_extension("flac"),
            stream,
            Default::default(),
            Default::default(),
        )
        .map_err(|e| e.to_string())?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or("no sound in it")?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio());
    let parameters = parameters.ok_or("an unknown codec")?;
    if parameters.sample_rate != Some(SAMPLE_RATE) {
        return Err(format!("not {SAMPLE_RATE} Hz"));
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|e| e.to_string())?;
    let mut skip = 0;
    if start > 0 {
        let ts = Timestamp::new(i64::try_from(start).unwrap_or(i64::MAX));
        let found = format
            .seek(SeekMode::Accurate, SeekTo::Timestamp { ts, track_id })
            .map_err(|e| e.to_string())?;
        // It stands at the start of the block that holds the sample.
        skip = usize::try_from(ts.get() - found.actual_ts.get()).unwrap_or(0);
    }
    let (mut pcm, mut block) = (
        Vec::with_capacity(samples.min(MAX_RESERVED) + 8192),
        Vec::new(),
    );
    while pcm.len() < samples.saturating_add(skip) {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) | Err(Error::IoError(_)) => break,
            Err(e) => return Err(e.to_string()),
        };
        let decoded = decoder.decode(&packet).map_err(|e| e.to_string())?;
        if decoded.spec().channels().count() != 1 {
            return Err("not mono".to_owned());
        }
        decoded.copy_to_vec_interleaved::<f32>(&mut block);
        pcm.extend_from_slice(&block);
    }
    pcm.drain(..skip.min(pcm.len()));
    pcm.truncate(samples);
    Ok(pcm)
}

/// An RGB picture of `width × height × 3` bytes as JPEG.
///
/// # Errors
/// Says in one line what the encoder says.
pub fn encode_picture(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut jpeg = Vec::with_capacity(rgb.len() / 8);
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| e.to_string())?;
    Ok(jpeg)
}

pub(super) fn decode_picture(jpeg: &[u8]) -> Result<Picture, String> {
    let image = image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg)
        .map_err(|e| e.to_string())?
        .into_rgb8();
    let (width, height) = image.dimensions();
    Ok(Picture {
        width,
        height,
        rgb: image.into_raw(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;
    use crate::corpus::{read_sound_bytes, rng};

    /// Sound with all that upsets encoders: noise, silence, full scale, in turns.
    fn sound(samples: usize, seed: u64) -> Vec<i16> {
        let mut rng = rng(seed, 0, 0);
        let mut pcm = Vec::with_capacity(samples + 9_000);
        while pcm.len() < samples {
            let run = rng.random_range(1..9_000);
            match rng.random_range(0..4) {
                0 => pcm.extend((0..run).map(|_| rng.random::<i16>())),
                1 => pcm.extend(std::iter::repeat_n(0, run)),
                2 => pcm.extend((0..run).map(|i| if i % 2 == 0 { i16::MIN } else { i16::MAX })),
                _ => pcm.extend((0..run).map(|i| ((i as f32 * 0.05).sin() * 9e3) as i16)),
            }
        }
        pcm.truncate(samples);
        pcm
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Any stretch of any sound comes back bit by bit.
        #[test]
        fn a_stretch_decodes_to_what_went_in(
            samples in 1_usize..200_000,
            seed: u64,
            from in 0.0_f64..1.0,
            length in 1_usize..60_000,
        ) {
            let pcm = sound(samples, seed);
            let flac = encode_sound(&pcm).expect("encoded");
            prop_assert!(flac.len() < pcm.len() * 2 + 10_000, "{} bytes", flac.len());
            let start = ((samples as f64 * from) as usize).min(samples - 1);
            let end = samples.min(start + length);
            let got = decode_sound(flac, start, length).expect("decoded");
            let want: Vec<f32> = pcm[start..end].iter().map(|&v| f32::from(v) / 32768.0).collect();
            prop_assert!(got == want, "{} samples of {}", got.len(), want.len());
        }
    }

    #[test]
    fn other_readers_of_flac_hear_the_same() {
        let pcm = sound(100_000, 7);
        let flac = encode_sound(&pcm).expect("encoded");
        let read = read_sound_bytes(flac, Path::new("a.flac")).expect("a sound");
        assert!(read.iter().map(|v| (v * 32768.0) as i16).eq(pcm));
    }

    #[test]
    fn a_picture_survives_jpeg_nearly() {
        let (width, height) = (455, 256);
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|i| [(i % width / 2) as u8, (i / width) as u8, 128])
            .collect();
        let jpeg = encode_picture(&rgb, width, height).expect("encoded");
        let back = decode_picture(&jpeg).expect("decoded");
        assert_eq!((back.width, back.height), (width, height));
        let off: u32 = rgb
            .iter()
            .zip(&back.rgb)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        assert!(off < 2 * rgb.len() as u32, "{}", off as usize / rgb.len());
    }

    #[test]
    fn more_than_there_is_takes_no_room() {
        let pcm = sound(10_000, 3);
        let flac = encode_sound(&pcm).expect("encoded");
        for samples in [1_usize << 40, usize::MAX] {
            let got = decode_sound(flac.clone(), 100, samples).expect("decoded");
            assert_eq!(got.len(), 9_900);
        }
    }

    #[test]
    fn damage_is_reported() {
        assert!(decode_sound(b"fLaC".to_vec(), 0, 10).is_err());
        assert!(decode_picture(b"\xff\xd8\xff").is_err());
    }
}

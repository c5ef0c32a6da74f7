// Also included by the tests of `src/data/corpus/sound_file.rs`, which see nothing of these.

/// A WAV file of 32-bit or 64-bit floats; channels take turns.
pub fn float_wav(rate: u32, channels: u16, bits: u16, samples: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = match bits {
        32 => (samples.iter().flat_map(|&s| (s as f32).to_le_bytes())).collect(),
        _ => samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
    };
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x03\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

//! The other way round: sounds as files.

/// A mono WAV of 16 bits; what is outside of `[-1, 1]` is cut off.
pub fn wav(rate: u32, samples: impl Iterator<Item = f32>) -> Vec<u8> {
    let data: Vec<u8> = samples
        .flat_map(|s| ((s * 32767.0).round() as i16).to_le_bytes())
        .collect();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

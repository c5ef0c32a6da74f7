//! Pictures that tell nothing: one that stands, and a black one.

/// Whether two pictures are equal except for coding noise: a frozen feed, or no motion.
/// At most one byte in 10 000 may differ by more than 4 (of 255).
pub fn is_still(before: &[u8], now: &[u8]) -> bool {
    if before.len() != now.len() || now.is_empty() {
        return false;
    }
    let changed = before
        .iter()
        .zip(now)
        .filter(|(a, b)| a.abs_diff(**b) > 4)
        .count();
    changed * 10_000 <= now.len()
}

/// Whether an RGB picture is black: the thresholds of ffmpeg's `blackdetect`, and BT.601's
/// luma as there.
pub fn is_black(rgb: &[u8]) -> bool {
    let (pixels, _) = rgb.as_chunks::<3>();
    let is_dark = |[r, g, b]: &&[u8; 3]| {
        let luma = 299 * u32::from(*r) + 587 * u32::from(*g) + 114 * u32::from(*b);
        luma < 25_500
    };
    let dark = pixels.iter().filter(is_dark).count();
    !pixels.is_empty() && dark * 100 >= pixels.len() * 98
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_picture_is_still_and_a_moving_one_is_not() {
        let picture = vec![100_u8; 30_000];
        assert!(!is_still(&[], &picture), "the first has none before it");
        assert!(is_still(&picture, &picture));
        let noisy: Vec<u8> = picture
            .iter()
            .enumerate()
            .map(|(i, v)| v + (i % 5) as u8)
            .collect();
        assert!(is_still(&picture, &noisy));
        let mut moved = picture.clone();
        moved[600..660].fill(255);
        assert!(!is_still(&picture, &moved));
    }

    #[test]
    fn a_dark_picture_is_black_and_one_with_a_lamp_is_not() {
        let mut picture = vec![20_u8; 30_000];
        assert!(is_black(&picture));
        picture[..30 * 19].fill(255);
        assert!(is_black(&picture), "under two percent");
        picture[..30 * 21].fill(255);
        assert!(!is_black(&picture));
        assert!(!is_black(&[]));
    }
}

//! Text on a layer, in Hack, the font that is built in.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use super::Layer;

static HACK: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR).expect("the font built in is whole")
});

/// Width of a character over the text's height; the font is monospaced.
pub const ADVANCE: f32 = 0.517;

/// Draws one line of text, `height` pixels high, with its upper left corner at `x`, `y`.
/// Line ends and control characters become dots.
pub fn draw(layer: &mut Layer, x: f32, y: f32, height: f32, text: &str, colour: [u8; 3]) {
    let font = HACK.as_scaled(PxScale::from(height));
    let mut pen = point(x, y + font.ascent());
    for c in text.chars() {
        let c = if c.is_control() { '·' } else { c };
        let mut glyph = font.scaled_glyph(c);
        glyph.position = pen;
        pen.x += font.h_advance(glyph.id);
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            let (x, y) = (corner.x + dx as f32, corner.y + dy as f32);
            if x >= 0.0 && y >= 0.0 {
                layer.over(x as u32, y as u32, colour, (coverage * 255.0) as u8);
            }
        });
    }
}

/// Width of a line of text.
pub fn width(text: &str, height: f32) -> f32 {
    text.chars().count() as f32 * ADVANCE * height
}

/// The text, its start replaced by … if it has more than `limit` characters: the end
/// of a path or address says more than its start.
pub fn shortened(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let tail = text.chars().skip(count + 1 - limit.max(1));
    std::iter::once('…').chain(tail).collect()
}

/// A time and a name, which is shortened so that both fit.
pub fn joined(when: &str, name: &str, limit: usize) -> String {
    let rest = limit.saturating_sub(when.chars().count() + 1);
    format!("{when} {}", shortened(name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_characters_have_the_same_width() {
        let font = HACK.as_scaled(PxScale::from(100.0));
        for c in "iW0:–…·".chars() {
            assert_ne!(font.glyph_id(c).0, 0, "the font has no {c}");
            let advance = font.h_advance(font.glyph_id(c));
            assert!((advance - 100.0 * ADVANCE).abs() < 0.1, "{c}: {advance}");
        }
    }

    #[test]
    fn long_text_keeps_its_end() {
        assert_eq!(shortened("clip.mp4", 8), "clip.mp4");
        assert_eq!(shortened("a/long/clip.mp4", 9), "…clip.mp4");
        assert_eq!(shortened("äöü", 2), "…ü");
        assert_eq!(shortened("abc", 0), "…");
        assert_eq!(joined("0:07", "a/long/clip.mp4", 14), "0:07 …clip.mp4");
    }
}

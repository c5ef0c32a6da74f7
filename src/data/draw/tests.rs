use super::*;
use crate::testing::{bump, judged};
use crate::window_spec::WindowSpec;

fn changed(before: &Picture, after: &Picture, x: u32, y: u32) -> bool {
    let at = ((y * before.width + x) * 3) as usize;
    before.rgb[at..at + 3] != after.rgb[at..at + 3]
}

#[test]
fn the_glow_lies_where_the_heatmap_is_strong() {
    let grey = Picture::filled(640, 360, [90; 3]);
    let drawn = heatmap_picture(&judged("a", 0, grey.clone(), 0.95)).unwrap();
    // The bump's middle is cell (4, 12) of 9 × 16: pixel (500, 180).
    assert!(changed(&grey, &drawn, 500, 180));
    let at = (180 * 640 + 500) * 3;
    let [r, g, b] = [0, 1, 2].map(|c| drawn.rgb[at + c]);
    assert!(r > 180 && r > g && g > b, "not hot: {r} {g} {b}");
    assert!(!changed(&grey, &drawn, 100, 100));
    assert!(!changed(&grey, &drawn, 320, 20));
}

#[test]
fn without_correspondence_nothing_glows() {
    let grey = Picture::filled(640, 360, [90; 3]);
    for p in [0.0, 0.3, 0.5, f32::NAN] {
        let drawn = heatmap_picture(&judged("a", 0, grey.clone(), p)).unwrap();
        assert!(!changed(&grey, &drawn, 500, 180), "glows at {p}");
    }
}

#[test]
fn the_glow_grows_with_the_correspondence() {
    let map = bump(9, 16, 4.0, 12.0, 1.6);
    let light = [0.5, 0.7, 0.8, 0.9, 1.0].map(|p| {
        let mut picture = Picture::filled(64, 36, [0; 3]);
        let mut layer = Layer::new(64, 36);
        glow(&mut layer, Area::of(64, 36), &map, p, false);
        layer.blend(&mut picture);
        picture.rgb.iter().map(|&b| u32::from(b)).sum::<u32>()
    });
    assert_eq!(light[0], 0);
    // By at least a tenth per step, and clearly visible at 0.7.
    assert!(light.windows(2).all(|l| l[0] * 11 < l[1] * 10), "{light:?}");
    assert!(light[1] * 3 > light[4], "{light:?}");
}

#[test]
fn the_drawn_peak_is_where_the_map_says() {
    let map = bump(9, 16, 4.0, 12.0, 1.0);
    for (upward, expected_y) in [(false, 90.0), (true, 90.0)] {
        let mut layer = Layer::new(320, 180);
        glow(&mut layer, Area::of(320, 180), &map, 1.0, upward);
        let mut picture = Picture::filled(320, 180, [0; 3]);
        layer.blend(&mut picture);
        let (mut sum, mut sx, mut sy) = (0.0, 0.0, 0.0);
        for y in 0..180 {
            for x in 0..320 {
                let v = f64::from(picture.rgb[(y * 320 + x) * 3]);
                sum += v;
                sx += v * (x as f64 + 0.5);
                sy += v * (y as f64 + 0.5);
            }
        }
        // Cell (4, 12): x from 240 to 260, y from 80 to 100.
        let (x, y) = (sx / sum, sy / sum);
        assert!(
            (x - 250.0).abs() < 1.0 && (y - expected_y).abs() < 1.0,
            "{x} {y}"
        );
    }
}

#[test]
fn row_zero_of_a_spectrogram_is_at_the_bottom() {
    let mut layer = Layer::new(40, 40);
    glow(
        &mut layer,
        Area::of(40, 40),
        &bump(8, 8, 0.0, 4.0, 1.0),
        1.0,
        true,
    );
    let mut picture = Picture::filled(40, 40, [0; 3]);
    layer.blend(&mut picture);
    assert!(picture.rgb[(38 * 40 + 22) * 3] > 150);
    assert_eq!(picture.rgb[(2 * 40 + 22) * 3], 0);
}

#[test]
fn only_the_part_that_the_network_sees_glows() {
    let mut moment = judged("a", 0, Picture::filled(640, 360, [90; 3]), 1.0);
    moment.evidence.judgement.vision = Heatmap {
        rows: 2,
        cols: 2,
        values: vec![1.0; 4],
    };
    moment.evidence.covered = Region {
        x0: 0.25,
        y0: 0.0,
        x1: 0.75,
        y1: 1.0,
    };
    let grey = moment.evidence.picture.as_deref().unwrap().clone();
    let drawn = heatmap_picture(&moment).unwrap();
    let lit: Vec<u32> = (0..640)
        .filter(|&x| changed(&grey, &drawn, x, 50))
        .collect();
    assert_eq!((lit[0], lit[lit.len() - 1], lit.len()), (160, 479, 320));
}

#[test]
fn empty_and_broken_maps_draw_nothing() {
    let broken = [
        (0, 0, vec![]),
        (2, 2, vec![0.0; 4]),
        (2, 2, vec![1.0; 3]),
        (2, 2, vec![f32::INFINITY; 4]),
        (2, 2, vec![f32::NAN; 4]),
        (2, 2, vec![-1.0; 4]),
    ];
    for (rows, cols, values) in broken {
        let mut layer = Layer::new(20, 20);
        let map = Heatmap { rows, cols, values };
        glow(&mut layer, Area::of(20, 20), &map, 1.0, false);
        let mut picture = Picture::filled(20, 20, [90; 3]);
        layer.blend(&mut picture);
        assert_eq!(picture, Picture::filled(20, 20, [90; 3]), "{map:?}");
    }
}

#[test]
fn every_size_can_be_drawn_on() {
    for (width, height) in [
        (1, 1),
        (2, 2),
        (3, 200),
        (200, 3),
        (64, 48),
        (176, 144),
        (4096, 16),
    ] {
        let drawn = heatmap_picture(&judged(
            "a\n/ü",
            0,
            Picture::filled(width, height, [9; 3]),
            1.0,
        ));
        let drawn = drawn.unwrap();
        assert_eq!((drawn.width, drawn.height), (width, height));
        assert_eq!(drawn.rgb.len(), (width * height * 3) as usize);
    }
}

#[test]
fn the_score_is_shown_where_it_fits() {
    let lit = |width, height| {
        let mut layer = Layer::new(width, height);
        let caption = Caption {
            score: Score::Correspondence(0.7),
            when: "0:07".into(),
            stream: "clip.mp4".into(),
        };
        caption.draw(&mut layer, Area::of(width, height));
        let mut picture = Picture::filled(width, height, [90; 3]);
        layer.blend(&mut picture);
        picture.rgb.chunks(3).filter(|p| *p != [90; 3]).count()
    };
    assert_eq!(lit(8, 8), 0);
    assert_eq!(lit(64, 48), 64 * 2, "a bar of two pixels");
    assert!(lit(640, 360) > 640 * 360 / 40);
    assert!(lit(640, 360) < 640 * 360 / 10);
}

#[test]
fn the_glow_of_a_sound_skips_what_pooling_drops() {
    let map = Heatmap {
        rows: 16,
        cols: 12,
        values: vec![1.0; 16 * 12],
    };
    let area = under_sound_map(Area::of(199, 257), &WindowSpec::PAPER, &map);
    let found = [area.x, area.y, area.width, area.height];
    // 12 * 16 columns, and 16 * 16 rows from the bottom.
    for (found, expected) in found.iter().zip([0.0, 1.0, 192.0, 256.0]) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
}

#[test]
fn a_sound_picture_needs_a_spectrogram_of_the_right_size() {
    let mut moment = judged("a", 0, Picture::filled(2, 2, [0; 3]), 0.9);
    let picture = sound_picture(&moment).unwrap();
    assert!(picture.width > 3 * 199 && picture.height > 2 * 257);
    moment.evidence.spectrogram = Some([0.0; 7].into());
    assert!(sound_picture(&moment).is_none());
    moment.evidence.spectrogram = None;
    assert!(sound_picture(&moment).is_none());
}
